"""What one sync has to do: a source's changes against what the ledger says was indexed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from ingest.collectors.selection import content_digest
from ingest.ledger import Ledger
from ingest.ledger_rows import Entry, Failed
from ingest.plan import Tally, Work, facts_of, fingerprint, stamped
from ingest.settlement import Settlement
from ingest.streams import closing
from shirabe.protocols import Collector
from shirabe.types import Change, Cursor, Delete, Document, Failure, Preview, Skip, Upsert


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of one scope. `stamp` names all that decides what is written but each document itself."""

    entries: Mapping[str, Entry]
    failures: Mapping[str, Failed]
    ahead: frozenset[str]
    stamp: str

    @property
    def unfinished(self) -> set[str]:
        """The paths that an earlier run left unfinished (killed, or refused).

        And those that it settled before it ended too early: what came and went since the cursor, or went and came back,
        is in no difference from the cursor.
        """
        return {path for path in self.entries.keys() | self.failures.keys() if self._is_unfinished(path)} | self.ahead

    def settles(self, document: Document) -> bool:
        """Tell whether nothing is to be done: indexed as it is, or known to fail as it is."""
        path = document.path
        if self._is_unfinished(path):
            return False
        if path in self.failures:
            return self.failures[path].fingerprint == fingerprint(document, self.stamp)
        entry = self.entries.get(path)
        return entry is not None and (entry.stamp, entry.content_hash) == (
            stamped(self.stamp, facts_of(document)),
            content_digest(document.content),
        )

    def _is_unfinished(self, path: str) -> bool:
        entry, failed = self.entries.get(path), self.failures.get(path)
        return (entry is not None and entry.pending) or (failed is not None and failed.retry)


async def known_of(ledger: Ledger, scope: int, stamp: str) -> Known:
    """Read what is indexed. Raises: Unavailable."""
    entries = await asyncio.to_thread(ledger.entries, scope)
    failures = await asyncio.to_thread(ledger.failures, scope)
    return Known(entries, failures, frozenset(await asyncio.to_thread(ledger.ahead, scope)), stamp)


async def changes_against(
    known: Known, collector: Collector, since: Cursor | None, until: Cursor
) -> AsyncIterator[Change]:
    """Yield what may differ from what is known.

    With `since` None everything is read, and what was not seen is a Delete. Otherwise the unfinished documents are read
    again besides the changes.
    """
    seen: set[str] = set()
    async with closing(collector.changes(since, until)) as changes:
        async for change in changes:
            seen.add(change.document.path if isinstance(change, Upsert) else change.path)
            yield change
    left = known.entries.keys() | known.failures.keys() if since is None else known.unfinished
    for path in sorted(left - seen):
        yield Delete(path) if since is None else await collector.get(path, until)


async def preview(known: Known, collector: Collector, source_id: str, since: Cursor | None, until: Cursor) -> Preview:
    """Return what a sync would do. Raises: what the collector raises."""
    write: list[str] = []
    delete: list[str] = []
    skipped: list[Skip] = []
    failures: list[Failure] = []
    async with closing(changes_against(known, collector, since, until)) as changes:
        async for change in changes:
            match change:
                case Upsert(document):
                    write += [] if known.settles(document) else [document.path]
                case Failure():
                    failures.append(change)
                case Skip(path) | Delete(path):
                    delete += [path] if path in known.entries else []
                    skipped += [change] if isinstance(change, Skip) else []
    return Preview(source_id, until.value, tuple(write), tuple(delete), tuple(skipped), tuple(failures))


class ChangePlanner:
    """Turns one source's changes into work."""

    def __init__(self, collector: Collector, ledger: Ledger, settlement: Settlement, scope: int, tally: Tally) -> None:
        self._collector = collector
        self._ledger = ledger
        self._settlement = settlement
        self._scope = scope
        self._tally = tally

    async def works(
        self, known: Known, since: Cursor | None, until: Cursor, on_progress: Callable[[], None]
    ) -> AsyncIterator[Work]:
        """Yield the documents to write and to take out, as `changes_against` finds them."""
        async with closing(changes_against(known, self._collector, since, until)) as changes:
            async for change in changes:
                if work := await self._work(known, change):
                    yield work
                on_progress()

    async def _work(self, known: Known, change: Change) -> Work | None:
        self._tally.seen += 1
        match change:
            case Upsert(document):
                if known.settles(document):
                    return None
                is_known = document.path in known.entries
                return await self._settlement.begin(document.path, document.doc_id, document, known=is_known)
            case Failure(path, reason, revision):
                await self._settlement.fail([Failed(path, reason, revision, retry=True)])
            case Skip(path) | Delete(path):
                self._tally.skipped += isinstance(change, Skip)
                if path in known.entries:
                    return await self._settlement.begin(path, known.entries[path].doc_id, None)
                if path in known.failures:
                    await asyncio.to_thread(self._ledger.settle, self._scope, (), (path,), ())
        return None
