"""The direct job: brings one source up to date in this process, in seconds for small changes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ingest.cache import EMBEDDINGS_FILE, EmbeddingCache
from ingest.changes import ChangePlanner
from ingest.chunkers import CHUNKER_VERSION
from ingest.collectors import open_collector
from ingest.collectors.git_mirror import mirror_folder
from ingest.drift import compare
from ingest.ledger import Ledger, Scope
from ingest.locations import configured_source
from ingest.locks import SourceLocks
from ingest.plan import Plan, Work, cut
from ingest.run import Parts, Run, open_run
from shirabe.errors import Forbidden, NotFound, Unavailable
from shirabe.protocols import Chunker, Collector, Embedder, Store
from shirabe.settings import Settings
from shirabe.types import Cursor, Document, Drift, Source, SourceKind, SourceStatus, SyncReport

_PUSH_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is: `documents` done of `total`; chunks written; texts embedded, and taken from the cache."""

    documents: int
    total: int
    chunks: int
    embedded: int
    cached: int


class Writer(Protocol):
    """Brings a run's work into the store and settles it in the ledger: in this process, or on a cluster."""

    async def __call__(self, run: Run, works: AsyncIterator[Work], on_progress: Callable[[], None]) -> None:
        """Return when every document is settled or failed. Raises: Unavailable, Overloaded, Timeout."""


async def write_here(run: Run, works: AsyncIterator[Work], on_progress: Callable[[], None]) -> None:
    """Write in this process. Raises: Unavailable, Overloaded, Timeout."""
    await run.write(run.plans(works), on_progress)


class SyncJob:
    """Keeps sources true in one store. Its ledger, locks and mirrors live under `settings.state_dir`."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        chunker: Chunker,
        settings: Settings,
        *,
        chunker_version: str = CHUNKER_VERSION,
        open_source: Callable[[Source, Settings], Collector] = open_collector,
    ) -> None:
        self._settings = settings
        self._open_source = open_source
        self._locks = SourceLocks(settings.state_dir)
        self._store = store
        self._ledger = Ledger(settings.state_dir / "ledger.sqlite")
        self._cache = EmbeddingCache(settings.cache_dir / EMBEDDINGS_FILE)
        self._parts = Parts(store, embedder, chunker, chunker_version, self._ledger, self._cache, settings)

    async def close(self) -> None:
        """Close the ledger and the cache."""
        await asyncio.to_thread(self._ledger.close)
        await asyncio.to_thread(self._cache.close)

    async def configure(self, location: str, *, name: str | None = None, kind: SourceKind | None = None) -> Source:
        """Configure the source at a location, or return the one that is configured there.

        Raises: InvalidInput when the name belongs to another location, NotFound.
        """
        known = await asyncio.to_thread(self._ledger.sources)
        source = await asyncio.to_thread(configured_source, location, name, kind, known)
        if source not in known:
            await self.add(source)
        return source

    async def add(self, source: Source) -> None:
        """Configure a source, in place of one of the same name. Raises: InvalidInput, NotFound."""
        await asyncio.to_thread(self._open_source, source, self._settings)
        await asyncio.to_thread(self._ledger.put_source, source)

    async def sync(
        self,
        source_id: str,
        *,
        full: bool = False,
        progress: Callable[[Progress], None] | None = None,
        writer: Writer | None = None,
    ) -> SyncReport:
        """Bring a source up to date; `full` reads and writes everything again and removes what nobody knows.

        The cursor moves only after the index acknowledged the whole run. Documents that fail are in the report. A run
        that was cut short is continued by the next: documents that were settled are not written again, in a full run
        neither. Without a `writer` the work is done in this process.

        Raises: NotFound, InvalidInput, Overloaded when it is already syncing, Unavailable, Timeout.
        """
        source = await self._source(source_id)
        async with self._locks.hold(source_id), open_run(self._parts, source_id, source) as run:
            collector = await asyncio.to_thread(self._open_source, source, self._settings)
            until = await collector.head()
            await self._bring(run, collector, until, full=full, progress=progress, writer=writer or write_here)
            await run.finish(until.value)
        return run.report(until.value)

    async def drift(self, source_id: str) -> Drift:
        """Compare the index and the ledger with the source as it is now. Raises: NotFound, Unavailable."""
        source = await self._source(source_id)
        collector = await asyncio.to_thread(self._open_source, source, self._settings)
        head = await collector.head()
        wanted = await collector.paths(head)
        await self._store.refresh()
        stored = await self._store.chunk_hashes(source_id)
        scope = (await self._scope(source_id)).scope
        entries = await asyncio.to_thread(self._ledger.entries, scope)
        known = await asyncio.to_thread(self._ledger.chunks, scope)
        return compare(source_id, head.value, wanted, entries, known, stored)

    async def status(self) -> list[SourceStatus]:
        """Return every configured source and how it stands in the index that answers."""
        return [await self._status(source) for source in await asyncio.to_thread(self._ledger.sources)]

    async def remove(self, source_id: str) -> None:
        """Take out a source and everything indexed of it. Raises: NotFound, Overloaded while it syncs, Unavailable."""
        source = await self._source(source_id)
        async with self._locks.hold(source_id), open_run(self._parts, source_id, source) as run:
            await run.sweep(())
            await self._store.refresh()
            await asyncio.to_thread(self._ledger.forget_scopes, source_id=source_id)
            await asyncio.to_thread(self._ledger.remove_source, source_id)
            folder = mirror_folder(self._settings.state_dir, source_id, source.location)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def put(self, document: Document) -> SyncReport:
        """Index one pushed document in place of what was pushed at its path before.

        Raises: InvalidInput, Forbidden when a configured source has its source's name, Overloaded, Unavailable.
        """
        await self._require_unconfigured(document.source_id)
        source_id = document.source_id
        async with self._locks.hold(source_id, _PUSH_WAIT_S), open_run(self._parts, source_id, None) as run:
            work = await run.settlement.begin(document.path, document.doc_id, document)
            await _write_one(run, await cut(work, self._parts.chunker))
        return run.report(document.revision)

    async def delete(self, doc_id: str) -> None:
        """Remove one pushed document.

        Raises: NotFound, Forbidden when a configured source owns it, Overloaded, Unavailable.
        """
        owners = await asyncio.to_thread(self._ledger.owners, doc_id, await self._store.identity())
        if not owners:
            raise NotFound("there is no such document")
        source_id, path = owners[0]
        await self._require_unconfigured(source_id)
        async with self._locks.hold(source_id, _PUSH_WAIT_S), open_run(self._parts, source_id, None) as run:
            work = await run.settlement.begin(path, doc_id, None)
            await _write_one(run, await cut(work, self._parts.chunker))

    async def _bring(
        self,
        run: Run,
        collector: Collector,
        until: Cursor,
        *,
        full: bool,
        progress: Callable[[Progress], None] | None,
        writer: Writer,
    ) -> None:
        scope = run.scope
        planner = ChangePlanner(collector, self._ledger, run.settlement, scope.scope, run.stamp, run.tally)
        since = None
        if full and scope.stamp:
            await asyncio.to_thread(self._ledger.outdate, scope.scope)
        elif scope.cursor is not None and scope.stamp == run.stamp:
            if scope.cursor == until.value and not await planner.load():
                return
            since = Cursor(scope.cursor) if await collector.knows(Cursor(scope.cursor)) else None

        def report() -> None:
            if progress is not None:
                counts, tally = run.embedder.counts, run.tally
                done, total = tally.seen - run.settlement.open, max(tally.total, tally.seen)
                progress(Progress(done, total, tally.chunks, counts.embedded, counts.cached))

        if progress is not None:
            run.tally.total = await collector.count(since, until)
        await writer(run, planner.works(since, until, report), report)
        if full or not scope.stamp:
            # A ledger that was lost, or an index that was restored: what nobody knows is nobody's.
            known = await asyncio.to_thread(self._ledger.chunks, scope.scope)
            await run.sweep(known.keys() | await asyncio.to_thread(self._ledger.intended, scope.scope))

    async def _source(self, source_id: str) -> Source:
        known = {source.source_id: source for source in await asyncio.to_thread(self._ledger.sources)}
        if source_id not in known:
            raise NotFound(f"no source {source_id!r}; known: {', '.join(known) or 'none'}")
        return known[source_id]

    async def _scope(self, source_id: str) -> Scope:
        return await asyncio.to_thread(self._ledger.scope, source_id, await self._store.identity())

    async def _status(self, source: Source) -> SourceStatus:
        scope = await self._scope(source.source_id)
        standing = await asyncio.to_thread(self._ledger.standing, scope.scope)
        lag_s = None
        if standing.last_sync is not None:
            lag_s = max(0.0, (datetime.now(UTC) - standing.last_sync).total_seconds())
        return SourceStatus(
            source=source,
            documents=standing.documents,
            chunks=standing.chunks,
            revision=scope.cursor or "",
            last_sync=standing.last_sync,
            lag_s=lag_s,
            failures=standing.failures,
            syncing=await asyncio.to_thread(self._locks.held, source.source_id),
        )

    async def _require_unconfigured(self, source_id: str) -> None:
        if any(source.source_id == source_id for source in await asyncio.to_thread(self._ledger.sources)):
            raise Forbidden(f"documents of {source_id!r} come from its configured source only")


async def _write_one(run: Run, plan: Plan) -> None:
    """Write one plan. Raises: Unavailable also when the index refuses a part of it."""

    async def plans() -> AsyncIterator[Plan]:
        yield plan

    await run.write(plans(), lambda: None)
    if run.tally.failures:
        raise Unavailable(run.tally.failures[0].reason)
    await run.finish("")
