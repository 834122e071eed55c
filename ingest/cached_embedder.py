"""An embedder that asks the model only for what the cache does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
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

    def __init__(
        self,
        embedder: Embedder,
        cache: EmbeddingCache,
        counts: Counts | None = None,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        self._embedder = embedder
        self._cache = cache
        self._first_wait_s = first_wait_s
        self._info: ModelInfo | None = None
        self._asked: dict[str, asyncio.Future[None]] = {}
        self.counts = Counts() if counts is None else counts

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
        found: dict[str, Embedding] = {}
        embedded = 0
        while left := {key: text for key, text in wanted.items() if key not in found}:
            # Another call may be asking for the same: wait for what it gets, and ask for what it did not.
            if awaited := {self._asked[key] for key in left if key in self._asked}:
                await asyncio.wait(awaited)
            found |= await asyncio.to_thread(self._cache.get, list(left))
            mine = {key: text for key, text in left.items() if key not in found and key not in self._asked}
            found |= await self._embedded(mine, kind, outputs)
            embedded += len(mine)
        self.counts.embedded += embedded
        self.counts.cached += len(texts) - embedded
        return [found[key] for key in keys]

    async def _embedded(
        self, texts: Mapping[str, str], kind: TextKind, outputs: Collection[Output]
    ) -> dict[str, Embedding]:
        """Embed what nobody else is asking for, and keep it."""
        if not texts:
            return {}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked |= dict.fromkeys(texts, done)
        try:
            fresh = await self._ask(list(texts.values()), kind, outputs)
            if len(fresh) != len(texts):
                raise Unavailable(f"the embedder gave {len(fresh)} embeddings for {len(texts)} texts")
            new = dict(zip(texts, fresh, strict=True))
            await asyncio.to_thread(self._cache.put, new)
            return new
        finally:
            for key in texts:
                del self._asked[key]
            done.set_result(None)

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
