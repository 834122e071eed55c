"""What one sync has to do: a source's changes against what the ledger says was indexed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from ingest.collectors.selection import content_digest
from ingest.ledger import Entry, Failed, Ledger
from ingest.plan import Tally, Work, fingerprint
from ingest.settlement import Settlement
from ingest.streams import closing
from shirabe.protocols import Collector
from shirabe.types import Change, Cursor, Delete, Document, Failure, Skip, Upsert


class ChangePlanner:
    """Finds one source's work. `stamp` names all but the content that decides what is written."""

    def __init__(
        self, collector: Collector, ledger: Ledger, settlement: Settlement, scope: int, stamp: str, tally: Tally
    ) -> None:
        self._collector = collector
        self._ledger = ledger
        self._settlement = settlement
        self._scope = scope
        self._stamp = stamp
        self._tally = tally
        self._entries: Mapping[str, Entry] = {}
        self._failures: Mapping[str, Failed] = {}

    async def load(self) -> set[str]:
        """Read what is indexed, and return the paths that an earlier run left unfinished (killed, or refused)."""
        self._entries = await asyncio.to_thread(self._ledger.entries, self._scope)
        self._failures = await asyncio.to_thread(self._ledger.failures, self._scope)
        return {path for path in self._entries.keys() | self._failures.keys() if self._is_unfinished(path)}

    async def works(self, since: Cursor | None, until: Cursor, on_progress: Callable[[], None]) -> AsyncIterator[Work]:
        """Yield the documents to write and to take out.

        With `since` None everything is read, what is as it was indexed is passed over, and what was not seen goes.
        Otherwise the unfinished documents are read again besides the changes.
        """
        unfinished = await self.load()
        seen: set[str] = set()
        async with closing(self._collector.changes(since, until)) as changes:
            async for change in changes:
                seen.add(change.document.path if isinstance(change, Upsert) else change.path)
                if work := await self._work(change):
                    yield work
                on_progress()
        left = self._entries.keys() | self._failures.keys() if since is None else unfinished
        for path in sorted(left - seen):
            change = Delete(path) if since is None else await self._collector.get(path, until)
            if work := await self._work(change):
                yield work

    async def _work(self, change: Change) -> Work | None:
        self._tally.seen += 1
        match change:
            case Upsert(document):
                return None if self._is_settled(document) else await self._begun(document.path, document)
            case Failure(path, reason, revision):
                await self._settlement.fail([Failed(path, reason, revision, retry=True)])
                return None
            case Skip(path) | Delete(path):
                self._tally.skipped += isinstance(change, Skip)
                if path in self._entries:
                    return await self._begun(path, None)
                if path in self._failures:
                    await asyncio.to_thread(self._ledger.settle, self._scope, (), (path,), ())
                return None

    async def _begun(self, path: str, document: Document | None) -> Work:
        doc_id = document.doc_id if document is not None else self._entries[path].doc_id
        return await self._settlement.begin(path, doc_id, document)

    def _is_settled(self, document: Document) -> bool:
        """Tell whether nothing is to be done: indexed as it is, or known to fail as it is."""
        path = document.path
        if self._is_unfinished(path):
            return False
        if path in self._failures:
            return self._failures[path].fingerprint == fingerprint(document, self._stamp)
        entry = self._entries.get(path)
        return entry is not None and (entry.stamp, entry.content_hash) == (
            self._stamp,
            content_digest(document.content),
        )

    def _is_unfinished(self, path: str) -> bool:
        entry, failed = self._entries.get(path), self._failures.get(path)
        return (entry is not None and entry.pending) or (failed is not None and failed.retry)
