"""The stages of the write path as workers of a cluster run them: one row in, rows out, the same functions inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.batch import Batch, Packer, Written
from ingest.block import Block
from ingest.cache import EmbeddingCache
from ingest.cached_embedder import Counts
from ingest.ledger_rows import Failed
from ingest.models import Models
from ingest.pipeline import embed_batch, write_batch
from ingest.plan import Plan, cut_each
from ingest.settlement import Intent, intents_of
from shirabe.errors import InvalidInput
from shirabe.protocols import Chunker, Embedder, Store
from shirabe.types import Embedding, ModelInfo

COLUMN: Final = "item"
"""The only column of every row."""


@dataclass(frozen=True, slots=True)
class Tools:
    """How a worker makes its parts: functions that it can import, on whichever node it runs.

    `model` is the model of the index; an embedder of another one is refused. `code` embeds the code that lies in an
    index of its own, None where none does.
    """

    chunker: Callable[[], Chunker]
    embedder: Callable[[], Embedder]
    store: Callable[[], Awaitable[Store]]
    model: ModelInfo
    cache: Path
    batch_chunks: int
    code: CodeTools | None = None


@dataclass(frozen=True, slots=True)
class CodeTools:
    """How a worker makes what embeds code, and the model of the index of code."""

    embedder: Callable[[], Embedder]
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class Cut:
    """A batch to embed, and documents of its block that could not be cut."""

    batch: Batch
    failed: tuple[Failed, ...]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A batch to write, with the embeddings of its chunks."""

    batch: Batch
    failed: tuple[Failed, ...]
    embeddings: tuple[Embedding, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the index acknowledged, for the ledger."""

    parts: tuple[Written, ...]
    failed: tuple[Failed, ...]
    counts: Counts


class CutStage:
    """Documents into chunks, chunks into batches. The last batch of a block says which documents failed."""

    def __init__(self, tools: Tools, stamp: str) -> None:
        self._chunker = tools.chunker()
        self._batch_chunks = tools.batch_chunks
        self._stamp = stamp

    async def __call__(self, row: dict[str, Block]) -> AsyncIterator[dict[str, Cut]]:
        """Cut a block."""
        packer, failed = Packer(self._batch_chunks), list[Failed]()
        for plan in await cut_each(row[COLUMN].works, self._chunker, self._stamp):
            if not isinstance(plan, Plan):
                failed.append(plan)
                continue
            for batch in packer.add(plan):
                yield {COLUMN: Cut(batch, ())}
        rest = list(packer.rest())
        if rest or failed:
            yield {COLUMN: Cut(rest[0] if rest else Batch(()), tuple(failed))}


class EmbedStage:
    """Batches into embeddings, through the model server and the cache of the worker's node."""

    def __init__(self, tools: Tools) -> None:
        prose = tools.embedder()
        self._models = Models(prose, tools.code.embedder() if tools.code else prose)
        self._expected = [(prose, tools.model)]
        if tools.code and self._models.code is not None:
            self._expected.append((self._models.code, tools.code.model))
        self._cache = EmbeddingCache(tools.cache)

    async def __call__(self, row: dict[str, Cut]) -> dict[str, Embedded]:
        """Embed a batch. Raises: InvalidInput when the embedder's model is not the index's."""
        cut = row[COLUMN]
        for embedder, model in self._expected:
            if (found := await embedder.info()) != model:
                raise InvalidInput(f"the workers' model is {found}, the index's is {model}", "models.url")
        counts = Counts()
        embeddings = await embed_batch(cut.batch, self._models.cached(self._cache, counts))
        return {COLUMN: Embedded(cut.batch, cut.failed, tuple(embeddings), counts)}


class WriteStage:
    """Embedded batches into the index; `intend` returns when the ledger knows what is about to be written."""

    def __init__(self, tools: Tools, version: int, intend: Callable[[Sequence[Intent]], Awaitable[None]]) -> None:
        self._open_store = tools.store
        self._version = version
        self._intend = intend
        self._store: Store | None = None
        self._opening = asyncio.Lock()

    async def __call__(self, row: dict[str, Embedded]) -> dict[str, Acknowledged]:
        """Write a batch."""
        item = row[COLUMN]
        async with self._opening:
            store = self._store = self._store or await self._open_store()
        parts = list[Written]()
        if item.batch.parts:
            await self._intend(intents_of(item.batch))
            parts = await write_batch(item.batch, list(item.embeddings), store, self._version)
        return {COLUMN: Acknowledged(tuple(parts), item.failed, item.counts)}
