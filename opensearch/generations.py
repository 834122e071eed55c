"""Index generations: `<alias>-000001`, `-000002`, … behind one alias, each built by one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opensearchpy import AsyncOpenSearch

from opensearch.client import alias_members, asking, create_index
from opensearch.mapping import index_body, index_meta
from shirabe.errors import InvalidInput, Unavailable
from shirabe.types import ModelInfo

CHECKED_META = ("model", "model_revision", "dim", "analyzer_version")
"""What must agree for answers to be right; another chunker only makes other chunks."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One index behind the alias: its name, its UUID, and what it records of how it was built."""

    name: str
    uuid: str
    meta: Mapping[str, Any]


def generation_name(alias: str, number: int) -> str:
    """Return the name of a generation, numbered from 1."""
    return f"{alias}-{number:06d}"


async def current_name(client: AsyncOpenSearch, alias: str) -> str | None:
    """Return the generation that is written to, None when the alias is not there.

    Raises: InvalidInput when the alias has several members and none is the one to write to; Unavailable, Timeout.
    """
    members = await alias_members(client, alias)
    writable = [name for name, writes in members.items() if writes or len(members) == 1]
    if members and len(writable) != 1:
        raise InvalidInput(f"the alias {alias} has no single write index among {', '.join(sorted(members))}")
    return writable[0] if writable else None


async def ensure_generation(client: AsyncOpenSearch, alias: str, model: ModelInfo, chunker_version: str) -> Generation:
    """Return the generation in use, made now when there is none; two processes doing so at once get the same one.

    Raises: InvalidInput when it was built otherwise than now configured; Unavailable, Timeout.
    """
    name = await current_name(client, alias)
    if name is None:
        name = generation_name(alias, 1)
        with asking():
            cluster = await client.cluster.health()
        body = index_body(model, chunker_version, single_node=cluster["number_of_data_nodes"] == 1)
        # The alias comes with the index in one step, so nobody sees one without the other.
        created = await create_index(client, name, body | {"aliases": {alias: {"is_write_index": True}}})
        if not created and await current_name(client, alias) is None:
            raise InvalidInput(
                f"the index {name} is there without its alias {alias}: add the alias, or delete the index"
            )
        await _wait_active(client, name)
    generation = await read_generation(client, name)
    check_meta(generation, model)
    return generation


async def read_generation(client: AsyncOpenSearch, name: str) -> Generation:
    """Return an index as a generation.

    Raises: Unavailable when it is gone; Timeout.
    """
    with asking():
        index = (await client.indices.get(index=name))[name]
    return Generation(name, index["settings"]["index"]["uuid"], index["mappings"].get("_meta", {}))


def check_meta(generation: Generation, model: ModelInfo) -> None:
    """Refuse a generation whose vectors or terms are not those of today's model and analyzers.

    Raises: InvalidInput naming the generation and each difference.
    """
    wanted = index_meta(model, "")
    differing = [
        f"{key} {generation.meta.get(key)!r}, now {wanted[key]!r}"
        for key in CHECKED_META
        if generation.meta.get(key) != wanted[key]
    ]
    if differing:
        raise InvalidInput(
            f"the index {generation.name} was built with {'; '.join(differing)}: build a new generation",
            "opensearch.alias",
        )


async def _wait_active(client: AsyncOpenSearch, name: str) -> None:
    with asking():
        health = await client.cluster.health(index=name, wait_for_status="yellow")
    if health["timed_out"]:
        raise Unavailable(f"the shard of {name} did not start")
