"""Indexes made by another model than the one that embeds now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearch.plugin.calls import Call
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.served import ServedModels
from opensearch.plugin.templates import PATTERN

Mappings = Mapping[str, Mapping[str, Any]]


async def stale_indexes(cluster: Cluster, served: ServedModels) -> list[str]:
    """Return, for each index of our template that holds vectors of another model or revision, that it is due.

    Raises: Forbidden, InvalidInput, Unavailable, Timeout.
    """
    others = _of_another_model(await template_indexes(cluster), served)
    return [f"{told}: reindex it into a new index" for told in others]


async def foreign_facade(cluster: Cluster, served: ServedModels, alias: str) -> list[str]:
    """Return that the facade's index, where it lies here, is of another model than the pipelines ask.

    Raises: Forbidden, InvalidInput, Unavailable, Timeout.
    """
    found = await cluster.ask(Call("GET", f"/{alias}/_mapping?ignore_unavailable=true")) or {}
    others = _of_another_model(found, served)
    return [f"{told}: ask the pipelines for its words only, and the facade for the rest" for told in others]


async def template_indexes(cluster: Cluster) -> Mappings:
    """Return index -> its mapping, of those that our template fits. Raises: Forbidden, InvalidInput, Unavailable."""
    return await cluster.ask(Call("GET", f"/{PATTERN}/_mapping?ignore_unavailable=true")) or {}


def _of_another_model(indexes: Mappings, served: ServedModels) -> list[str]:
    now = (served.name, served.revision)
    found = []
    for index, row in sorted(indexes.items()):
        meta = row["mappings"].get("_meta", {})
        then = (meta.get("model"), meta.get("model_revision"))
        if then != now and then[0] is not None:
            found.append(
                f"{index} holds vectors of {then[0]} at revision {then[1]}, the model server gives those of "
                f"{now[0]} at {now[1]}"
            )
    return found
