"""The record of each sync that operators read: what it did, how it ended, and how the source stands after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest.run import Parts
from shirabe.types import LoggedSync, Source

SUCCEEDED = "ok"


@dataclass(slots=True)
class Record:
    """What is still open of a record: `counts` tells what the run did so far, once there is one."""

    counts: Callable[[], Mapping[str, int]] = dict


@contextlib.asynccontextmanager
async def recorded(parts: Parts, source: Source) -> AsyncIterator[Record]:
    """Record a sync of a source, whether it succeeds or not. Raises: Unavailable when the index does not answer."""
    record = Record()
    if parts.activity is None:
        yield record
        return
    index_id, generation = await parts.store.identity(), await parts.store.generation()
    scope = (await asyncio.to_thread(parts.ledger.scope, source.source_id, index_id)).scope
    before = await asyncio.to_thread(parts.ledger.standing, scope)
    started = datetime.now(UTC)
    outcome = SUCCEEDED
    try:
        yield record
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        # Without a pause for others: a run that is cancelled leaves its record too.
        finished, counts, after = datetime.now(UTC), record.counts(), parts.ledger.standing(scope)
        parts.activity.record(
            LoggedSync(
                source=source.source_id,
                kind=source.kind,
                started=started,
                finished=finished,
                outcome=outcome,
                generation=generation,
                lag_s=None if before.last_sync is None else max(0.0, (finished - before.last_sync).total_seconds()),
                documents=counts.get("documents_written", 0),
                deleted=counts.get("documents_deleted", 0),
                failed=counts.get("documents_failed", 0),
                chunks=counts.get("chunks_written", 0),
                embedded=counts.get("chunks_embedded", 0),
                cached=counts.get("chunks_cached", 0),
                held={"documents": after.documents, "chunks": after.chunks, "failures": len(after.failures)},
            )
        )
