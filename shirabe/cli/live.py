"""The index generations there are now, each with its store and its model: what reads and writes are given."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from ingest.generations import Live
from opensearch.catalogue import Catalogue
from opensearch.generations import Generation
from shirabe.cli.model_servers import GenerationEmbedder, ModelServers
from shirabe.errors import ShirabeError
from shirabe.protocols import Answering, Chunker

CHUNK_TOKENS: Final = "chunk_tokens"
"""How long the chunks of a generation are, when it was made by a build: recorded in its `_meta`."""
_FRESH_S: Final = 0.25

log = structlog.get_logger(__name__)


class LiveIndex:
    """Implements `shirabe.protocols.Index` and `ingest.generations.Generations` over a catalogue."""

    def __init__(
        self, catalogue: Catalogue, servers: ModelServers, chunker: Callable[[int], Chunker], chunk_tokens: int
    ) -> None:
        self._catalogue = catalogue
        self._servers = servers
        self._make_chunker = chunker
        self._chunk_tokens = chunk_tokens
        self._chunkers: dict[int, Chunker] = {}
        self._answering: tuple[float, Answering] | None = None

    async def answering(self, *, fresh: bool = False) -> Answering:
        """Return the generation that answers, looked up a quarter of a second ago at most.

        Raises: Unavailable, Timeout, InvalidInput.
        """
        now = time.monotonic()
        if not fresh and self._answering is not None and now - self._answering[0] < _FRESH_S:
            return self._answering[1]
        generation = await self._catalogue.answering()
        found = Answering(
            generation.name, generation.uuid, self._catalogue.to_read(generation), self.embedder(generation)
        )
        self._answering = now, found
        return found

    async def live(self) -> Sequence[Live]:
        """Return every generation, the one that answers first. Raises: InvalidInput, Unavailable, Timeout."""
        leader, *others = await self._catalogue.live()
        found = [await self.live_of(leader)]
        for generation in others:
            try:
                found.append(await self.live_of(generation))
            except ShirabeError as error:
                # The one that answers is written to all the same.
                log.warning("generation_not_written", generation=generation.name, reason=str(error))
        return found

    async def live_of(self, generation: Generation) -> Live:
        """Return a generation as runs into it need it. Raises: Unavailable, Timeout."""
        chunk_tokens = self.chunk_tokens(generation)
        if chunk_tokens not in self._chunkers:
            self._chunkers[chunk_tokens] = self._make_chunker(chunk_tokens)
        return Live(
            generation.name,
            generation.uuid,
            await self._catalogue.to_write(generation),
            self.embedder(generation),
            self._chunkers[chunk_tokens],
            str(generation.meta["chunker_version"]),
            chunk_tokens,
        )

    def chunk_tokens(self, generation: Generation) -> int:
        """Return how long the chunks of a generation are at most."""
        return int(generation.meta.get(CHUNK_TOKENS, self._chunk_tokens))

    def embedder(self, generation: Generation) -> GenerationEmbedder:
        """Return what embeds for a generation."""
        return GenerationEmbedder(generation, self._servers)
