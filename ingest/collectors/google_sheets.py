"""The Google Sheets collector: every visible sheet of one spreadsheet is a document, its cells laid down as JSON.

A cursor is the version that Drive gives the file: equal means that nothing changed. Different means that all sheets are
read, and the caller compares content hashes (`paths`); of a sheet that changed only the chunks that did are embedded.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from ingest.collectors.google_api import (
    DRIVE_URL,
    READS_PER_MINUTE,
    SHEETS_URL,
    DriveFile,
    GoogleClient,
    Sleep,
    quota_of,
)
from ingest.collectors.google_auth import google_access
from ingest.collectors.google_grid import GridParts, Tab, is_small, tabs_of
from ingest.collectors.selection import content_digest, text_option
from ingest.collectors.web import allow_private_option
from ingest.locations import spreadsheet_id_of
from ingest.media_types import GRID
from shirabe.errors import InvalidInput, NotFound
from shirabe.types import Change, Cursor, Delete, Document, Failure, Skip, Source, Upsert, document_id

_GONE: Final = Cursor("gone")


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The sheets of a spreadsheet as they were read at one version, by path."""

    version: str
    changes: Mapping[str, Change]


class GoogleSheetsCollector:
    """Reads one spreadsheet.

    Options: `service_account` or `access_token` (by reference), `requests_per_minute`, `sheets_url`, `drive_url`,
    `allow_private`.
    """

    def __init__(self, source: Source, max_file_bytes: int, sleep: Sleep = asyncio.sleep) -> None:
        found = spreadsheet_id_of(source.location)
        if found is None:
            raise InvalidInput("must be https://docs.google.com/spreadsheets/d/ID", "location")
        options = source.options
        self._source = source
        self._id = found
        self._max_bytes = max_file_bytes
        self._access = google_access(options, allow_private=allow_private_option(options))
        self._sheets_url = text_option(options, "sheets_url") or SHEETS_URL
        self._drive_url = text_option(options, "drive_url") or DRIVE_URL
        self._per_minute = _per_minute(options)
        self._sleep = sleep
        self._snapshot: _Snapshot | None = None
        self._was_there = False

    async def head(self) -> Cursor:
        """Return the file's version as it is now; a file in the trash, or no longer shared, has a cursor of its own.

        Raises: Forbidden, Unavailable, Overloaded, Timeout.
        """
        async with self._client() as google:
            file = await self._file(google)
        return Cursor(file.version) if file else _GONE

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether nothing changed since the cursor; no older state is kept."""
        # Who has a cursor has synced before.
        self._was_there = True
        return cursor == await self.head()

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return 0 if since == until else len((await self._read(until)).changes)

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield every sheet, or nothing when the cursors are equal.

        Raises: NotFound when there is no such spreadsheet and nothing was ever read of it.
        """
        if since == until:
            return
        for change in (await self._read(until)).changes.values():
            yield change

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every sheet's path and content hash."""
        changes = (await self._read(at)).changes
        return {
            path: content_digest(change.document.content)
            for path, change in changes.items()
            if isinstance(change, Upsert)
        }

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one sheet as it is now, or Delete when it is not there."""
        return (await self._read(at)).changes.get(path) or Delete(path)

    def _client(self) -> GoogleClient:
        quota = quota_of(self._sheets_url, self._access.account, self._per_minute)
        return GoogleClient(self._access, quota, self._sheets_url, self._drive_url, self._sleep)

    async def _file(self, google: GoogleClient) -> DriveFile | None:
        try:
            file = await google.file(self._id)
        except NotFound:
            return None
        return None if file.trashed else file

    async def _read(self, at: Cursor) -> _Snapshot:
        """Return the sheets at a cursor, or as they are by now: a spreadsheet has only its present state."""
        if self._snapshot is None or self._snapshot.version != at.value:
            async with self._client() as google:
                file = await self._file(google)
                if file is None and not self._was_there:
                    whom = f"shared with {self._access.account}" if self._access.account else "one that the token reads"
                    raise NotFound(f"there is no spreadsheet {self._id}, or it is not {whom}")
                changes = await self._sheets(google, file) if file else {}
            self._snapshot = _Snapshot(at.value, changes)
        return self._snapshot

    async def _sheets(self, google: GoogleClient, file: DriveFile) -> dict[str, Change]:
        answer = await google.tabs(self._id)
        title = str(answer.get("properties", {}).get("title", "")) or self._id
        changes: dict[str, Change] = {}
        for tabs in _together(tabs_of(answer)):
            for tab, parts in (await self._parts(google, tabs)).items():
                change = parts if isinstance(parts, Failure) else self._change(tab, parts, title, file)
                if change is not None:
                    changes[self._path(tab)] = change
        return changes

    async def _parts(self, google: GoogleClient, tabs: Sequence[Tab]) -> dict[Tab, GridParts | Failure]:
        """Read sheets that fit into one answer, or one that takes several."""
        found: dict[Tab, GridParts | Failure] = {tab: GridParts(tab.title) for tab in tabs}
        by_id = {tab.sheet_id: tab for tab in tabs}
        try:
            ranges = [one for tab in tabs for one in tab.ranges()]
            for wanted in [ranges] if len(tabs) > 1 else [[one] for one in ranges]:
                answer = await google.ranges(self._id, wanted)
                for sheet in answer.get("sheets", ()):
                    parts = found.get(by_id[int(sheet["properties"]["sheetId"])])
                    if isinstance(parts, GridParts):
                        parts.add(sheet)
        except InvalidInput as error:
            return {tab: Failure(self._path(tab), str(error)) for tab in tabs}
        return found

    def _change(self, tab: Tab, parts: GridParts, title: str, file: DriveFile) -> Change | None:
        """Return a sheet as a document; None for a blank one."""
        path, grid = self._path(tab), parts.grid()
        if not grid.cells:
            return None
        content = json.dumps(grid.plain(), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        if len(content) > self._max_bytes:
            return Skip(path, f"{len(content)} bytes, more than the {self._max_bytes} allowed")
        return Upsert(
            Document(
                doc_id=document_id(self._source.source_id, path),
                source_id=self._source.source_id,
                path=path,
                uri=f"https://docs.google.com/spreadsheets/d/{self._id}/edit#gid={tab.sheet_id}",
                title=title,
                content=content,
                media_type=GRID,
                revision=f"{file.modified}/{file.version}",
                updated_at=_moment(file.modified),
                acl=self._source.acl,
            )
        )

    def _path(self, tab: Tab) -> str:
        """Return a sheet's path: made of ids, which stay when it is renamed."""
        return f"{self._id}/{tab.sheet_id}"


def _together(tabs: Sequence[Tab]) -> list[list[Tab]]:
    """Return sheets in groups that fit into one answer each."""
    groups: list[list[Tab]] = []
    for tab in tabs:
        if groups and is_small([*groups[-1], tab]):
            groups[-1].append(tab)
        else:
            groups.append([tab])
    return groups


def _per_minute(options: Mapping[str, Any]) -> int:
    value = options.get("requests_per_minute", READS_PER_MINUTE)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        raise InvalidInput("must be a number from 1", "options.requests_per_minute")
    return value


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return datetime.now(UTC)
