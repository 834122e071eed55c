"""The catalogue of index generations: which there are, which answers, and the few things done with a whole one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from opensearchpy import AsyncOpenSearch

from opensearch.client import asking, create_index, open_client
from opensearch.generations import (
    Generation,
    all_generations,
    answering_generation,
    answering_generations,
    current_name,
    ensure_generation,
    generation_name,
    new_body,
    read_generation,
    require_one_member,
    wait_active,
    writes_alias,
)
from opensearch.history import Event, with_event
from opensearch.lexical import DEFAULT_WEIGHTS, LexicalWeights
from opensearch.logged_queries import logged_queries
from opensearch.mapping import index_meta
from opensearch.shape import ShapeOf, choose_shape
from opensearch.store import OpenSearchStore
from opensearch.words import JointWords
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import OpenSearchSettings
from shirabe.types import ModelInfo


@dataclass(frozen=True, slots=True)
class Size:
    """How large a generation is: chunks, and bytes on disk."""

    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One alias goes from `old` to `new`; None: it is not there before, or not any more."""

    alias: str
    old: Generation | None
    new: Generation | None


class Catalogue:
    """The generations of one alias. Made by `open_catalogue`, closed by `close`; its stores share its connections."""

    def __init__(
        self, client: AsyncOpenSearch, alias: str, shape: ShapeOf, weights: LexicalWeights = DEFAULT_WEIGHTS
    ) -> None:
        self._client = client
        self._alias = alias
        self._shape = shape
        self._weights = weights

    @property
    def alias(self) -> str:
        """The alias of the one that answers."""
        return self._alias

    def beside(self, name: str) -> Catalogue:
        """Return the catalogue of an index beside this one, over the same connections: `ALIAS-NAME`."""
        return Catalogue(self._client, f"{self._alias}-{name}", self._shape, self._weights)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ensure(
        self, model: ModelInfo, chunker_version: str, facts: Mapping[str, Any] | None = None
    ) -> Generation:
        """Return the generation that answers, made by this model when there is none; `facts` are recorded with it.

        Raises: InvalidInput for an index that took the name; Unavailable, Timeout.
        """
        return await ensure_generation(self._client, self._alias, model, chunker_version, self._shape, facts)

    async def answering(self) -> Generation:
        """Return the generation that answers now.

        Raises: Unavailable when there is none; InvalidInput when the alias names several and none to write to; Timeout.
        """
        return await answering_generation(self._client, self._alias)

    async def answering_or_none(self) -> Generation | None:
        """Return the generation that answers now, None when the alias is not there.

        Raises: InvalidInput when the alias names several and none to write to; Unavailable, Timeout.
        """
        (answering,) = await answering_generations(self._client, [self._alias])
        return answering

    async def answering_with(self, other: Catalogue) -> tuple[Generation, Generation | None]:
        """Return what answers here and what does in another catalogue, if anything, as of one moment.

        Raises: Unavailable when there is none here; InvalidInput as `answering`; Timeout.
        """
        mine, its = await answering_generations(self._client, [self._alias, other.alias])
        if mine is None:
            raise Unavailable(f"the alias {self._alias} is gone")
        return mine, its

    async def require_single(self) -> Generation:
        """Return the generation that answers, behind an alias of one. Raises: InvalidInput, Unavailable, Timeout."""
        return await read_generation(self._client, await require_one_member(self._client, self._alias))

    async def require_single_or_none(self) -> Generation | None:
        """Return as `require_single`, None when the alias is not there. Raises: InvalidInput, Unavailable, Timeout."""
        return None if await current_name(self._client, self._alias) is None else await self.require_single()

    async def live(self) -> list[Generation]:
        """Return every generation, the answering one first, then the newest first. Raises: as `answering`."""
        answering = await self.answering()
        return [answering, *await self.others(answering)]

    async def others(self, answering: Generation | None) -> list[Generation]:
        """Return every generation but this one, the newest first. Raises: Unavailable, Timeout."""
        known = await all_generations(self._client, self._alias)
        return [each for each in reversed(known) if answering is None or each.uuid != answering.uuid]

    async def shape(self) -> Mapping[str, Any]:
        """Return what a generation that is made now records of its shape.

        Raises: NotFound, InvalidInput for what is configured and cannot be; Forbidden, Unavailable, Timeout.
        """
        return (await self._shape()).meta

    async def next_name(self) -> str:
        """Return the name of the next generation. Raises: InvalidInput when it is taken; Unavailable, Timeout."""
        known = await all_generations(self._client, self._alias)
        name = generation_name(self._alias, max((each.number for each in known), default=0) + 1)
        with asking():
            taken = await self._client.indices.exists(index=name)
        if taken:
            raise InvalidInput(
                f"the name {name} is taken by an index that Shirabe did not make: delete or rename it; "
                "nothing was changed"
            )
        return name

    async def create(
        self, name: str, model: ModelInfo, chunker_version: str, facts: Mapping[str, Any], **about: object
    ) -> Generation:
        """Make a generation that does not answer; `facts` are recorded with it, `about` in its first event.

        Raises: InvalidInput when its name is taken; Unavailable, Timeout.
        """
        meta = with_event({**index_meta(model, chunker_version), **facts}, "created", **about)
        body = await new_body(self._client, name, meta, model, await self._shape())
        if not await create_index(self._client, name, body):
            raise InvalidInput(f"the index {name} was made meanwhile by another; run the build again")
        await wait_active(self._client, name)
        return await read_generation(self._client, name)

    async def note(self, generation: Generation, event: Event, **facts: object) -> None:
        """Record an event with a generation. Raises: Unavailable, Timeout."""
        meta = (await read_generation(self._client, generation.name)).meta
        with asking():
            await self._client.indices.put_mapping(
                index=generation.name, body={"_meta": with_event(meta, event, **facts)}
            )

    async def switch(self, turns: Sequence[Turn]) -> None:
        """Have other generations answer, behind one alias or several, in one step that happens or does not.

        Raises: Unavailable when one of them is gone or takes no change, Timeout.
        """
        actions: list[dict[str, dict[str, object]]] = []
        for turn in turns:
            if turn.old is not None:
                actions.append({"remove": {"index": turn.old.name, "alias": turn.alias, "must_exist": True}})
            if turn.new is not None:
                actions.append({"add": {"index": turn.new.name, "alias": turn.alias, "is_write_index": True}})
        with asking():
            await self._client.indices.update_aliases(body={"actions": actions})

    async def delete(self, generations: Sequence[Generation]) -> None:
        """Delete generations that do not answer, of this catalogue or another, all or none.

        Raises: Unavailable, Timeout.
        """
        names = ",".join(each.name for each in generations)
        with asking():
            await self._client.indices.delete(index=names, params={"ignore_unavailable": "true"})

    async def end(self, generation: Generation) -> None:
        """Delete the generation that answers, and with it the alias. Raises: Unavailable, Timeout."""
        with asking():
            await self._client.indices.delete(index=generation.name)

    async def blocks(self, generation: Generation) -> list[str]:
        """Return the blocks that are set on a generation, such as that of a disk that is full.

        Raises: Unavailable, Timeout.
        """
        with asking():
            answer = await self._client.indices.get_settings(
                index=generation.name, name="index.blocks.*", params={"flat_settings": "true"}
            )
        settings = answer.get(generation.name, {}).get("settings", {})
        return sorted(name for name, value in settings.items() if value == "true")

    async def sizes(self) -> dict[str, Size]:
        """Return how large every generation is. Raises: Unavailable, Timeout."""
        with asking():
            stats = await self._client.indices.stats(index=f"{self._alias}-*", metric="docs,store")
        return {
            name: Size(index["primaries"]["docs"]["count"], index["primaries"]["store"]["size_in_bytes"])
            for name, index in stats["indices"].items()
        }

    async def logged_queries(self, count: int) -> list[str]:
        """Return the latest queries that were asked, each once. Raises: Unavailable, Timeout."""
        return await logged_queries(self._client, self._alias, count)

    async def to_write(self, generation: Generation) -> OpenSearchStore:
        """Return a store of one generation, which may be written to. Raises: Unavailable, Timeout."""
        alias = writes_alias(generation.name)
        if alias not in generation.aliases:
            # Made before generations had an alias of their own.
            with asking():
                await self._client.indices.put_alias(index=generation.name, name=alias)
        return self.to_read(generation)

    def to_answering(self, generation: Generation) -> OpenSearchStore:
        """Return a store of whichever generation answers; `generation` is the one that does now."""
        return OpenSearchStore(self._client, self._alias, generation.dim, self._weights)

    def to_read(self, generation: Generation) -> OpenSearchStore:
        """Return a store of one generation, whichever answers."""
        return OpenSearchStore(self._client, self._alias, generation.dim, self._weights, generation)

    def words(self, *indices: str) -> JointWords:
        """Return the lexical leg over several indices, by name or alias."""
        return JointWords(self._client, indices, self._weights)


async def open_catalogue(settings: OpenSearchSettings, weights: LexicalWeights = DEFAULT_WEIGHTS) -> Catalogue:
    """Connect. Raises: InvalidInput when the engine is too old; Unavailable, Timeout."""
    # The user dictionary lies where generations are made, which a backfill's workers do not do.
    client = await open_client(settings)
    return Catalogue(client, settings.alias, partial(choose_shape, client, settings), weights)
