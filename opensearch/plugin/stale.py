"""Indexes made from our template by another model than the one that embeds now."""

from __future__ import annotations

from opensearch.plugin.calls import Call
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.served import ServedModels
from opensearch.plugin.templates import PATTERN


async def stale_indexes(cluster: Cluster, served: ServedModels) -> list[str]:
    """Return, for each index that holds vectors of another model or revision, that it is due to be indexed again.

    Raises: Forbidden, InvalidInput, Unavailable, Timeout.
    """
    now = (served.name, served.revision)
    found = []
    for index, row in sorted((await template_indexes(cluster)).items()):
        meta = row["mappings"].get("_meta", {})
        then = (meta.get("model"), meta.get("model_revision"))
        if then != now and then[0] is not None:
            found.append(
                f"{index} holds vectors of {then[0]} at revision {then[1]}, the pipelines now write and ask those of "
                f"{now[0]} at {now[1]}: reindex it into a new index"
            )
    return found


async def template_indexes(cluster: Cluster) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    """Return index -> its mapping, of those that our template fits. Raises: Forbidden, InvalidInput, Unavailable."""
    return await cluster.ask(Call("GET", f"/{PATTERN}/_mapping?ignore_unavailable=true")) or {}
