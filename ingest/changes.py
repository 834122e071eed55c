"""What one sync has to do: a source's changes against what the ledger says was indexed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from ingest.collectors.selection import content_digest
from ingest.ledger import Entry, Failed, Ledger
from ingest.plan import DocumentPlanner, Plan, Tally
from ingest.streams import closing
from shirabe.errors import InvalidInput, Transient
from shirabe.protocols import Collector
from shirabe.types import Change, Cursor, Delete, Document, Failure, Skip, Upsert, digest

_log = structlog.get_logger(__name__)


class ChangePlanner:
    """Plans one source's changes. `stamp` names all but the content that decides what is written."""

    def __init__(
        self, collector: Collector, documents: DocumentPlanner, ledger: Ledger, scope: int, stamp: str, tally: Tally
    ) -> None:
        self._collector = collector
        self._documents = documents
        self._ledger = ledger
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

    async def plans(
        self, since: Cursor | None, until: Cursor, *, full: bool, on_progress: Callable[[], None]
    ) -> AsyncIterator[Plan]:
        """Yield the documents to write and to remove; `full` plans unchanged ones too.

        With `since` None everything is read, what is as it was indexed is passed over, and what was not seen goes.
        Otherwise the unfinished documents are read again besides the changes.
        """
        unfinished = await self.load()
        seen: set[str] = set()
        async with closing(self._collector.changes(since, until)) as changes:
            async for change in changes:
                seen.add(change.document.path if isinstance(change, Upsert) else change.path)
                if plan := await self._plan(change, full):
                    yield plan
                on_progress()
        left = self._entries.keys() | self._failures.keys() if since is None else unfinished
        for path in sorted(left - seen):
            change = Delete(path) if since is None else await self._collector.get(path, until)
            if plan := await self._plan(change, full):
                yield plan

    async def _plan(self, change: Change, full: bool) -> Plan | None:
        self._tally.seen += 1
        match change:
            case Upsert(document):
                return None if self._is_settled(document) and not full else await self._write(document)
            case Failure(path, reason, revision):
                await self._fail(Failed(path, reason, revision, retry=True))
                return None
            case Skip(path) | Delete(path):
                self._tally.skipped += isinstance(change, Skip)
                if path in self._entries:
                    return await self._documents.remove(path, self._entries[path].doc_id)
                if path in self._failures:
                    await asyncio.to_thread(self._ledger.settle, self._scope, (), (path,), ())
                return None

    async def _write(self, document: Document) -> Plan | None:
        try:
            return await self._documents.write(document)
        except Transient:
            raise
        except InvalidInput as error:
            reason = str(error)
        except Exception as error:  # a hostile document must not end the run of the others: its failure is reported
            _log.exception("chunker_failed", path=document.path, source=document.source_id)
            reason = f"{type(error).__name__} while it was cut into chunks"
        await self._fail(Failed(document.path, reason, document.revision, self._fingerprint(document)))
        return None

    async def _fail(self, failed: Failed) -> None:
        self._tally.failures.append(Failure(failed.path, failed.reason, failed.revision))
        await asyncio.to_thread(self._ledger.settle, self._scope, (), (), (failed,))

    def _is_settled(self, document: Document) -> bool:
        """Tell whether nothing is to be done: indexed as it is, or known to fail as it is."""
        path = document.path
        if self._is_unfinished(path):
            return False
        if path in self._failures:
            return self._failures[path].fingerprint == self._fingerprint(document)
        entry = self._entries.get(path)
        return entry is not None and (entry.stamp, entry.content_hash) == (
            self._stamp,
            content_digest(document.content),
        )

    def _is_unfinished(self, path: str) -> bool:
        entry, failed = self._entries.get(path), self._failures.get(path)
        return (entry is not None and entry.pending) or (failed is not None and failed.retry)

    def _fingerprint(self, document: Document) -> str:
        return digest(content_digest(document.content), self._stamp)
