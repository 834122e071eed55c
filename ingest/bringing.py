"""Bringing one source, or one pushed document, up to date in one index generation. The caller holds the lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ingest.changes import ChangePlanner, known_of
from ingest.ledger_rows import Scope
from ingest.plan import Plan, cut
from ingest.run import Parts, Run, open_run
from ingest.writing import How, Progress
from shirabe.errors import Unavailable
from shirabe.protocols import Collector
from shirabe.types import Cursor, Document


async def bring(run: Run, collector: Collector, until: Cursor, how: How) -> bool:
    """Bring a source's changes in; tell whether everything was read."""
    ledger, scope = run.parts.ledger, run.scope
    if how.full and scope.stamp:
        await asyncio.to_thread(ledger.outdate, scope.scope)
    known = await known_of(ledger, scope.scope, run.stamp)
    since = None
    if not how.full and not how.recheck:
        if _is_at(scope, run.stamp, until) and not known.unfinished:
            return False
        since = await since_of(scope, run.stamp, collector)
    planner = ChangePlanner(collector, ledger, run.settlement, scope.scope, run.tally)

    def report() -> None:
        if how.progress is not None:
            counts, tally = run.counts, run.tally
            done, total = tally.seen - run.settlement.open, max(tally.total, tally.seen)
            how.progress(Progress(done, total, tally.chunks, counts.embedded, counts.cached))

    if how.progress is not None:
        run.tally.total = await collector.count(since, until)
    await how.writer(run, planner.works(known, since, until, report), report)
    if how.full or not scope.stamp:
        # A ledger that was lost, or an index that was restored: what nobody knows is nobody's.
        settled = await asyncio.to_thread(ledger.chunks, scope.scope)
        await run.sweep(settled.keys() | await asyncio.to_thread(ledger.intended, scope.scope))
    return since is None


async def since_of(scope: Scope, stamp: str, collector: Collector) -> Cursor | None:
    """Return the cursor that changes count from; None: everything is to be read."""
    if scope.cursor is None or scope.stamp != stamp or not await collector.knows(Cursor(scope.cursor)):
        return None
    return Cursor(scope.cursor)


async def write_pushed(parts: Parts, source_id: str, path: str, doc_id: str, document: Document | None) -> Run:
    """Write a pushed document, or take it out when `document` is None.

    Raises: InvalidInput; Unavailable also when the index refuses a part of it; Overloaded, Timeout.
    """
    async with open_run(parts, source_id, None) as run:
        plan = await cut(await run.settlement.begin(path, doc_id, document), parts.chunker)
        await run.write(_only(plan), lambda: None)
        if run.tally.failures:
            raise Unavailable(run.tally.failures[0].reason)
        await run.finish("")
    return run


async def _only(plan: Plan) -> AsyncIterator[Plan]:
    yield plan


def _is_at(scope: Scope, stamp: str, until: Cursor) -> bool:
    return scope.cursor == until.value and scope.stamp == stamp
