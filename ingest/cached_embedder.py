"""An embedder that asks the model only for what the cache does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ingest.cache import EmbeddingCache, cache_key
from shirabe.errors import Overloaded, Transient, Unavailable
from shirabe.protocols import Embedder
from shirabe.types import Embedding, ModelInfo, Output, TextKind

_ATTEMPTS = 5
_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 10.0


@dataclass(slots=True)
class Counts:
    """How many texts the model embedded, and how many were known or repeated."""

    embedded: int = 0
    cached: int = 0


class CachedEmbedder:
    """An `Embedder` over another and a cache. Transient errors are asked again within bounds; `counts` only grow."""

    def __init__(self, embedder: Embedder, cache: EmbeddingCache, first_wait_s: float = _FIRST_WAIT_S) -> None:
        self._embedder = embedder
        self._cache = cache
        self._first_wait_s = first_wait_s
        self._info: ModelInfo | None = None
        self.counts = Counts()

    async def info(self) -> ModelInfo:
        """Return the identity of the model, asked once."""
        if self._info is None:
            self._info = await self._embedder.info()
        return self._info

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        """Return one embedding per text; equal texts cost one.

        Raises: InvalidInput, Unavailable, Overloaded, Timeout.
        """
        model = await self.info()
        keys = [cache_key(text, model, kind, outputs) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        known = await asyncio.to_thread(self._cache.get, list(wanted))
        missing = [key for key in wanted if key not in known]
        if missing:
            fresh = await self._ask([wanted[key] for key in missing], kind, outputs)
            if len(fresh) != len(missing):
                raise Unavailable(f"the embedder gave {len(fresh)} embeddings for {len(missing)} texts")
            new = dict(zip(missing, fresh, strict=True))
            await asyncio.to_thread(self._cache.put, new)
            known |= new
        self.counts.embedded += len(missing)
        self.counts.cached += len(texts) - len(missing)
        return [known[key] for key in keys]

    async def _ask(self, texts: list[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        wait_s = self._first_wait_s
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._embedder.embed(texts, kind, outputs)
            except Overloaded as error:
                await asyncio.sleep(min(max(error.retry_after_s, wait_s), _MAX_WAIT_S))
            except Transient:
                await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _MAX_WAIT_S)
        return await self._embedder.embed(texts, kind, outputs)
