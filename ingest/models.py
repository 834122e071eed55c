"""The models of one index generation: what embeds a chunk follows from whether it is code, where that lies apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.cache import EmbeddingCache
from ingest.cached_embedder import CachedEmbedder, Counts
from shirabe.definitions import is_code
from shirabe.protocols import Embedder
from shirabe.types import Chunk, Embedding, Output

PASSAGE_OUTPUTS: Final[tuple[Output, ...]] = ("dense", "sparse", "bits")


@dataclass(frozen=True, slots=True)
class Models:
    """What embeds code and what embeds all else; None: those chunks are another generation's to write."""

    prose: Embedder | None
    code: Embedder | None

    def cached(self, cache: EmbeddingCache, counts: Counts) -> Models:
        """Return the same models over a cache, counting into `counts`."""
        prose = self.prose and CachedEmbedder(self.prose, cache, counts)
        if self.code is self.prose:
            return Models(prose, prose)
        return Models(prose, self.code and CachedEmbedder(self.code, cache, counts))

    async def embed(self, chunks: Sequence[Chunk]) -> list[Embedding]:
        """Return an embedding for each chunk, with what its model has of `PASSAGE_OUTPUTS`; empty where none is.

        Raises: what the embedders raise.
        """
        if self.code is self.prose:
            return await _embedded(chunks, self.prose)
        found = [Embedding()] * len(chunks)
        for of_code, embedder in ((True, self.code), (False, self.prose)):
            places = [place for place, chunk in enumerate(chunks) if is_code(chunk) is of_code]
            for place, embedding in zip(
                places, await _embedded([chunks[place] for place in places], embedder), strict=True
            ):
                found[place] = embedding
        return found


async def _embedded(chunks: Sequence[Chunk], embedder: Embedder | None) -> list[Embedding]:
    if embedder is None or not chunks:
        return [Embedding()] * len(chunks)
    has = (await embedder.info()).outputs
    outputs = [output for output in PASSAGE_OUTPUTS if output in has]
    return await embedder.embed([chunk.embedded_text for chunk in chunks], "passage", outputs)
