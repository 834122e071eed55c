"""The Confluence collector: documents are pages and blog posts, each with its comments, and the files at them.

A cursor is the digest of a snapshot, which says of everything its version, its place and who may see it; a change is
what differs between two. Words are read only of what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ingest.collectors.confluence.api import Api
from ingest.collectors.confluence.cloud import Cloud
from ingest.collectors.confluence.data_center import DataCenter
from ingest.collectors.confluence.documents import Documents
from ingest.collectors.confluence.look import Look
from ingest.collectors.confluence.options import Options
from ingest.collectors.confluence.snapshot import Snapshot, SnapshotFolder, snapshot_folder
from ingest.collectors.selection import content_digest
from ingest.collectors.web import WebClient, WebLimits
from ingest.streams import closing, read_ahead
from shirabe.errors import NotFound
from shirabe.types import Change, Cursor, Source, Upsert

_READ_AHEAD: Final = 4
# A list of a hundred rows, or the body of a page, in JSON.
_MAX_ANSWER_BYTES: Final = 32_000_000


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class ConfluenceCollector:
    """Reads a Confluence site, Cloud or Data Center; its options are told in docs/sources/confluence.md."""

    def __init__(
        self,
        source: Source,
        state_dir: Path,
        max_file_bytes: int,
        *,
        now: Callable[[], datetime] = utc_now,
        limits: WebLimits | None = None,
    ) -> None:
        self._source = source
        self._options = Options.of(source)
        self._folder = SnapshotFolder(snapshot_folder(state_dir, source.source_id, source.location))
        self._max_file_bytes = max_file_bytes
        self._now = now
        self._limits = limits or WebLimits(max_bytes=_MAX_ANSWER_BYTES, concurrent=_READ_AHEAD)

    async def head(self) -> Cursor:
        """Look at the site, and return what names its state.

        All is compared every `compare_minutes`; between that only what was written, trashed or told of is looked at.

        Raises: NotFound, Forbidden, InvalidInput, Unavailable, Overloaded, Timeout.
        """
        known = await asyncio.to_thread(self._folder.latest)
        with self._folder.told() as notes:
            everything = any(note.get("everything") for note in notes)
            async with self._open() as api:
                look = Look(api, self._options, self._source.acl, self._now)
                due = known is None or self._now() - known.compared >= self._options.compare_every
                if known is None or due or everything or known.scope != look.scope:
                    found = await look.everything()
                else:
                    found = await look.changed(known, notes)
            return Cursor(await asyncio.to_thread(self._folder.keep, found))

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether the cursor's snapshot is kept."""
        return await asyncio.to_thread(self._folder.has, cursor.value)

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return len(await self._differing(since, await self._snapshot(until)))

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield what differs between two snapshots: in the words, in the place, or in who may see it."""
        found = await self._snapshot(until)
        async with closing(self._read(await self._differing(since, found), found)) as changes:
            async for change in changes:
                yield change

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every document's path and content hash; all is read for it."""
        found = await self._snapshot(at)
        hashes: dict[str, str] = {}
        async with closing(self._read(sorted(found.digests()), found)) as changes:
            async for change in changes:
                if isinstance(change, Upsert):
                    hashes[change.document.path] = content_digest(change.document.content)
        return hashes

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one document as it is now, or Delete when it is not in the snapshot or no longer there."""
        found = await self._snapshot(at)
        async with self._open() as api:
            return await self._documents(api, found).read(path)

    async def _snapshot(self, cursor: Cursor) -> Snapshot:
        found = await asyncio.to_thread(self._folder.load, cursor.value)
        if found is None:
            raise NotFound("the state of this Confluence source is gone; sync it again")
        return found

    async def _differing(self, since: Cursor | None, found: Snapshot) -> list[str]:
        before = await asyncio.to_thread(self._folder.load, since.value) if since is not None else None
        old, new = before.digests() if before is not None else {}, found.digests()
        return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))

    async def _read(self, paths: Sequence[str], found: Snapshot) -> AsyncIterator[Change]:
        """Yield documents in order, a few read ahead."""
        if not paths:
            return
        async with self._open() as api:
            documents = self._documents(api, found)
            async with closing(read_ahead(paths, documents.read, _READ_AHEAD)) as changes:
                async for change in changes:
                    yield change

    def _documents(self, api: Api, at: Snapshot) -> Documents:
        options = self._options
        return Documents(api, at, self._source, options.base_url, self._max_file_bytes, cloud=options.cloud)

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[Api]:
        options = self._options
        web = WebClient(
            options.base_url,
            secret_headers=options.headers,
            allow_private=options.allow_private,
            limits=self._limits,
        )
        public = WebClient(options.base_url, allow_private=options.allow_private, limits=self._limits)
        async with web, public:
            yield (Cloud if options.cloud else DataCenter)(web, public, options.base_path)
