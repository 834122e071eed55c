"""The index generations beside the one that answers: what is written there follows, within the same lock.

A follower whose documents are cut alike takes the stored text; one that is cut otherwise reads the source itself. A
follower that cannot follow (its model is gone, its index takes no writes) holds up nobody: the ledger says what it
lacks, and it is brought up by the next sync, the next build, and at the latest before it answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Final

import structlog

from ingest.bringing import write_pushed
from ingest.copying import SLICE, Copied, copy, lacking, warm
from ingest.ledger import Ledger
from ingest.ledger_following import doc_ids, mirror, sources_of
from ingest.ledger_rows import Behind
from ingest.locks import SourceLocks
from ingest.run import Parts, stamp_of
from ingest.writing import How, Progress, write_here
from shirabe.errors import ShirabeError, Unavailable
from shirabe.types import Document, Source, SyncReport

_PUSH_S: Final = 10.0
"""How long a push waits for a follower."""
_REST_S: Final = 30.0
"""How long a follower that failed is left alone by pushes."""
_LOCK_WAIT_S: Final = 600.0
_SWITCH_WAIT_S: Final = 30.0
_PASSES: Final = 5
_GAP_S: Final = 0.05
"""Between two slices, so that whoever waits for the source gets it."""

_log = structlog.get_logger(__name__)
Read = Callable[[Parts, Source, How], Awaitable[tuple[SyncReport, set[str]]]]


class Followers:
    """Brings what was written to the generation that answers into the others."""

    def __init__(self, ledger: Ledger, locks: SourceLocks, read: Read) -> None:
        self._ledger = ledger
        self._locks = locks
        self._read = read
        self._resting: dict[str, float] = {}

    async def after_sync(
        self,
        leader: Parts,
        others: Sequence[Parts],
        source: Source,
        how: How,
        touched: Collection[str],
        before: str | None,
    ) -> None:
        """Follow a sync, whose lock is held: it touched these paths, and began at the cursor `before`."""
        for follower in others:
            if self._locks.reading(source.source_id, follower.live.identity):
                continue  # what is being read now comes up to here when it is done
            scope = await follower.scope(source.source_id)
            if not leader.live.cuts_as(follower.live):
                if scope.cursor is not None:
                    own = How(how.full, how.recheck, None, write_here)
                    await self._try(follower, source.source_id, self._read(follower, source, own))
                continue
            # One that is still being built is given what changed; the rest is the build's.
            ready = scope.cursor is not None or before is None
            moved = scope.cursor != (await leader.scope(source.source_id)).cursor
            if touched or (ready and moved):
                following = copy(leader, follower, source.source_id, source, paths=None if ready else touched)
                await self._try(follower, source.source_id, following)

    async def after_push(
        self,
        leader: Parts,
        others: Sequence[Parts],
        source_id: str,
        path: str,
        doc_id: str,
        document: Document | None,
    ) -> None:
        """Follow a push, or the removal of what was pushed, whose lock is held."""
        for follower in others:
            if time.monotonic() < self._resting.get(follower.live.identity, 0.0):
                continue
            following: Awaitable[object]
            if leader.live.cuts_as(follower.live):
                following = copy(leader, follower, source_id, None, paths=[path])
            else:
                following = write_pushed(follower, source_id, path, doc_id, document)
            await self._try(follower, source_id, asyncio.wait_for(following, _PUSH_S))

    async def names(self, *generations: Parts) -> list[str]:
        """Return the name of everything that is indexed in these, or configured and may be at any time."""
        names = {source.source_id for source in await asyncio.to_thread(self._ledger.sources)}
        for each in generations:
            names.update(await asyncio.to_thread(sources_of, self._ledger, each.live.identity))
        return sorted(names)

    async def lacking(self, leader: Parts, follower: Parts) -> dict[str, Behind]:
        """Return, by source, what a follower lacks of what the leader has; of one that reads for itself, of pushes."""
        alike = leader.live.cuts_as(follower.live)
        own = set() if alike else {source.source_id for source in await asyncio.to_thread(self._ledger.sources)}
        names = [name for name in await self.names(leader, follower) if name not in own]
        found = {name: await lacking(leader, follower, name) for name in names}
        return {name: difference for name, difference in found.items() if len(difference)}

    @contextlib.asynccontextmanager
    async def caught_up(self, leader: Parts, follower: Parts, *, force: bool) -> AsyncIterator[int]:
        """Bring a follower to what the leader has, and keep both so: meanwhile nobody writes to any source.

        Gives the number of documents that it lacks even so: with `force` it may be more than none, and a configured
        source's are read from it again by the first sync of the follower that answers then.

        Raises: Unavailable naming what it lacks; AlreadySyncing; what the catching up raises.
        """
        async with contextlib.AsyncExitStack() as stack:
            names = await self.names(leader, follower)
            for name in names:
                await stack.enter_async_context(self._locks.hold_briefly(name, _SWITCH_WAIT_S))
            for name in names:
                try:
                    await self.catch_up(leader, follower, name)
                except (ShirabeError, TimeoutError) as error:
                    if not force:
                        raise
                    _log.warning("not_caught_up", generation=follower.live.name, source=name, reason=str(error))
            left = await self.lacking(leader, follower)
            if left and not force:
                counts = ", ".join(f"{len(difference)} of {name}" for name, difference in left.items())
                raise Unavailable(f"{follower.live.name} lacks documents ({counts}): run `shirabe index build`")
            for name, difference in left.items():
                here, there = await follower.scope(name), await leader.scope(name)
                ids = await asyncio.to_thread(doc_ids, self._ledger, there.scope, set(difference.paths))
                ids |= await asyncio.to_thread(doc_ids, self._ledger, here.scope, set(difference.gone))
                unread = [(path, doc_id, list[str]()) for path, doc_id in ids.items()]
                await asyncio.to_thread(self._ledger.intend, here.scope, unread)
            await follower.store.refresh()
            yield sum(len(difference) for difference in left.values())

    async def remember(self, leader: Parts, index_id: str) -> None:
        """Have the ledger know of another index what it knows of the leader, whose sources' locks are held."""
        for name in await self.names(leader):
            there = await leader.scope(name)
            here = await asyncio.to_thread(self._ledger.scope, name, index_id)
            await asyncio.to_thread(mirror, self._ledger, there.scope, here.scope)

    async def build(
        self,
        leader: Parts,
        follower: Parts,
        source_id: str,
        progress: Callable[[Progress], None],
        *,
        from_source: bool = False,
    ) -> Copied:
        """Bring a follower to what the leader has of a source, while syncs and pushes go on; a lock is held briefly.

        `from_source`, or where documents are cut otherwise, the source itself is read, if it is a configured one.

        Raises: AlreadySyncing while another build reads it, or a sync takes too long; Unavailable, Overloaded, Timeout.
        """
        source = await self._configured(source_id)
        done = Copied()
        if source is not None and (from_source or not leader.live.cuts_as(follower.live)):
            done += await self._read_beside(follower, source, progress)
        else:
            done += await self._copy_in_slices(leader, follower, source_id, source, progress)
        async with self._locks.hold_briefly(source_id, _LOCK_WAIT_S):
            return done + await self.catch_up(leader, follower, source_id)

    async def catch_up(self, leader: Parts, follower: Parts, source_id: str) -> Copied:
        """Bring a follower to exactly what the leader has of a source, whose lock is held.

        Raises: Unavailable, Overloaded, Timeout, InvalidInput.
        """
        source = await self._configured(source_id)
        if source is None or leader.live.cuts_as(follower.live):
            return await copy(leader, follower, source_id, source)
        there, here = await leader.scope(source_id), await follower.scope(source_id)
        if there.cursor == here.cursor and here.stamp == await stamp_of(follower, source):
            return Copied()
        report, _ = await self._read(follower, source, How(False, False, None, write_here))
        return _copied(report)

    async def _read_beside(self, follower: Parts, source: Source, progress: Callable[[Progress], None]) -> Copied:
        """Read a source into a follower, with its lock free for others."""
        async with contextlib.AsyncExitStack() as reading:
            async with self._locks.hold_briefly(source.source_id, _LOCK_WAIT_S):
                # Taken inside, so that no sync is just now following into it.
                await reading.enter_async_context(self._locks.hold_reading(source.source_id, follower.live.identity))
            report, _ = await self._read(follower, source, How(False, False, progress, write_here))
        return _copied(report)

    async def _copy_in_slices(
        self,
        leader: Parts,
        follower: Parts,
        source_id: str,
        source: Source | None,
        progress: Callable[[Progress], None],
    ) -> Copied:
        """Copy until a moment is enough for the rest. What fails is left, and told."""
        done, failed, total = Copied(), set[str](), 0
        for _ in range(_PASSES):
            left = (await lacking(leader, follower, source_id)).without(failed)
            if len(left) <= SLICE:
                break
            paths, total = left.paths, total + len(left)
            for start in range(0, len(paths), SLICE):
                part = paths[start : start + SLICE]
                # The slow part, embedding, is done before the lock is taken.
                warmed = await warm(leader, follower, source_id, part)
                async with self._locks.hold_briefly(source_id, _LOCK_WAIT_S):
                    copied = await copy(leader, follower, source_id, source, paths=part)
                failed |= {failure.path for failure in copied.failures}
                done += Copied(copied.documents, copied.deleted, copied.chunks, failures=copied.failures)
                done += warmed
                progress(Progress(done.documents + done.deleted, total, done.chunks, done.embedded, done.cached))
                await asyncio.sleep(_GAP_S)
        return done

    async def _configured(self, source_id: str) -> Source | None:
        sources = await asyncio.to_thread(self._ledger.sources)
        return next((source for source in sources if source.source_id == source_id), None)

    async def _try(self, follower: Parts, source_id: str, following: Awaitable[object]) -> None:
        try:
            await following
        except (ShirabeError, TimeoutError) as error:
            self._resting[follower.live.identity] = time.monotonic() + _REST_S
            _log.warning("generation_falls_behind", generation=follower.live.name, source=source_id, reason=str(error))


def _copied(report: SyncReport) -> Copied:
    return Copied(report.documents, report.deleted, report.chunks, report.embedded, report.cached, report.failures)
