"""Why a plan cannot be carried out here: everything is looked for before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from opensearch.plugin.calls import Call
from opensearch.plugin.census import Census
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.facts import Facts
from opensearch.plugin.plan import Plan
from opensearch.plugin.shelves import INDEX_TEMPLATE, JUDGMENTS, QUERY_SET, SNAPSHOT_POLICY, STATE_POLICY, Thing

_MOST_QUERIES: Final = "plugins.search_relevance.query_set.maximum"
_MOST_NESTED: Final = 10_000
"""Objects in one document, of which judgments have one for each query and each rating; more fail behind our back."""


def taken_names(things: Sequence[Thing], census: Census) -> list[str]:
    """Return the names of ours that stand for something that is not."""
    return [
        f"the {thing.shelf.title} {thing.name} is there already and is not ours"
        for thing in things
        if any(not found.ours for found in census.named(thing.shelf, thing.name))
    ]


def oversized(plan: Plan, facts: Facts) -> list[str]:
    """Return what is more than the Search Relevance Workbench holds in one piece."""
    found = []
    most = int(facts.settings.get(_MOST_QUERIES, 1_000))
    for thing in plan.things:
        if thing.shelf is QUERY_SET and (count := len(thing.body["querySetQueries"])) > most:
            found.append(f"{count} judged queries are more than the {most} that {_MOST_QUERIES} allows")
        if thing.shelf is JUDGMENTS:
            count = sum(1 + len(row["ratings"]) for row in thing.body["judgmentRatings"])
            if count > _MOST_NESTED:
                found.append(
                    f"{count} judged queries and documents are more than the {_MOST_NESTED} that one list holds"
                )
    return found


async def other_conflicts(cluster: Cluster, plan: Plan) -> list[str]:
    """Return what stands in the way of the index template and the policies: rivals, an index mapped otherwise.

    Raises: Forbidden, InvalidInput, Unavailable, Timeout.
    """
    found = [*await _rival_policies(cluster, plan), *await _lacking_repositories(cluster, plan)]
    for template in (thing for thing in plan.things if thing.shelf is INDEX_TEMPLATE):
        rivals = await cluster.ask(Call("GET", "/_index_template"))
        patterns, priority = template.body["index_patterns"], template.body["priority"]
        found += [
            f"the index template {row['name']} is for {', '.join(row['index_template']['index_patterns'])} too, "
            f"with the same priority or a higher one"
            for row in rivals["index_templates"]
            if row["name"] != template.name
            and row["index_template"].get("priority", 0) >= priority
            and overlap(patterns, row["index_template"]["index_patterns"])
        ]
        wanted = template.body["template"]["mappings"]["properties"]
        there = await cluster.ask(Call("GET", f"/{','.join(patterns)}/_mapping?ignore_unavailable=true"))
        for index, row in sorted((there or {}).items()):
            if "model_revision" in row["mappings"].get("_meta", {}):
                continue  # made from our template, if by another model: no conflict, but due to be indexed again
            found += _other_types(index, wanted, row["mappings"].get("properties", {}))
    return found


async def _rival_policies(cluster: Cluster, plan: Plan) -> list[str]:
    """Return the policies of others for the same indexes with the same priority, beside which ours would be refused."""
    found = []
    for policy in (thing for thing in plan.things if thing.shelf is STATE_POLICY):
        [ours] = policy.body["ism_template"]
        patterns, priority = ours["index_patterns"], ours["priority"]
        rows = (await cluster.ask(policy.shelf.listing) or {}).get("policies", [])
        found += [
            f"the index state policy {row['_id']} is for {', '.join(theirs['index_patterns'])} too, "
            f"with the same priority"
            for row in rows
            if row["_id"] != policy.name
            for theirs in row["policy"].get("ism_template") or []
            if theirs.get("priority", 0) == priority and overlap(patterns, theirs["index_patterns"])
        ]
    return found


async def _lacking_repositories(cluster: Cluster, plan: Plan) -> list[str]:
    """Return the repositories that snapshots would go to and are not there: index-management does not ask."""
    named = [thing.body["snapshot_config"]["repository"] for thing in plan.things if thing.shelf is SNAPSHOT_POLICY]
    return [
        f"there is no snapshot repository {name}"
        for name in named
        if await cluster.ask(Call("GET", f"/_snapshot/{quote(name, safe='')}")) is None
    ]


def overlap(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Tell whether a name can fit both: ours end in a star, theirs are compared up to their first one."""
    return any(_meet(one.removesuffix("*"), other) for one in ours for other in theirs)


def _meet(prefix: str, other: str) -> bool:
    start, star, _ = other.partition("*")
    return start.startswith(prefix) or (bool(star) and prefix.startswith(start))


def _other_types(index: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the fields that an index maps to another type or width than the pipelines write."""
    conflicts = []
    for name, field in wanted.items():
        other = found.get(name)
        if other is None:
            continue
        if other.get("type", "object") != field["type"]:
            told = other.get("type", "object")
            conflicts.append(f"the index {index} maps {name} as {told}, the pipelines need {field['type']}")
        elif field["type"] == "knn_vector" and other.get("dimension") != field["dimension"]:
            conflicts.append(
                f"the index {index} holds vectors of {other.get('dimension')} dimensions in {name}, the model gives "
                f"{field['dimension']}: it was built by another model"
            )
    return conflicts
