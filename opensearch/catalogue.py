"""The catalogue of index generations: which there are, which answers, and the few things done with a whole one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from opensearchpy import AsyncOpenSearch

from opensearch.client import asking, create_index, open_client
from opensearch.generations import (
    Generation,
    all_generations,
    answering_generation,
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
from shirabe.errors import InvalidInput
from shirabe.settings import OpenSearchSettings
from shirabe.types import ModelInfo


@dataclass(frozen=True, slots=True)
class Size:
    """How large a generation is: chunks, and bytes on disk."""

    chunks: int
    bytes: int


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
        if await current_name(self._client, self._alias) is None:
            return None
        return await self.answering()

    async def require_single(self) -> Generation:
        """Return the generation that answers, behind an alias of one. Raises: InvalidInput, Unavailable, Timeout."""
        return await read_generation(self._client, await require_one_member(self._client, self._alias))

    async def live(self) -> list[Generation]:
        """Return every generation, the answering one first, then the newest first. Raises: as `answering`."""
        answering = await self.answering()
        others = await all_generations(self._client, self._alias)
        return [answering, *(each for each in reversed(others) if each.uuid != answering.uuid)]

    async def shape(self) -> Mapping[str, Any]:
        """Return what a generation that is made now records of its shape.

        Raises: NotFound, InvalidInput for what is configured and cannot be; Forbidden, Unavailable, Timeout.
        """
        return (await self._shape()).meta

    async def create(self, model: ModelInfo, chunker_version: str, facts: Mapping[str, Any]) -> Generation:
        """Make the next generation, beside the one that answers; `facts` are recorded with it.

        Raises: InvalidInput when its name is taken, or the alias names several indices; Unavailable, Timeout.
        """
        answering = await self.require_single()
        known = await all_generations(self._client, self._alias)
        name = generation_name(self._alias, max((each.number for each in known), default=0) + 1)
        meta = with_event({**index_meta(model, chunker_version), **facts}, "created", beside=answering.name)
        body = await new_body(self._client, name, meta, model, await self._shape())
        if not await create_index(self._client, name, body):
            raise InvalidInput(
                f"the name {name} is taken by an index that Shirabe did not make: delete or rename it; "
                "nothing was changed"
            )
        await wait_active(self._client, name)
        return await read_generation(self._client, name)

    async def note(self, generation: Generation, event: Event, **facts: object) -> None:
        """Record an event with a generation. Raises: Unavailable, Timeout."""
        meta = (await read_generation(self._client, generation.name)).meta
        with asking():
            await self._client.indices.put_mapping(
                index=generation.name, body={"_meta": with_event(meta, event, **facts)}
            )

    async def switch(self, old: Generation, new: Generation) -> None:
        """Have `new` answer in place of `old`, in one step that happens or does not.

        Raises: Unavailable when either is gone or takes no change, Timeout.
        """
        actions = [
            {"remove": {"index": old.name, "alias": self._alias, "must_exist": True}},
            {"add": {"index": new.name, "alias": self._alias, "is_write_index": True}},
        ]
        with asking():
            await self._client.indices.update_aliases(body={"actions": actions})

    async def delete(self, generation: Generation) -> None:
        """Delete a generation. Raises: InvalidInput for the one that answers; Unavailable, Timeout."""
        if (await self.answering()).name == generation.name:
            raise InvalidInput(f"{generation.name} answers; it cannot be collected")
        with asking():
            await self._client.indices.delete(index=generation.name, params={"ignore_unavailable": "true"})

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
