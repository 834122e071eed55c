"""The direct job: brings one source up to date in this process, in seconds for small changes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from ingest.bringing import bring, since_of, write_pushed
from ingest.cache import EMBEDDINGS_FILE, EmbeddingCache
from ingest.changes import known_of, preview
from ingest.chunkers import CHUNKER_VERSION
from ingest.collectors import open_collector, state_folders, take_webhook
from ingest.drift import compare
from ingest.followers import Followers
from ingest.generations import Generations, OnlyOne
from ingest.ledger import Ledger
from ingest.ledger_rows import Scope
from ingest.locations import configured_source
from ingest.locks import SourceLocks
from ingest.run import Parts, open_run, stamp_of
from ingest.sync_record import recorded
from ingest.writing import How, Progress, Writer, write_here
from shirabe.errors import Forbidden, NotFound
from shirabe.protocols import ActivityLog, Chunker, Collector, Embedder, Store
from shirabe.settings import Settings
from shirabe.types import Declared, Document, Drift, Preview, Source, SourceKind, SourceStatus, SyncReport

_PUSH_WAIT_S = 30.0


class SyncJob:
    """Keeps sources true in every index generation. Its ledger, locks and mirrors live under `settings.state_dir`.

    What is acknowledged is in the one that answers; `followers` brings it into the others. Without `generations` there
    is one, in `store`.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        chunker: Chunker,
        settings: Settings,
        *,
        chunker_version: str = CHUNKER_VERSION,
        open_source: Callable[[Source, Settings], Collector] = open_collector,
        activity: ActivityLog | None = None,
        generations: Generations | None = None,
    ) -> None:
        self._settings = settings
        self._open_source = open_source
        self.locks = SourceLocks(settings.state_dir)
        self._ledger = Ledger(settings.state_dir / "ledger.sqlite")
        self._cache = EmbeddingCache(settings.cache_dir / EMBEDDINGS_FILE)
        self._activity = activity
        self._generations = generations or OnlyOne(
            store, embedder, chunker, chunker_version, settings.ingest.chunk_tokens
        )
        self.followers = Followers(self._ledger, self.locks, self._read)

    async def close(self) -> None:
        """Close the ledger and the cache."""
        await asyncio.to_thread(self._ledger.close)
        await asyncio.to_thread(self._cache.close)

    async def configure(self, location: str, *, name: str | None = None, kind: SourceKind | None = None) -> Source:
        """Configure the source at a location, or return the one that is configured there.

        Raises: InvalidInput when the name belongs to another location, NotFound.
        """
        known = await self.sources()
        source = await asyncio.to_thread(configured_source, location, name, kind, known)
        if source not in known:
            await self.add(source)
        return source

    async def add(self, source: Source) -> None:
        """Configure a source, in place of one of the same name. Raises: InvalidInput, NotFound."""
        await asyncio.to_thread(self._open_source, source, self._settings)
        await asyncio.to_thread(self._ledger.put_source, source)

    async def declare(self, sources: Sequence[Source], *, dry_run: bool = False) -> Declared:
        """Make the declared sources exactly these: new ones are added, changed ones changed, and the rest removed.

        A source of the same name that was added by hand becomes a declared one. Nothing is touched unless all can be,
        nor in a dry run.

        Raises: InvalidInput, NotFound, Overloaded while one to be removed syncs, Unavailable.
        """
        for source in sources:
            await asyncio.to_thread(self._open_source, source, self._settings)
        known = {source.source_id: source for source in await self.sources()}
        wanted = {source.source_id for source in sources}
        removed = [name for name, source in known.items() if source.declared and name not in wanted]
        changed = [source for source in sources if known.get(source.source_id) != source]
        if not dry_run:
            for name in removed:
                await self.remove(name)
            for source in changed:
                await asyncio.to_thread(self._ledger.put_source, source)
        names = [source.source_id for source in changed]
        return Declared(
            added=tuple(name for name in names if name not in known),
            changed=tuple(name for name in names if name in known),
            removed=tuple(removed),
        )

    async def take_webhook(self, source_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """Check a webhook, and note for the next sync what it says. Raises: NotFound, InvalidInput, Forbidden."""
        source = await self.source(source_id)
        await asyncio.to_thread(take_webhook, source, self._settings.state_dir, headers, body)

    async def compared(self, source_id: str) -> datetime | None:
        """Return when everything of a source was last compared with the index. Raises: NotFound."""
        await self.source(source_id)
        return await asyncio.to_thread(self._ledger.compared, (await self._scope(source_id)).scope)

    async def retry(self, source_id: str) -> None:
        """Have a source's failed documents tried again by its next sync. Raises: NotFound."""
        await self.source(source_id)
        await asyncio.to_thread(self._ledger.retry, (await self._scope(source_id)).scope)

    async def sync(
        self,
        source_id: str,
        *,
        full: bool = False,
        recheck: bool = False,
        progress: Callable[[Progress], None] | None = None,
        writer: Writer | None = None,
    ) -> SyncReport:
        """Bring a source up to date; `full` reads and writes everything again and removes what nobody knows.

        `recheck` reads everything and writes what differs, whatever the cursor says: it finds what no change told of.

        The cursor moves only after the index acknowledged the whole run. Documents that fail are in the report. A run
        that was cut short is continued by the next: documents that were settled are not written again, in a full run
        neither. Without a `writer` the work is done in this process.

        Raises: NotFound, InvalidInput, Overloaded when it is already syncing, Unavailable, Timeout.
        """
        source = await self.source(source_id)
        how = How(full, recheck, progress, writer or write_here)
        async with self.locks.hold(source_id):
            leader, *others = await self.live()
            before = (await leader.scope(source_id)).cursor
            report, touched = await self._read(leader, source, how)
            await self.followers.after_sync(leader, others, source, how, touched, before)
        return report

    async def preview(self, source_id: str, *, full: bool = False) -> Preview:
        """Return what a sync would do, and do nothing. Raises: NotFound, InvalidInput, Unavailable, Timeout."""
        source = await self.source(source_id)
        collector = await asyncio.to_thread(self._open_source, source, self._settings)
        until = await collector.head()
        leader, *_ = await self.live()
        scope = await leader.scope(source_id)
        stamp = await stamp_of(leader, source)
        known = await known_of(self._ledger, scope.scope, "" if full else stamp)
        since = None if full else await since_of(scope, stamp, collector)
        return await preview(known, collector, source_id, since, until)

    async def drift(self, source_id: str) -> Drift:
        """Compare the index and the ledger with the source as it is now. Raises: NotFound, Unavailable."""
        source = await self.source(source_id)
        collector = await asyncio.to_thread(self._open_source, source, self._settings)
        head = await collector.head()
        wanted = await collector.paths(head)
        leader, *_ = await self.live()
        await leader.store.refresh()
        stored = await leader.store.chunk_hashes(source_id)
        scope = (await leader.scope(source_id)).scope
        entries = await asyncio.to_thread(self._ledger.entries, scope)
        known = await asyncio.to_thread(self._ledger.chunks, scope)
        return compare(source_id, head.value, wanted, entries, known, stored)

    async def status(self) -> list[SourceStatus]:
        """Return every configured source and how it stands in the index that answers."""
        sources = await self.sources()
        index_id = (await self.live())[0].live.identity if sources else ""
        return [await self._status(source, index_id) for source in sources]

    async def remove(self, source_id: str) -> None:
        """Take out a source and everything indexed of it. Raises: NotFound, Overloaded while it syncs, Unavailable."""
        source = await self.source(source_id)
        async with self.locks.hold(source_id):
            for parts in await self.live():
                async with open_run(parts, source_id, source) as run:
                    await run.sweep(())
                    await parts.store.refresh()
            await asyncio.to_thread(self._ledger.forget_scopes, source_id=source_id)
            await asyncio.to_thread(self._ledger.remove_source, source_id)
            for folder in state_folders(source, self._settings.state_dir):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def put(self, document: Document) -> SyncReport:
        """Index one pushed document in place of what was pushed at its path before.

        Raises: InvalidInput, Forbidden when a configured source has its source's name, Overloaded, Unavailable.
        """
        await self._require_unconfigured(document.source_id)
        source_id, path = document.source_id, document.path
        async with self.locks.hold(source_id, _PUSH_WAIT_S):
            leader, *others = await self.live()
            run = await write_pushed(leader, source_id, path, document.doc_id, document)
            await self.followers.after_push(leader, others, source_id, path, document.doc_id, document)
        return run.report(document.revision)

    async def delete(self, doc_id: str) -> None:
        """Remove one pushed document.

        Raises: NotFound, Forbidden when a configured source owns it, Overloaded, Unavailable.
        """
        leader, *_ = await self.live()
        owners = await asyncio.to_thread(self._ledger.owners, doc_id, leader.live.identity)
        if not owners:
            raise NotFound("there is no such document")
        source_id, path = owners[0]
        await self._require_unconfigured(source_id)
        async with self.locks.hold(source_id, _PUSH_WAIT_S):
            leader, *others = await self.live()
            await write_pushed(leader, source_id, path, doc_id, None)
            await self.followers.after_push(leader, others, source_id, path, doc_id, None)

    async def live(self) -> list[Parts]:
        """Return what runs into each index generation need, the one that answers first.

        Raises: InvalidInput, Unavailable, Timeout.
        """
        leader, *others = await self._generations.live()
        kept = (self._ledger, self._cache, self._settings)
        # What a sync did is told once, of the index that answers.
        return [Parts(leader, *kept, self._activity), *(Parts(other, *kept) for other in others)]

    async def pair(self, leader: str, follower: str) -> tuple[Parts, Parts]:
        """Return what runs into the generations of these names need. Raises: NotFound, InvalidInput, Unavailable."""
        live = {parts.live.name: parts for parts in await self.live()}
        for name in (leader, follower):
            if name not in live:
                raise NotFound(f"no index generation {name}")
        return live[leader], live[follower]

    def forget(self, index_id: str) -> None:
        """Forget what was indexed in an index that is gone; blocks."""
        self._ledger.forget_scopes(index_id=index_id)

    async def sources(self) -> list[Source]:
        """Return every configured source, by name."""
        return await asyncio.to_thread(self._ledger.sources)

    async def source(self, source_id: str) -> Source:
        """Return a configured source. Raises: NotFound."""
        known = {source.source_id: source for source in await self.sources()}
        if source_id not in known:
            raise NotFound(f"no source {source_id!r}; known: {', '.join(known) or 'none'}")
        return known[source_id]

    async def _scope(self, source_id: str) -> Scope:
        leader, *_ = await self.live()
        return await leader.scope(source_id)

    async def _read(self, parts: Parts, source: Source, how: How) -> tuple[SyncReport, set[str]]:
        """Bring a source up to date in one generation; return also the paths of what was written or taken out."""
        async with recorded(parts, source) as record, open_run(parts, source.source_id, source) as run:
            record.counts = run.totals
            collector = await asyncio.to_thread(self._open_source, source, self._settings)
            until = await collector.head()
            compared = await bring(run, collector, until, how)
            await run.finish(until.value, compared=compared)
        return run.report(until.value), run.settlement.touched

    async def _status(self, source: Source, index_id: str) -> SourceStatus:
        scope = await asyncio.to_thread(self._ledger.scope, source.source_id, index_id)
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
            totals=standing.totals,
            syncing=await asyncio.to_thread(self.locks.held, source.source_id),
        )

    async def _require_unconfigured(self, source_id: str) -> None:
        if any(source.source_id == source_id for source in await self.sources()):
            raise Forbidden(f"documents of {source_id!r} come from its configured source only")
