"""Chunks into the index: packing, embedding and writing overlap, so the model never waits for the index.

    plans ─► pack ─► [queue] ─► embed ─► [queue] ─► intend ─► write ─► settle in the ledger

The stages are functions of one batch; this process runs them here, a backfill on the actors of a Ray cluster. The
first error that is not about single items ends the run: the queues are dropped, and what was begun stays pending in
the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from ingest.batch import Batch, Packer, Written, told
from ingest.models import Models
from ingest.plan import Plan
from ingest.settlement import Settlement, intents_of
from ingest.streams import closing
from shirabe.errors import PartialWrite
from shirabe.protocols import Store
from shirabe.types import Embedding, Record

_EMBEDDERS = 2
_WRITERS = 3
_QUEUED_BATCHES = 4

_Queue = asyncio.Queue[Batch | None]
_Embedded = asyncio.Queue[tuple[Batch, list[Embedding]] | None]


async def embed_batch(batch: Batch, models: Models) -> list[Embedding]:
    """Return an embedding for each of a batch's chunks. Raises: what the embedders raise."""
    return await models.embed(batch.chunks)


async def write_batch(batch: Batch, embeddings: list[Embedding], store: Store, version: int) -> list[Written]:
    """Write a batch and return what became of its parts; items that the index refuses are told, not raised.

    Raises: Unavailable, Overloaded, Timeout.
    """
    chunks = [(part.document, chunk) for part in batch.parts for chunk in part.chunks]
    records = [
        Record(document, chunk, embedding)
        for (document, chunk), embedding in zip(chunks, embeddings, strict=True)
        if document is not None
    ]
    refused: dict[str, str] = {}
    if records or batch.orphans:
        try:
            await store.write(records, batch.orphans, version)
        except PartialWrite as error:
            refused = error.failed_ids
    return [
        Written(
            path=part.path,
            doc_id=part.doc_id,
            revision=part.document.revision if part.document is not None else None,
            content_hash=part.content_hash,
            number=part.number,
            last=part.last,
            chunks={chunk.chunk_id: chunk.content_hash for chunk in part.chunks},
            orphans=part.orphans,
            refused={
                name: refused[name]
                for name in (*(chunk.chunk_id for chunk in part.chunks), *part.orphans)
                if name in refused
            },
            facts=part.facts,
            errors=told(part.chunks, "errors"),
            warnings=told(part.chunks, "warnings"),
        )
        for part in batch.parts
    ]


class WritePipeline:
    """Brings plans into one store under one version, and keeps the ledger ahead of it."""

    def __init__(
        self,
        store: Store,
        models: Models,
        settlement: Settlement,
        *,
        version: int,
        batch_chunks: int,
        bulk_chunks: int,
    ) -> None:
        self._store = store
        self._models = models
        self._settlement = settlement
        self._version = version
        self._batch_chunks = batch_chunks
        self._bulk_chunks = bulk_chunks

    async def run(self, plans: AsyncIterator[Plan], on_progress: Callable[[], None]) -> None:
        """Write every plan; items that the index refuses become failures.

        Raises: Unavailable, Overloaded, Timeout; the ledger then knows what was begun.
        """
        packed, embedded = _Queue(_QUEUED_BATCHES), _Embedded(_QUEUED_BATCHES)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pack(plans, packed))
                embedders = [group.create_task(self._embed(packed, embedded)) for _ in range(_EMBEDDERS)]
                writers = [group.create_task(self._write(embedded, on_progress)) for _ in range(_WRITERS)]
                await asyncio.gather(*embedders)
                for _ in writers:
                    await embedded.put(None)
        except BaseExceptionGroup as errors:
            first = first_of(errors)
            raise first from first.__cause__

    async def _pack(self, plans: AsyncIterator[Plan], packed: _Queue) -> None:
        packer = Packer(self._batch_chunks)
        async with closing(plans) as stream:
            async for plan in stream:
                for batch in packer.add(plan):
                    await packed.put(batch)
        for batch in packer.rest():
            await packed.put(batch)
        for _ in range(_EMBEDDERS):
            await packed.put(None)

    async def _embed(self, packed: _Queue, embedded: _Embedded) -> None:
        while (batch := await packed.get()) is not None:
            await embedded.put((batch, await embed_batch(batch, self._models)))

    async def _write(self, embedded: _Embedded, on_progress: Callable[[], None]) -> None:
        while (item := await embedded.get()) is not None:
            parts, embeddings = [*item[0].parts], [*item[1]]
            # What waits goes along: the index takes one large bulk in less time than some small ones.
            while len(embeddings) < self._bulk_chunks and not embedded.empty():
                more = embedded.get_nowait()
                if more is None:
                    embedded.put_nowait(None)  # the other writer's
                    break
                parts += more[0].parts
                embeddings += more[1]
            batch = Batch(tuple(parts))
            await self._settlement.intend(intents_of(batch))
            await self._settlement.acknowledge(await write_batch(batch, embeddings, self._store, self._version))
            on_progress()


def first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group, taken out of the groups around it."""
    first = errors.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
