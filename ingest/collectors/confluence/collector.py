"""The Confluence collector: documents are pages and blog posts, each with its comments, and the files at them.

A cursor is the digest of a snapshot, which says of everything its version, its place and who may see it; a change is
what differs between two. Words are read only of what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from ingest.collectors.confluence.api import Api
from ingest.collectors.confluence.cloud import Cloud
from ingest.collectors.confluence.data_center import DataCenter
from ingest.collectors.confluence.documents import Documents
from ingest.collectors.confluence.look import Look
from ingest.collectors.confluence.options import Options
from ingest.collectors.confluence.snapshot import Snapshot, SnapshotFolder, snapshot_folder
from ingest.collectors.snapshot_collector import Read, SnapshotCollector, utc_now
from ingest.collectors.web import WebClient, WebLimits
from shirabe.types import Cursor, Source

_READ_AHEAD: Final = 4
# A list of a hundred rows, or the body of a page, in JSON.
_MAX_ANSWER_BYTES: Final = 32_000_000


class ConfluenceCollector(SnapshotCollector[Snapshot]):
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
        super().__init__(self._folder, "Confluence source", _READ_AHEAD)
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

    def _digests(self, found: Snapshot) -> Mapping[str, str]:
        return found.digests()

    @contextlib.asynccontextmanager
    async def _reading(self, found: Snapshot) -> AsyncIterator[Read]:
        async with self._open() as api:
            options = self._options
            yield Documents(api, found, self._source, options.base_url, self._max_file_bytes, cloud=options.cloud).read

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
