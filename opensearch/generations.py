"""Index generations: `<alias>-000001`, `-000002`, … of which one answers behind the alias, each built by one model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opensearchpy import AsyncOpenSearch

from opensearch.client import alias_members, asking, create_index, members_among
from opensearch.mapping import index_body, index_meta
from opensearch.shape import Shape, ShapeOf
from shirabe.errors import InvalidInput, Unavailable
from shirabe.types import ModelInfo

CHECKED_META: Final = ("model", "model_revision", "dim")
"""What must agree for vectors to be comparable; another chunker or analyzer only makes other chunks and terms."""
_EXACT_SINCE: Final = 4
"""The analyzer version from which on a generation has the fields that exact search reads."""
_KNOWN_BY: Final = ("model", "model_revision", "dim", "chunker_version", "analyzer_version")
_ANSWERED: Final = "*.aliases,*.mappings._meta,*.settings.index.uuid"


@dataclass(frozen=True, slots=True)
class Generation:
    """One index: its name, its UUID, what it records of how it was built, and the aliases it stands behind."""

    name: str
    uuid: str
    meta: Mapping[str, Any]
    aliases: frozenset[str] = frozenset()

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return int(self.name.rpartition("-")[2])

    @property
    def dim(self) -> int:
        """The width of its dense vectors."""
        return int(self.meta["dim"])


def generation_name(alias: str, number: int) -> str:
    """Return the name of a generation, numbered from 1."""
    return f"{alias}-{number:06d}"


def writes_alias(name: str) -> str:
    """Return the alias that a generation alone stands behind.

    Writes to one generation go through it, because a bulk to the name of an index that is gone would make it anew.
    """
    return f"{name}.writes"


async def current_name(client: AsyncOpenSearch, alias: str) -> str | None:
    """Return the generation that answers, None when the alias is not there.

    Raises: InvalidInput when the alias has several members and none is the one to write to; Unavailable, Timeout.
    """
    members = await alias_members(client, alias)
    return _written_to(alias, members) if members else None


async def answering_generation(client: AsyncOpenSearch, alias: str) -> Generation:
    """Return the generation that answers, as `current_name` names it, in one request: every query waits for it.

    Raises: InvalidInput as `current_name`; Unavailable when there is none; Timeout.
    """
    with asking():
        found = await client.indices.get(index=alias, params={"filter_path": _ANSWERED})
    aliases = {name: index["aliases"].get(alias, {}) for name, index in found.items()}
    name = _written_to(alias, {name: bool(its.get("is_write_index")) for name, its in aliases.items()})
    return _generation(name, found[name])


async def answering_generations(client: AsyncOpenSearch, aliases: Sequence[str]) -> list[Generation | None]:
    """Return what answers behind each alias, None where one is not there: all as of one moment, in one request.

    Raises: InvalidInput as `current_name`; Unavailable, Timeout.
    """
    with asking():
        found = await client.indices.get(
            index=",".join(aliases), params={"filter_path": _ANSWERED, "ignore_unavailable": "true"}
        )
    answering: list[Generation | None] = []
    for alias in aliases:
        members = members_among(found, alias)
        name = _written_to(alias, members) if members else None
        answering.append(None if name is None else _generation(name, found[name]))
    return answering


async def require_one_member(client: AsyncOpenSearch, alias: str) -> str:
    """Return the only index behind an alias.

    Raises: InvalidInput when there are several, Unavailable when there is none; Timeout.
    """
    members = sorted(await alias_members(client, alias))
    if len(members) > 1:
        raise InvalidInput(
            f"the alias {alias} points at {len(members)} indices, {', '.join(members)}: take it off all but the one "
            "that should answer; nothing was changed"
        )
    if not members:
        raise Unavailable(f"the alias {alias} is gone")
    return members[0]


async def ensure_generation(
    client: AsyncOpenSearch,
    alias: str,
    model: ModelInfo,
    chunker_version: str,
    shape: ShapeOf,
    facts: Mapping[str, Any] | None = None,
) -> Generation:
    """Return the generation that answers, made now when there is none; two processes at once get the same one.

    `shape` is asked for, and `facts` are recorded, when one is made.

    Raises: Unavailable, Timeout; InvalidInput for an index that took the name; what `shape` raises.
    """
    name = await current_name(client, alias)
    if name is None:
        name = generation_name(alias, 1)
        # The alias comes with the index in one step, so nobody sees one without the other.
        meta = {**index_meta(model, chunker_version), **(facts or {})}
        body = await new_body(client, name, meta, model, await shape())
        body["aliases"][alias] = {"is_write_index": True}
        created = await create_index(client, name, body)
        if not created and await current_name(client, alias) is None:
            raise InvalidInput(
                f"the index {name} is there without its alias {alias}: add the alias, or delete the index"
            )
        await wait_active(client, name)
    return await read_generation(client, name)


async def new_body(
    client: AsyncOpenSearch, name: str, meta: Mapping[str, Any], model: ModelInfo, shape: Shape
) -> dict[str, dict[str, Any]]:
    """Return what a new generation is created with. Raises: Unavailable, Timeout."""
    with asking():
        cluster = await client.cluster.health()
    single_node = cluster["number_of_data_nodes"] == 1
    body = index_body(model, str(meta["chunker_version"]), single_node=single_node, shape=shape)
    body["mappings"]["_meta"] = {**meta, **shape.meta}
    return body | {"aliases": {writes_alias(name): {}}}


async def read_generation(client: AsyncOpenSearch, name: str) -> Generation:
    """Return an index, or the one behind an alias of one, as a generation.

    Raises: Unavailable when it is gone; Timeout.
    """
    with asking():
        found = await client.indices.get(index=name, params={"filter_path": _ANSWERED})
    (one,) = found.items()
    return _generation(*one)


async def all_generations(client: AsyncOpenSearch, alias: str) -> list[Generation]:
    """Return every generation of an alias by number; an index of such a name that is not ours is none.

    Raises: Unavailable, Timeout.
    """
    with asking():
        found = await client.indices.get(
            index=f"{alias}-*", params={"filter_path": _ANSWERED, "allow_no_indices": "true"}
        )
    ours = re.compile(rf"{re.escape(alias)}-\d{{6}}")
    generations = [_generation(name, index) for name, index in found.items() if ours.fullmatch(name)]
    return sorted((each for each in generations if is_ours(each)), key=lambda each: each.number)


def is_ours(generation: Generation) -> bool:
    """Tell whether an index was made by Shirabe."""
    return all(key in generation.meta for key in _KNOWN_BY)


def check_meta(generation: Generation, model: ModelInfo) -> None:
    """Refuse a model whose vectors are not those of a generation.

    Raises: InvalidInput naming the generation and each difference.
    """
    if differing := _differences(generation, model):
        raise InvalidInput(
            f"the index {generation.name} was built with {'; '.join(differing)}: "
            "serve that model, or build a new generation (`shirabe index build`)",
            "models.model",
        )


def has_code_fields(generation: Generation) -> bool:
    """Tell whether a generation was made with the fields for exact search over code."""
    version = str(generation.meta.get("analyzer_version", ""))
    return version.isdigit() and int(version) >= _EXACT_SINCE


def serves(generation: Generation, model: ModelInfo) -> bool:
    """Tell whether a model's vectors are those of a generation."""
    return not _differences(generation, model)


def is_same_model(one: Generation, other: Generation) -> bool:
    """Tell whether one model built both, so that their vectors can be compared."""
    return all(one.meta.get(key) == other.meta.get(key) for key in CHECKED_META)


async def wait_active(client: AsyncOpenSearch, name: str) -> None:
    """Wait until an index takes reads and writes. Raises: Unavailable, Timeout."""
    with asking():
        health = await client.cluster.health(index=name, wait_for_status="yellow")
    if health["timed_out"]:
        raise Unavailable(f"the shard of {name} did not start")


def _written_to(alias: str, members: Mapping[str, bool]) -> str:
    """Return the member of an alias that is written to, given which are marked so; an only one need not be."""
    writable = [name for name, writes in members.items() if writes or len(members) == 1]
    if len(writable) != 1:
        raise InvalidInput(f"the alias {alias} has no single write index among {', '.join(sorted(members))}")
    return writable[0]


def _differences(generation: Generation, model: ModelInfo) -> list[str]:
    wanted = index_meta(model, "")
    return [
        f"{key} {generation.meta.get(key)!r}, now {wanted[key]!r}"
        for key in CHECKED_META
        if generation.meta.get(key) != wanted[key]
    ]


def _generation(name: str, index: Mapping[str, Any]) -> Generation:
    meta = index.get("mappings", {}).get("_meta", {})
    return Generation(name, index["settings"]["index"]["uuid"], meta, frozenset(index.get("aliases", {})))
