"""Which of kuromoji and Sudachi cuts the Japanese of a new generation: what the cluster has, and what is configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from opensearchpy import AsyncOpenSearch

from opensearch.client import node_plugins
from shirabe.errors import Forbidden, InvalidInput
from shirabe.settings import Japanese, OpenSearchSettings

SUDACHI: Final = "analysis-sudachi"
# Analyzers are made where shards are, and first where the index is: by the cluster manager.
_MAKES_ANALYZERS: Final = frozenset({"data", "warm", "search", "cluster_manager"})
NODES_INFO: Final = "cluster:monitor/nodes/info"
"""The permission to ask for the nodes' plugins."""

log = structlog.get_logger(__name__)


def nodes_without_sudachi(nodes: Mapping[str, Any]) -> list[str]:
    """Return the names of the nodes that would need Sudachi's plugin and lack it, of what `_nodes/plugins` answers."""
    return sorted(
        str(node["name"])
        for node in nodes["nodes"].values()
        if _MAKES_ANALYZERS & set(node["roles"]) and SUDACHI not in {plugin["name"] for plugin in node["plugins"]}
    )


def japanese_of(settings: OpenSearchSettings, lacking: Sequence[str]) -> Japanese:
    """Return what cuts Japanese, given the nodes that lack Sudachi.

    Raises: InvalidInput naming the nodes when Sudachi is asked for.
    """
    if settings.japanese == "sudachi" and lacking:
        raise InvalidInput(
            f"the plugin {SUDACHI} is not on {', '.join(lacking)}: install it there, or choose `auto` or `kuromoji`",
            "opensearch.japanese",
        )
    # The words of a user dictionary are kuromoji's.
    if settings.japanese == "kuromoji" or settings.user_dictionary is not None or lacking:
        return "kuromoji"
    return "sudachi"


async def choose_japanese(client: AsyncOpenSearch, settings: OpenSearchSettings) -> Japanese:
    """Return what cuts Japanese, asking a cluster where that depends on it.

    Raises: InvalidInput when Sudachi is asked for and not there; Forbidden when it cannot be known; Unavailable,
        Timeout.
    """
    if settings.japanese == "kuromoji" or settings.user_dictionary is not None:
        return japanese_of(settings, [])
    nodes = await node_plugins(client)
    if nodes is not None:
        return japanese_of(settings, nodes_without_sudachi(nodes))
    if settings.japanese == "sudachi":
        raise Forbidden(f"this user may not ask for the nodes' plugins: grant {NODES_INFO}")
    log.warning("this user may not ask for the nodes' plugins: Japanese is cut by kuromoji", permission=NODES_INFO)
    return "kuromoji"
