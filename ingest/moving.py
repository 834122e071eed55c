"""Code on its way between the first index and one of its own: chunk by chunk, each with its vectors made anew.

The ledger is not touched: it says which chunks are in the index, not in which of the two. Whatever ends a move, every
chunk is in one of them, and the move goes on when it is run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from ingest.cached_embedder import Counts
from ingest.copying import Copied
from ingest.locks import SourceLocks
from ingest.run import Parts
from shirabe.errors import PartialWrite, Unavailable
from shirabe.types import Record

MOVED: Final = 256
"""Chunks that are moved together."""
_LOCK_WAIT_S: Final = 600.0


class Origin(Protocol):
    """The part of a store that says what is to be moved out of it."""

    async def code_chunks(self, source_id: str) -> list[str]:
        """Return the ids of the chunks of code of a source."""


async def move_source(
    parts: Parts, origin: Origin, locks: SourceLocks, source_id: str, on_progress: Callable[[int, int], None]
) -> Copied:
    """Move the code of one source from `origin` to where `parts.store` writes it; its lock is held slice by slice.

    Raises: AlreadySyncing when a sync takes too long; Unavailable, Overloaded, Timeout.
    """
    async with locks.hold_briefly(source_id, _LOCK_WAIT_S):
        # Within the lock: who began to write before the other index was there has ended.
        await parts.store.refresh()
        names = await origin.code_chunks(source_id)
    done = Copied()
    for start in range(0, len(names), MOVED):
        part = names[start : start + MOVED]
        counts = Counts()
        # The slow part, embedding, is done before the lock is taken.
        await parts.models(counts).embed([row.chunk for row in await parts.store.saved(part)])
        async with locks.hold_briefly(source_id, _LOCK_WAIT_S):
            done += Copied(chunks=await move(parts, source_id, part), embedded=counts.embedded, cached=counts.cached)
        on_progress(done.chunks, len(names))
    return done


async def move(parts: Parts, source_id: str, chunk_ids: Sequence[str]) -> int:
    """Write these chunks of a source, whose lock is held, to where they belong; tell how many are still there.

    Raises: Unavailable, Overloaded, Timeout.
    """
    saved = await parts.store.saved(chunk_ids)
    embeddings = await parts.models(Counts()).embed([row.chunk for row in saved])
    records = [Record(row.document, row.chunk, vector) for row, vector in zip(saved, embeddings, strict=True)]
    async with _moving(parts, source_id) as version:
        try:
            await parts.store.write(records, [], version)
        except PartialWrite as error:
            raise Unavailable(f"not all of the code could be moved, run it again: {error}") from error
    return len(saved)


@asynccontextmanager
async def _moving(parts: Parts, source_id: str) -> AsyncIterator[int]:
    """Give the version of writes that move a source's code; the ledger has them as a run of their own."""
    scope = await parts.scope(source_id)
    run, version = await asyncio.to_thread(parts.ledger.begin_run, scope.scope)
    try:
        yield version
    finally:
        await asyncio.to_thread(parts.ledger.end_run, run, "moved")
