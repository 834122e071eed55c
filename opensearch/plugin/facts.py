"""What a cluster is and has: read before anything is planned for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from opensearch.client import version_refusal
from opensearch.japanese_choice import nodes_without_sudachi
from opensearch.plugin.calls import Call
from opensearch.plugin.cluster import Cluster
from shirabe.errors import Unavailable

REQUIRED: Final[Mapping[str, str]] = {
    "opensearch-ml": "connectors and models",
    "opensearch-neural-search": "neural, neural_sparse and hybrid queries",
    "opensearch-knn": "vector fields",
    "analysis-kuromoji": "Japanese analysis",
}
OPTIONAL: Final[Mapping[str, str]] = {
    "opensearch-security": "roles",
    "opensearch-index-management": "index state and snapshot policies",
    "opensearch-search-relevance": "query sets, judgments and search configurations",
}
_MODEL_ACCESS: Final = "plugins.ml_commons.model_access_control_enabled"


@dataclass(frozen=True, slots=True)
class Facts:
    """A cluster: its version, the components that every node has, what blocks writing, and its settings.

    `settings` are in force, flat; `persistent` and `transient` are those of them that somebody set. `without_sudachi`
    names the nodes that Sudachi would have to be on, too.
    """

    distribution: str
    version: str
    components: frozenset[str]
    blocks: tuple[str, ...]
    settings: Mapping[str, Any]
    persistent: Mapping[str, Any]
    transient: Mapping[str, Any]
    without_sudachi: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The optional components that the cluster lacks."""
        return tuple(name for name in OPTIONAL if name not in self.components)

    @property
    def guards_models(self) -> bool:
        """Whether ml-commons keeps models to those who made them; it knows users by the security plugin alone."""
        switched_on = str(self.settings.get(_MODEL_ACCESS)).lower() == "true"
        return switched_on and "opensearch-security" in self.components

    def refusals(self) -> list[str]:
        """Return why nothing can be installed here; empty when it can."""
        if reason := version_refusal(self.distribution, self.version):
            return [reason]
        lacking = [
            f"the plugin {name} is not on every node: no {use}"
            for name, use in REQUIRED.items()
            if name not in self.components
        ]
        return [*lacking, *(f"the cluster is read-only: {block}" for block in self.blocks)]


async def read_facts(cluster: Cluster) -> Facts:
    """Ask a cluster what it is. Raises: Forbidden, Unavailable, Timeout."""
    info = await cluster.ask(Call("GET", "/"))
    nodes = await cluster.ask(Call("GET", "/_nodes/plugins"))
    state = await cluster.ask(Call("GET", "/_cluster/state/blocks"))
    settings = await cluster.ask(Call("GET", "/_cluster/settings?flat_settings=true&include_defaults=true"))
    try:
        on_each = [{plugin["name"] for plugin in node["plugins"]} for node in nodes["nodes"].values()]
        return Facts(
            distribution=info["version"].get("distribution", "something else"),
            version=info["version"]["number"],
            components=frozenset(set.intersection(*on_each)),
            blocks=tuple(_blocks(state["blocks"])),
            settings={**settings["defaults"], **settings["persistent"], **settings["transient"]},
            persistent=settings["persistent"],
            transient=settings["transient"],
            without_sudachi=tuple(nodes_without_sudachi(nodes)),
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise Unavailable(f"what answers there is not an OpenSearch: {error!r}") from error


def _blocks(blocks: Mapping[str, Any]) -> list[str]:
    """Return the blocks that would stop us: of the whole cluster, and of the indexes that ml-commons writes."""
    found = [str(block["description"]) for block in blocks.get("global", {}).values()]
    for index, rows in blocks.get("indices", {}).items():
        if index.startswith(".plugins-ml-"):
            found += [f"{index}: {block['description']}" for block in rows.values()]
    return found
