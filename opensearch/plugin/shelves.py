"""How the cluster keeps each kind of thing: where to list them, how to write one, how to take one away.

Some shelves hold one thing a name, and a write replaces it (pipelines, templates, policies, roles). Others give every
write an id of its own, so that several of a name may stand (connectors, models, query sets).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from opensearch.plugin.calls import Call, Ids, Ref, resolved
from opensearch.plugin.marks import PREFIX, agrees, described, is_ours, parted_name

Body = Mapping[str, Any]
Component = Literal[
    "opensearch-ml", "opensearch-security", "opensearch-index-management", "opensearch-search-relevance"
]
_MOST: Final = 1_000
_OUR_NAMES: Final = {"query": {"prefix": {"name.keyword": {"value": PREFIX}}}, "size": _MOST}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on the cluster whose name begins with ours; `row` is what the listing says around it."""

    name: str
    ident: str
    value: Body
    description: str
    row: Body

    @property
    def ours(self) -> bool:
        """Whether it carries our description."""
        return is_ours(self.description)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One kind of thing.

    title: what people call one. listing: the call whose answer `entries` reads. write: the call that makes it, or what
    is found as wanted. ident: its id, from the answer to that. take: the calls that take it away, in order. needs: the
    component that keeps such things. several: a write never replaces. ready: whether one that is there can be used.
    superseded: what becomes of others of ours under the same name, where there may be several. unread: fields of a
    body that are not read back. early: what a write is refused with that came too early, and is sent again.
    """

    title: str
    listing: Call
    entries: Callable[[Any], list[Found]]
    write: Callable[[str, Body, Found | None], Call]
    take: Callable[[Found], tuple[Call, ...]]
    ident: Callable[[str, Any], str] = lambda name, _: name
    needs: Component | None = None
    several: bool = False
    ready: Callable[[Body], bool] = lambda _: True
    superseded: Literal["kept", "deleted"] = "deleted"
    unread: frozenset[str] = frozenset()
    early: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that should be on a shelf; the body carries our description and may hold references."""

    shelf: Shelf
    name: str
    body: Body

    @property
    def ref(self) -> Ref:
        """What stands for its id in other bodies."""
        return Ref(self.shelf.title, self.name)

    def as_wanted(self, found: Found, ids: Ids) -> bool:
        """Tell whether what is found is what the body says, apart from whether it is ready."""
        kept = {name: value for name, value in self.body.items() if name not in self.shelf.unread}
        return agrees(resolved(kept, ids), found.value)


def _named(key: str) -> Callable[[Any], list[Found]]:
    """Return how to read a listing that is an array of {name, `key`: value}."""

    def entries(answer: Any) -> list[Found]:
        rows = [] if answer is None else answer[f"{key}s"]
        return [
            Found(row["name"], row["name"], row[key], str(row[key].get("_meta", {}).get("description", "")), row)
            for row in rows
        ]

    return entries


def _mapped(answer: Any) -> list[Found]:
    """Read a listing that is an object of name -> value."""
    return [
        Found(name, name, value, str(value.get("description", "")), value)
        for name, value in (answer or {}).items()
        if name.startswith(PREFIX)
    ]


def _hits(answer: Any) -> list[Found]:
    """Read a listing that is a search answer, the ids being the system's own."""
    rows = [] if answer is None else answer["hits"]["hits"]
    return [
        Found(row["_source"]["name"], row["_id"], row["_source"], str(row["_source"].get("description", "")), row)
        for row in rows
        if str(row["_source"].get("name", "")).startswith(PREFIX)
    ]


def _judgments(answer: Any) -> list[Found]:
    """Read the list of judgments, of which no description is kept: ours are told by their name."""
    found = [(one, parted_name(one.name)) for one in _hits(answer)]
    return [
        replace(one, name=name, description=described(f"judgments, {spec}"))
        for one, (name, spec) in found
        if spec and name.startswith(PREFIX)
    ]


def _policies(key: str, name_of: Callable[[Body], str]) -> Callable[[Any], list[Found]]:
    """Return how to read a listing of index-management, whose rows carry the numbers that an update must name."""

    def entries(answer: Any) -> list[Found]:
        rows = [] if answer is None else answer["policies"]
        return [
            Found(name_of(row[key]), name_of(row[key]), row[key], str(row[key].get("description", "")), row)
            for row in rows
            if name_of(row[key]).startswith(PREFIX)
        ]

    return entries


def _put(folder: str) -> Callable[[str, Body, Found | None], Call]:
    return lambda name, body, _: Call("PUT", f"/{folder}/{name}", body)


def _delete(folder: str) -> Callable[[Found], tuple[Call, ...]]:
    return lambda found: (Call("DELETE", f"/{folder}/{found.ident}"),)


def _numbered(found: Found) -> str:
    return f"if_seq_no={found.row['_seq_no']}&if_primary_term={found.row['_primary_term']}"


def _write_model(_: str, body: Body, found: Found | None) -> Call:
    if found is not None:
        return Call("POST", f"/_plugins/_ml/models/{found.ident}/_deploy")
    return Call("POST", "/_plugins/_ml/models/_register?deploy=true", {"function_name": "remote", **body})


def _write_model_group(name: str, body: Body, found: Found | None) -> Call:
    # What is read back as `access` is written as `access_mode`.
    spelled = {"access_mode" if key == "access" else key: value for key, value in body.items()}
    if found is None:
        return Call("POST", "/_plugins/_ml/model_groups/_register", {"name": name, **spelled})
    return Call("PUT", f"/_plugins/_ml/model_groups/{found.ident}", {"name": name, **spelled})


def _write_state_policy(name: str, body: Body, found: Found | None) -> Call:
    numbers = "" if found is None else f"?{_numbered(found)}"
    return Call("PUT", f"/_plugins/_ism/policies/{name}{numbers}", {"policy": body})


def _write_snapshot_policy(name: str, body: Body, found: Found | None) -> Call:
    if found is None:
        return Call("POST", f"/_plugins/_sm/policies/{name}", body)
    return Call("PUT", f"/_plugins/_sm/policies/{name}?{_numbered(found)}", body)


def _relevance(title: str, folder: str, ident: str) -> Shelf:
    path = f"/_plugins/_search_relevance/{folder}"
    return Shelf(
        title,
        listing=Call("GET", path),
        entries=_hits,
        early="index_not_found_exception",
        write=lambda name, body, _: Call("PUT", path, {"name": name, **body}),
        take=_delete(path.removeprefix("/")),
        ident=lambda _, answer: str(answer[ident]),
        needs="opensearch-search-relevance",
        several=True,
    )


RECORD: Final = Shelf(
    "component template",
    listing=Call("GET", f"/_component_template/{PREFIX}*"),
    entries=_named("component_template"),
    write=_put("_component_template"),
    take=_delete("_component_template"),
)
CONNECTOR: Final = Shelf(
    "connector",
    listing=Call("POST", "/_plugins/_ml/connectors/_search", _OUR_NAMES),
    entries=_hits,
    write=lambda name, body, _: Call("POST", "/_plugins/_ml/connectors/_create", {"name": name, **body}),
    take=_delete("_plugins/_ml/connectors"),
    ident=lambda _, answer: str(answer["connector_id"]),
    needs="opensearch-ml",
    several=True,
    superseded="kept",
    unread=frozenset({"credential"}),
)
MODEL_GROUP: Final = Shelf(
    "model group",
    listing=Call("POST", "/_plugins/_ml/model_groups/_search", _OUR_NAMES),
    entries=_hits,
    write=_write_model_group,
    take=_delete("_plugins/_ml/model_groups"),
    ident=lambda _, answer: str(answer["model_group_id"]),
    needs="opensearch-ml",
)
MODEL: Final = Shelf(
    "model",
    listing=Call("POST", "/_plugins/_ml/models/_search", _OUR_NAMES | {"_source": {"excludes": ["content"]}}),
    entries=_hits,
    write=lambda name, body, found: _write_model(name, {"name": name, **body}, found),
    take=lambda found: (
        Call("POST", f"/_plugins/_ml/models/{found.ident}/_undeploy"),
        Call("DELETE", f"/_plugins/_ml/models/{found.ident}"),
    ),
    ident=lambda _, answer: str(answer["model_id"]),
    needs="opensearch-ml",
    several=True,
    ready=lambda value: value.get("model_state") == "DEPLOYED",
    superseded="kept",
)
INGEST_PIPELINE: Final = Shelf(
    "ingest pipeline",
    listing=Call("GET", f"/_ingest/pipeline/{PREFIX}*"),
    entries=_mapped,
    write=_put("_ingest/pipeline"),
    take=_delete("_ingest/pipeline"),
)
SEARCH_PIPELINE: Final = Shelf(
    "search pipeline",
    listing=Call("GET", f"/_search/pipeline/{PREFIX}*"),
    entries=_mapped,
    write=_put("_search/pipeline"),
    take=_delete("_search/pipeline"),
)
INDEX_TEMPLATE: Final = Shelf(
    "index template",
    listing=Call("GET", f"/_index_template/{PREFIX}*"),
    entries=_named("index_template"),
    write=_put("_index_template"),
    take=_delete("_index_template"),
)
STATE_POLICY: Final = Shelf(
    "index state policy",
    listing=Call("GET", f"/_plugins/_ism/policies?size={_MOST}"),
    entries=_policies("policy", lambda policy: str(policy["policy_id"])),
    write=_write_state_policy,
    take=_delete("_plugins/_ism/policies"),
    needs="opensearch-index-management",
)
SNAPSHOT_POLICY: Final = Shelf(
    "snapshot policy",
    listing=Call("GET", f"/_plugins/_sm/policies?size={_MOST}"),
    entries=_policies("sm_policy", lambda policy: str(policy["name"])),
    write=_write_snapshot_policy,
    take=_delete("_plugins/_sm/policies"),
    needs="opensearch-index-management",
)
ROLE: Final = Shelf(
    "role",
    listing=Call("GET", "/_plugins/_security/api/roles"),
    entries=_mapped,
    write=_put("_plugins/_security/api/roles"),
    take=_delete("_plugins/_security/api/roles"),
    needs="opensearch-security",
)
QUERY_SET: Final = _relevance("query set", "query_sets", "query_set_id")
JUDGMENTS: Final = replace(
    _relevance("judgment list", "judgments", "judgment_id"),
    entries=_judgments,
    ready=lambda value: value.get("status") == "COMPLETED",
    unread=frozenset({"description", "judgmentRatings"}),
)
SEARCH_CONFIGURATION: Final = _relevance("search configuration", "search_configurations", "search_configuration_id")

SHELVES: Final = (
    RECORD,
    CONNECTOR,
    MODEL_GROUP,
    MODEL,
    INGEST_PIPELINE,
    SEARCH_PIPELINE,
    INDEX_TEMPLATE,
    STATE_POLICY,
    SNAPSHOT_POLICY,
    ROLE,
    QUERY_SET,
    JUDGMENTS,
    SEARCH_CONFIGURATION,
)
"""In the order in which things are made; they are taken away in the reverse."""
