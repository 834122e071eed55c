"""Chunks into the index: packing, embedding and writing overlap, so the model never waits for the index.

    plans ─► pack ─► [queue] ─► embed ─► [queue] ─► write ─► settle in the ledger

A document is settled when every bulk that holds a part of it was acknowledged. The first error that is not about
single items ends the run: the queues are dropped, and what was begun stays pending in the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from ingest.ledger import Failed, Ledger, Settled
from ingest.plan import Plan, Tally
from ingest.streams import closing
from shirabe.errors import PartialWrite
from shirabe.protocols import Embedder, Store
from shirabe.types import Chunk, Embedding, Failure, Output, Record

PASSAGE_OUTPUTS: Final[tuple[Output, ...]] = ("dense", "sparse", "bits")
_EMBEDDERS = 2
_WRITERS = 2
_QUEUED_BATCHES = 2
_MAX_DELETES = 1_000
_MAX_PLANS = 200


@dataclass(slots=True)
class _Batch:
    """What is embedded and written together."""

    parts: list[tuple[Plan, Chunk]] = field(default_factory=list)
    deletes: list[tuple[Plan, str]] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    embeddings: list[Embedding] = field(default_factory=list)

    def join(self, plan: Plan) -> None:
        if not self.plans or self.plans[-1] is not plan:
            self.plans.append(plan)
            plan.batches += 1


_Queue = asyncio.Queue[_Batch | None]


class WritePipeline:
    """Brings plans into one store under one version, and keeps the ledger ahead of it."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        ledger: Ledger,
        *,
        scope: int,
        stamp: str,
        version: int,
        batch_chunks: int,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._ledger = ledger
        self._scope = scope
        self._stamp = stamp
        self._version = version
        self._batch_chunks = batch_chunks

    async def run(self, plans: AsyncIterator[Plan], tally: Tally, on_progress: Callable[[], None]) -> None:
        """Write every plan, counting into `tally`; items that the index refuses become failures.

        Raises: Unavailable, Overloaded, Timeout; the ledger then knows what was begun.
        """
        packed, embedded = _Queue(_QUEUED_BATCHES), _Queue(_QUEUED_BATCHES)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pack(plans, packed))
                embedders = [group.create_task(self._embed(packed, embedded)) for _ in range(_EMBEDDERS)]
                writers = [group.create_task(self._write(embedded, tally, on_progress)) for _ in range(_WRITERS)]
                await asyncio.gather(*embedders)
                for _ in writers:
                    await embedded.put(None)
        except BaseExceptionGroup as errors:
            first = _first(errors)
            raise first from first.__cause__

    async def _pack(self, plans: AsyncIterator[Plan], packed: _Queue) -> None:
        batch = _Batch()
        async with closing(plans) as stream:
            async for plan in stream:
                # Joined before the first flush, so that a plan without chunks is acknowledged by some bulk too.
                batch.join(plan)
                for chunk in plan.chunks:
                    if len(batch.parts) >= self._batch_chunks:
                        await packed.put(batch)
                        batch = _Batch()
                    batch.join(plan)
                    batch.parts.append((plan, chunk))
                for chunk_id in plan.orphans:
                    if len(batch.deletes) >= _MAX_DELETES:
                        await packed.put(batch)
                        batch = _Batch()
                    batch.join(plan)
                    batch.deletes.append((plan, chunk_id))
                plan.closed = True
                if len(batch.parts) >= self._batch_chunks or len(batch.plans) >= _MAX_PLANS:
                    await packed.put(batch)
                    batch = _Batch()
        if batch.plans:
            await packed.put(batch)
        for _ in range(_EMBEDDERS):
            await packed.put(None)

    async def _embed(self, packed: _Queue, embedded: _Queue) -> None:
        while (batch := await packed.get()) is not None:
            texts = [chunk.embedded_text for _, chunk in batch.parts]
            if texts:
                batch.embeddings = await self._embedder.embed(texts, "passage", PASSAGE_OUTPUTS)
            await embedded.put(batch)

    async def _write(self, embedded: _Queue, tally: Tally, on_progress: Callable[[], None]) -> None:
        while (batch := await embedded.get()) is not None:
            await asyncio.to_thread(self._ledger.intend, self._scope, _intents(batch))
            records = [
                Record(plan.document, chunk, embedding)
                for (plan, chunk), embedding in zip(batch.parts, batch.embeddings, strict=True)
                if plan.document is not None
            ]
            refused: dict[str, str] = {}
            if records or batch.deletes:
                try:
                    await self._store.write(records, [chunk_id for _, chunk_id in batch.deletes], self._version)
                except PartialWrite as error:
                    refused = error.failed_ids
            for plan, chunk_id in [*((plan, chunk.chunk_id) for plan, chunk in batch.parts), *batch.deletes]:
                if chunk_id in refused:
                    plan.refused[chunk_id] = refused[chunk_id]
            await self._settle(batch, tally)
            on_progress()

    async def _settle(self, batch: _Batch, tally: Tally) -> None:
        for plan in batch.plans:
            plan.batches -= 1
        done = [plan for plan in batch.plans if plan.closed and plan.batches == 0]
        whole = [plan for plan in done if not plan.refused]
        settled = [_settled(plan, plan.document.revision, self._stamp) for plan in whole if plan.document is not None]
        gone = [plan.path for plan in whole if plan.document is None]
        failed = [_failed(plan) for plan in done if plan.refused]
        await asyncio.to_thread(self._ledger.settle, self._scope, settled, gone, failed)
        tally.documents += len(settled)
        tally.deleted += len(gone)
        tally.failures += [Failure(item.path, item.reason, item.revision) for item in failed]
        tally.chunks += sum(chunk.chunk_id not in plan.refused for plan in done for chunk in plan.chunks)
        tally.chunks_deleted += sum(chunk_id not in plan.refused for plan in done for chunk_id in plan.orphans)


def _intents(batch: _Batch) -> list[tuple[str, str, list[str]]]:
    ids: dict[int, list[str]] = {id(plan): [] for plan in batch.plans}
    for plan, chunk in batch.parts:
        ids[id(plan)].append(chunk.chunk_id)
    return [(plan.path, plan.doc_id, ids[id(plan)]) for plan in batch.plans]


def _settled(plan: Plan, revision: str, stamp: str) -> Settled:
    chunks = {chunk.chunk_id: chunk.content_hash for chunk in plan.chunks}
    return Settled(plan.path, plan.doc_id, plan.content_hash, revision, stamp, chunks)


def _failed(plan: Plan) -> Failed:
    chunk_id, reason = next(iter(plan.refused.items()))
    revision = plan.document.revision if plan.document is not None else ""
    return Failed(
        plan.path, f"{len(plan.refused)} chunks were refused, the first {chunk_id}: {reason}", revision, retry=True
    )


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
