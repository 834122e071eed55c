"""Everything that should be on a cluster, in the order in which it is made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opensearch.plugin.change import Record
from opensearch.plugin.connectors import models_of
from opensearch.plugin.facts import OPTIONAL
from opensearch.plugin.guards import guard
from opensearch.plugin.marks import PREFIX, described
from opensearch.plugin.pipelines import ingest_pipelines, search_pipelines
from opensearch.plugin.policies import snapshot_policy, state_policy
from opensearch.plugin.relevance import JudgedTexts, configurations, judgments
from opensearch.plugin.roles import roles
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import RECORD, SEARCH_CONFIGURATION, Thing
from opensearch.plugin.templates import PATTERN, index_template
from shirabe.errors import InvalidInput
from shirabe.settings import Japanese

RECORD_NAME: Final = f"{PREFIX}plugin"
_NO_REPOSITORY: Final = "no snapshot repository was named"
_NO_JUDGED: Final = "no judged queries were given"


@dataclass(frozen=True, slots=True)
class Plan:
    """What should be there, after the record; and what is left out, each with the reason.

    `alias` is that of the index behind the facade, which the pipelines can search too.
    """

    served: ServedModels
    alias: str
    things: tuple[Thing, ...]
    skipped: Mapping[str, str]

    @property
    def fills_workbench(self) -> bool:
        """Whether anything goes into the Search Relevance Workbench, which may have to be switched on."""
        return any(thing.shelf is SEARCH_CONFIGURATION for thing in self.things)


def make_plan(
    served: ServedModels,
    components: Collection[str],
    *,
    alias: str,
    repository: str | None = None,
    judged: JudgedTexts | None = None,
    compared: str | None = None,
    japanese: Japanese = "kuromoji",
    guarded: bool = False,
) -> Plan:
    """Return the plan for a cluster with these components; ways of searching are compared on the index `compared`.

    `japanese`: what cuts Japanese in indexes that begin with the template's pattern. `guarded`: models are kept to
    those who made them, unless told otherwise.

    Raises: InvalidInput when that index would be taken for one of the template's.
    """
    if f"{alias}-".startswith(PATTERN.removesuffix("*")):
        raise InvalidInput(f"{PATTERN} is the pattern of the index template: choose another alias", "opensearch.alias")
    index = judged.index if judged else compared
    wanted = [
        *models_of(served, guarded=guarded),
        guard(served),
        *ingest_pipelines(served),
        *search_pipelines(served),
        index_template(served, japanese),
        state_policy(),
        *([snapshot_policy(repository, alias)] if repository else []),
        *roles(alias),
        *(judgments(judged) if judged else []),
        *(configurations(served, index) if index else []),
    ]
    skipped = {OPTIONAL[name]: f"the plugin {name} is not on every node" for name in OPTIONAL if name not in components}
    if repository is None:
        skipped.setdefault("snapshot policy", _NO_REPOSITORY)
    if judged is None and "opensearch-search-relevance" in components:
        skipped["query sets and judgments"] = _NO_JUDGED
    if index is None and "opensearch-search-relevance" in components:
        skipped["search configurations"] = f"there is no index {alias}"
    if not served.sparse:
        skipped["sparse vectors"] = f"the model {served.name} gives none"
    if served.reranker is None:
        skipped["reranking"] = "the model server has no reranker"
    there = tuple(thing for thing in wanted if thing.shelf.needs is None or thing.shelf.needs in components)
    return Plan(served, alias, there, skipped)


def record_thing(record: Record, served: ServedModels) -> Thing:
    """Return the record as what the cluster keeps: a component template that no index uses."""
    meta: dict[str, Any] = {
        "description": described("what was there before, for remove"),
        "before": dict(record.before),
        "trusted": list(record.trusted),
        "inherited": list(record.inherited),
        "model": served.name,
        "model_revision": served.revision,
        "models_url": served.url,
    }
    return Thing(RECORD, RECORD_NAME, {"template": {}, "_meta": meta})


def recorded_model(value: Mapping[str, Any]) -> tuple[str, str]:
    """Return the model and revision that the pipelines were made for, of what the cluster keeps."""
    meta = value["_meta"]
    return meta["model"], meta["model_revision"]


def record_read(value: Mapping[str, Any]) -> Record:
    """Return a record from what the cluster keeps."""
    meta = value["_meta"]
    return Record(dict(meta["before"]), tuple(meta["trusted"]), tuple(meta["inherited"]))
