"""The index generations that writes go to: the one that answers, and every other until it is collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.models import Models
from shirabe.protocols import Chunker, Embedder, Store


@dataclass(frozen=True, slots=True)
class Live:
    """One generation, with the store pinned to it and the model that it was built by.

    `identity` is its UUID. `chunker_version` and `chunk_tokens` say how its documents are cut. Where code lies apart,
    `store` is a pair of this generation and the one of the other index, and `models` says what embeds which chunk.
    """

    name: str
    identity: str
    store: Store
    embedder: Embedder
    chunker: Chunker
    chunker_version: str
    chunk_tokens: int
    models: Models | None = None

    @property
    def embeds(self) -> Models:
        """What embeds its chunks."""
        return self.models or Models(self.embedder, self.embedder)

    def cuts_as(self, other: Live) -> bool:
        """Tell whether a document has the same chunks here and there."""
        return (self.chunker_version, self.chunk_tokens) == (other.chunker_version, other.chunk_tokens)


class Generations(Protocol):
    """Knows the generations there are now."""

    async def live(self) -> Sequence[Live]:
        """Return every generation, the one that answers first. Raises: InvalidInput, Unavailable, Timeout."""


class OnlyOne:
    """`Generations` over one store that never changes."""

    def __init__(
        self, store: Store, embedder: Embedder, chunker: Chunker, chunker_version: str, chunk_tokens: int
    ) -> None:
        self._store = store
        self._with = (embedder, chunker, chunker_version, chunk_tokens)

    async def live(self) -> Sequence[Live]:
        """Return the one. Raises: Unavailable, Timeout."""
        identity = await self._store.identity()
        return [Live(identity, identity, self._store, *self._with)]
