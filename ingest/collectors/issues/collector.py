"""The collector of issues: documents are issues and pull requests, each with its comments.

A cursor is the digest of a snapshot, which says of everything when it last changed and who may see it; a change is what
differs between two. Words are read only of what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from ingest.collectors.issues.api import Tags, Tracker
from ingest.collectors.issues.documents import document_of
from ingest.collectors.issues.export import Export
from ingest.collectors.issues.github import GitHub
from ingest.collectors.issues.gitlab import GitLab
from ingest.collectors.issues.options import GITHUB, Options
from ingest.collectors.issues.snapshot import Snapshot, SnapshotFolder, issues_folder
from ingest.collectors.snapshot_collector import Read, SnapshotCollector, utc_now
from ingest.collectors.web import WebClient, WebLimits
from shirabe.errors import InvalidInput
from shirabe.types import Change, Cursor, Delete, Failure, Skip, Source, Upsert

OVERLAP: Final = timedelta(minutes=5)
"""What changed so long before the newest change is listed again: a list may lag behind what was written."""

# GitHub wants no more than a few requests at once.
_READ_AHEAD: Final = 3
_MAX_ANSWER_BYTES: Final = 32_000_000


class IssuesCollector(SnapshotCollector[Snapshot]):
    """Reads the issues of a repository or project; its options are told in docs/sources/issues.md."""

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
        self._folder = SnapshotFolder(issues_folder(state_dir, source.source_id, source.location))
        super().__init__(self._folder, "source of issues", _READ_AHEAD)
        self._max_file_bytes = max_file_bytes
        self._now = now
        self._limits = limits or WebLimits(max_bytes=_MAX_ANSWER_BYTES, concurrent=_READ_AHEAD)

    async def head(self) -> Cursor:
        """Look at the service, and return what names its state.

        All is listed every `compare_minutes`; between that only what changed or was told of.

        Raises: NotFound, Forbidden, InvalidInput, Unavailable, Overloaded, Timeout.
        """
        with self._folder.told() as notes:
            return await self._look(notes)

    async def _look(self, notes: Sequence[Mapping[str, Any]]) -> Cursor:
        known = await asyncio.to_thread(self._folder.latest)
        if known is not None and known.scope != self._options.scope:
            known = None
        due = known is None or self._now() - known.compared >= self._options.compare_every
        async with self._open(known.project.name if known else self._options.name) as tracker:
            found = await self._everything(tracker) if known is None or due else await self._changed(tracker, known)
            for note in notes:
                await self._told(tracker, found, note)
        if found == known:
            return Cursor(found.cursor(self._options.readers))
        if due:
            await asyncio.to_thread(self._folder.forget_threads, list(found.rows.values()))
        return Cursor(await asyncio.to_thread(self._folder.keep, found, self._options.readers))

    def _digests(self, found: Snapshot) -> Mapping[str, str]:
        return found.digests(self._options.readers)

    @contextlib.asynccontextmanager
    async def _reading(self, found: Snapshot) -> AsyncIterator[Read]:
        async with self._open(found.project.name) as tracker:
            yield partial(self._document, tracker, found)

    async def _everything(self, tracker: Tracker) -> Snapshot:
        found = Snapshot(self._options.scope, await tracker.project(), self._now())
        async for row in tracker.rows(None, Tags({}, {})):
            found.rows[row.path] = row
        return found

    async def _changed(self, tracker: Tracker, known: Snapshot) -> Snapshot:
        tags = Tags(known.tags, {})
        found = Snapshot(known.scope, await tracker.project(), known.compared, dict(known.rows), tags.given)
        if found.project != known.project:
            return await self._everything(tracker)
        # By the service's clock, whatever ours says; and the same address while nothing changes, for the tag's sake.
        async for row in tracker.rows(known.newest - OVERLAP, tags):
            found.rows[row.path] = row
        return found

    async def _told(self, tracker: Tracker, found: Snapshot, note: Mapping[str, Any]) -> None:
        """Look at what a webhook told of."""
        for path in note.get("paths", ()):
            kind, _, number = path.partition("/")
            row = await tracker.row(kind, int(number))
            if row is None:
                found.rows.pop(path, None)
            else:
                found.rows[path] = row

    async def _document(self, tracker: Tracker, at: Snapshot, path: str) -> Change:
        row = at.rows.get(path)
        if row is None:
            return Delete(path)
        try:
            kept = await asyncio.to_thread(self._folder.thread, row) if self._options.export is None else None
            thread = kept or await tracker.thread(row)
            if thread is None:
                return Delete(path)
            if kept is None and self._options.export is None:
                await asyncio.to_thread(self._folder.keep_thread, row, thread)
            readers = self._options.readers
            # It may have become confidential since it was listed.
            acl = readers.confidential if thread.confidential else readers.of(row, at.project)
            document = await asyncio.to_thread(document_of, thread, row, at.project, self._source.source_id, acl)
        except InvalidInput as error:
            return Failure(path, str(error))
        if len(document.content) > self._max_file_bytes:
            return Skip(path, f"{len(document.content)} bytes, more than the {self._max_file_bytes} allowed")
        return Upsert(document)

    @contextlib.asynccontextmanager
    async def _open(self, name: str) -> AsyncIterator[Tracker]:
        options = self._options
        if options.export is not None:
            yield await asyncio.to_thread(Export, options.export)
            return
        web = WebClient(
            options.api, secret_headers=options.headers, allow_private=options.allow_private, limits=self._limits
        )
        async with web:
            yield (GitHub if options.service == GITHUB else GitLab)(web, name)
