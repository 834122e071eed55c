"""What collectors of services have in common that keep snapshots: a cursor names one, a change is what differs.

A snapshot says of everything what decides what is indexed of it, without the words. Words are read only of what
differs.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Generic, TypeVar

from ingest.collectors.selection import content_digest
from ingest.collectors.snapshot_files import SnapshotFiles
from ingest.streams import closing, read_ahead
from shirabe.errors import NotFound
from shirabe.types import Change, Cursor, Upsert

S = TypeVar("S")
Read = Callable[[str], Awaitable[Change]]
"""Returns the document at a path as it is now, or Delete when it is not in the snapshot or no longer there."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class SnapshotCollector(ABC, Generic[S]):
    """Answers from the snapshots in `folder`; `head`, which takes them, is the subclass's.

    `what` names the source where its state is gone; `at_once` is how many documents are read at once.
    """

    def __init__(self, folder: SnapshotFiles[S], what: str, at_once: int) -> None:
        self._snapshots = folder
        self._what = what
        self._at_once = at_once

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether the cursor's snapshot is kept."""
        return await asyncio.to_thread(self._snapshots.has, cursor.value)

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return len(await self._differing(since, await self._snapshot(until)))

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield what differs between two snapshots: in the words as far as these tell, or in who may see it."""
        found = await self._snapshot(until)
        async with closing(self._read(await self._differing(since, found), found)) as changes:
            async for change in changes:
                yield change

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every document's path and content hash; the words are read for it."""
        found = await self._snapshot(at)
        hashes: dict[str, str] = {}
        async with closing(self._read(sorted(self._digests(found)), found)) as changes:
            async for change in changes:
                if isinstance(change, Upsert):
                    hashes[change.document.path] = content_digest(change.document.content)
        return hashes

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one document as it is now, or Delete when it is not in the snapshot or no longer there."""
        async with self._reading(await self._snapshot(at)) as read:
            return await read(path)

    async def _snapshot(self, cursor: Cursor) -> S:
        found = await asyncio.to_thread(self._snapshots.load, cursor.value)
        if found is None:
            raise NotFound(f"the state of this {self._what} is gone; sync it again")
        return found

    async def _differing(self, since: Cursor | None, found: S) -> list[str]:
        before = await asyncio.to_thread(self._snapshots.load, since.value) if since is not None else None
        old, new = self._digests(before) if before is not None else {}, self._digests(found)
        return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))

    async def _read(self, paths: Sequence[str], found: S) -> AsyncIterator[Change]:
        """Yield documents in order, a few read ahead."""
        if not paths:
            return
        async with self._reading(found) as read, closing(read_ahead(paths, read, self._at_once)) as changes:
            async for change in changes:
                yield change

    @abstractmethod
    def _digests(self, found: S) -> Mapping[str, str]:
        """Return every document's path with a digest of all that decides what is indexed of it."""

    @abstractmethod
    def _reading(self, found: S) -> AbstractAsyncContextManager[Read]:
        """Open the service, and give what reads documents as a snapshot has them."""
