"""One run over one source: its scope in the ledger, its version, its counts, and how it writes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

import structlog

from ingest.cache import EmbeddingCache
from ingest.cached_embedder import Counts
from ingest.generations import Live
from ingest.ledger import Ledger
from ingest.ledger_rows import Scope
from ingest.models import Models
from ingest.pipeline import WritePipeline
from ingest.plan import Plan, Tally, Work, cut_each
from ingest.settlement import Settlement
from ingest.streams import closing, gathered
from shirabe.errors import PartialWrite, Unavailable
from shirabe.protocols import ActivityLog, Chunker, Store
from shirabe.settings import Settings
from shirabe.types import Source, SyncReport, digest

_log = structlog.get_logger(__name__)
_FORMAT = "1"
_DELETE_BATCH = 1_000
_CUT_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Parts:
    """What every run into one index generation uses."""

    live: Live
    ledger: Ledger
    cache: EmbeddingCache
    settings: Settings
    activity: ActivityLog | None = None

    @property
    def store(self) -> Store:
        """Where it writes."""
        return self.live.store

    @property
    def chunker(self) -> Chunker:
        """What cuts its documents."""
        return self.live.chunker

    def models(self, counts: Counts) -> Models:
        """Return what embeds its chunks, over the cache, counting into `counts`."""
        return self.live.embeds.cached(self.cache, counts)

    async def scope(self, source_id: str) -> Scope:
        """Return what is known of a source in this index."""
        return await asyncio.to_thread(self.ledger.scope, source_id, self.live.identity)


@dataclass(slots=True)
class Run:
    """One run. `stamp` names everything but the content that decides what is written."""

    parts: Parts
    source_id: str
    scope: Scope
    stamp: str
    number: int
    version: int
    models: Models
    counts: Counts
    settlement: Settlement
    tally: Tally
    started_s: float = field(default_factory=time.monotonic)

    async def plans(self, works: AsyncIterator[Work]) -> AsyncIterator[Plan]:
        """Cut documents into chunks; those that cannot be cut are recorded as failures. Raises: Transient errors."""
        async with closing(gathered(works, _CUT_TOGETHER)) as batches:
            async for batch in batches:
                for plan in await cut_each(batch, self.parts.chunker, self.stamp):
                    if isinstance(plan, Plan):
                        yield plan
                    else:
                        await self.settlement.fail([plan])

    async def write(self, plans: AsyncIterator[Plan], on_progress: Callable[[], None]) -> None:
        """Bring plans into the store. Raises: Unavailable, Overloaded, Timeout."""
        pipeline = WritePipeline(
            self.parts.store,
            self.models,
            self.settlement,
            version=self.version,
            batch_chunks=self.parts.settings.ingest.batch_chunks,
            bulk_chunks=self.parts.settings.ingest.bulk_chunks,
        )
        await pipeline.run(plans, on_progress)

    async def sweep(self, keep: Iterable[str]) -> None:
        """Delete what the store holds of the source beyond the chunk ids to keep. Raises: PartialWrite, Unavailable."""
        await self.parts.store.refresh()
        strays = sorted((await self.parts.store.chunk_hashes(self.source_id)).keys() - set(keep))
        for start in range(0, len(strays), _DELETE_BATCH):
            await self.parts.store.write([], strays[start : start + _DELETE_BATCH], self.version)
        self.tally.chunks_deleted += len(strays)

    async def finish(self, cursor: str | None, *, compared: bool = False) -> None:
        """Make what was written visible, and move the cursor; `compared`: everything was read.

        Without a cursor the next run reads everything.
        """
        # Also when nothing was written: a run that was killed may have written all, and shown none of it.
        await self.parts.store.refresh()
        await asyncio.to_thread(
            self.parts.ledger.succeed,
            self.number,
            self.scope.scope,
            cursor,
            "" if cursor is None else self.stamp,
            compared=compared,
        )

    def totals(self) -> dict[str, int]:
        """Return what the run did so far, as the ledger adds it up."""
        tally, counts = self.tally, self.counts
        return {
            "documents_written": tally.documents,
            "documents_deleted": tally.deleted,
            "documents_failed": len(tally.failures),
            "chunks_written": tally.chunks,
            "chunks_deleted": tally.chunks_deleted,
            "chunks_embedded": counts.embedded,
            "chunks_cached": counts.cached,
        }

    def report(self, revision: str) -> SyncReport:
        """Return what the run did."""
        tally, counts = self.tally, self.counts
        return SyncReport(
            source_id=self.source_id,
            revision=revision,
            documents=tally.documents,
            deleted=tally.deleted,
            skipped=tally.skipped,
            chunks=tally.chunks,
            chunks_deleted=tally.chunks_deleted,
            embedded=counts.embedded,
            cached=counts.cached,
            failures=tuple(tally.failures),
            warnings=tuple(tally.warnings),
            duration_s=time.monotonic() - self.started_s,
        )


@contextlib.asynccontextmanager
async def open_run(parts: Parts, source_id: str, source: Source | None) -> AsyncIterator[Run]:
    """Begin a run and record how it ends; `source` is None for pushed documents. The caller holds the lock.

    Raises: Unavailable.
    """
    counts = Counts()
    stamp = await stamp_of(parts, source)
    scope = await parts.scope(source_id)
    number, version = await asyncio.to_thread(parts.ledger.begin_run, scope.scope)
    tally = Tally()
    settlement = Settlement(parts.ledger, scope.scope, stamp, tally)
    run = Run(parts, source_id, scope, stamp, number, version, parts.models(counts), counts, settlement, tally)
    try:
        yield run
    except BaseException as error:
        _log.warning("run_failed", source=source_id, error=type(error).__name__)
        parts.ledger.end_run(number, type(error).__name__)
        if isinstance(error, PartialWrite):
            raise Unavailable(str(error)) from error
        raise
    finally:
        parts.ledger.add_totals(scope.scope, run.totals())


async def stamp_of(parts: Parts, source: Source | None) -> str:
    """Return what names all that decides what is written but each document itself. Raises: Unavailable, Timeout."""
    live, limits, model = parts.live, parts.settings.ingest, await parts.live.embedder.info()
    made_with = (_FORMAT, live.chunker_version, str(live.chunk_tokens), model.name, model.revision)
    if source is None:
        return digest(*made_with)
    acl = (str(source.acl.public), *source.acl.principals)
    options = json.dumps(dict(source.options), sort_keys=True)
    return digest(*made_with, str(limits.max_file_bytes), source.kind, source.location, options, *acl)
