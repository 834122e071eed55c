"""Stored text from one index generation into another, by what the ledger says that the other lacks.

Nothing is read from a source. The caller holds the source's lock, so nothing is written meanwhile: what the ledger
says is so. Whatever ends a copy, the ledger still knows what is lacking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ingest.cached_embedder import Counts
from ingest.ledger_following import behind, doc_ids, held_of, take_over
from ingest.ledger_rows import Behind, Failed, Held
from ingest.plan import Plan
from ingest.run import Parts, Run, open_run, stamp_of
from shirabe.types import Document, Failure, Saved, Source

SLICE: Final = 64
"""Documents that are read from the store together."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did, in documents and chunks, and what it could not take over."""

    documents: int = 0
    deleted: int = 0
    chunks: int = 0
    embedded: int = 0
    cached: int = 0
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: Copied) -> Copied:
        return Copied(
            self.documents + other.documents,
            self.deleted + other.deleted,
            self.chunks + other.chunks,
            self.embedded + other.embedded,
            self.cached + other.cached,
            (*self.failures, *other.failures),
        )


async def lacking(leader: Parts, follower: Parts, source_id: str, path: str | None = None) -> Behind:
    """Return what the follower lacks of a source, or of one path of it. Raises: Unavailable."""
    there, here = await leader.scope(source_id), await follower.scope(source_id)
    chunks = leader.live.cuts_as(follower.live)
    return await asyncio.to_thread(behind, leader.ledger, there.scope, here.scope, chunks=chunks, path=path)


async def copy(
    leader: Parts, follower: Parts, source_id: str, source: Source | None, *, paths: Collection[str] | None = None
) -> Copied:
    """Bring the follower to what the leader has of a source, or of these paths of it.

    When nothing is lacking in the end the follower takes over the leader's cursor: its next sync goes on from there.

    Raises: Unavailable, Overloaded, Timeout, InvalidInput.
    """
    if paths is None:
        wanted = await lacking(leader, follower, source_id)
    elif len(paths) == 1:
        wanted = await lacking(leader, follower, source_id, *paths)
    else:
        wanted = (await lacking(leader, follower, source_id)).among(paths)
    if paths is not None and not len(wanted):
        return Copied()
    scope = (await leader.scope(source_id)).scope
    async with open_run(follower, source_id, source) as run:
        gone = await asyncio.to_thread(doc_ids, follower.ledger, run.scope.scope, set(wanted.gone))
        unsure = await asyncio.to_thread(doc_ids, follower.ledger, scope, set(wanted.unsure))
        # What a killed or refused write left over there is read from its source again, by whoever answers then.
        await run.settlement.intend([(path, doc_id, []) for path, doc_id in unsure.items()])
        await run.write(_plans(leader, run, scope, wanted.changed, gone), lambda: None)
        if paths is None and not (left := await lacking(leader, follower, source_id)).changed and not left.gone:
            await asyncio.to_thread(take_over, follower.ledger, scope, run.scope.scope)
            await run.finish(await _cursor(leader, source_id, source))
        else:
            await asyncio.to_thread(follower.ledger.end_run, run.number, "copied in part")
    counts, tally = run.counts, run.tally
    return Copied(tally.documents, tally.deleted, tally.chunks, counts.embedded, counts.cached, tuple(tally.failures))


async def warm(leader: Parts, follower: Parts, source_id: str, paths: Sequence[str]) -> Copied:
    """Have the cache know the follower's embeddings of what the leader holds at these paths.

    Nothing is written, and no lock is needed: what changes meanwhile is embedded when it is copied.

    Raises: what the embedder raises; Unavailable, Timeout.
    """
    scope = (await leader.scope(source_id)).scope
    held = await asyncio.to_thread(held_of, leader.ledger, scope, paths)
    saved = await leader.store.saved([name for item in held for name in item.chunks])
    counts = Counts()
    await follower.models(counts).embed([row.chunk for row in saved])
    return Copied(embedded=counts.embedded, cached=counts.cached)


async def _cursor(leader: Parts, source_id: str, source: Source | None) -> str | None:
    """Return the cursor that counts for what the leader holds; None when a run over there has not ended well."""
    scope = await leader.scope(source_id)
    return scope.cursor if scope.stamp == await stamp_of(leader, source) else None


async def _plans(
    leader: Parts, run: Run, scope: int, changed: Sequence[str], gone: dict[str, str]
) -> AsyncIterator[Plan]:
    for start in range(0, len(changed), SLICE):
        held = await asyncio.to_thread(held_of, leader.ledger, scope, changed[start : start + SLICE])
        rows = await leader.store.saved([name for item in held for name in item.chunks])
        saved = {row.chunk.chunk_id: row for row in rows}
        for item in held:
            if reason := _amiss(item, saved):
                await run.settlement.intend([(item.path, item.doc_id, [])])
                await run.settlement.fail([Failed(item.path, reason, item.revision, retry=True)])
                continue
            yield await _plan(run, item, [saved[name] for name in item.chunks])
    for path, doc_id in gone.items():
        work = await run.settlement.begin(path, doc_id, None)
        yield Plan(path, doc_id, None, "", (), work.held)


async def _plan(run: Run, item: Held, saved: Sequence[Saved]) -> Plan:
    document = saved[0].document if saved else _empty(run.source_id, item)
    work = await run.settlement.begin(item.path, item.doc_id, document)
    return Plan(
        path=item.path,
        doc_id=item.doc_id,
        document=document,
        content_hash=item.content_hash,
        chunks=tuple(row.chunk for row in saved),
        orphans=tuple(sorted(set(work.held) - item.chunks.keys())),
        facts=item.facts,
    )


def _amiss(item: Held, saved: dict[str, Saved]) -> str:
    """Return what is wrong with the stored text of a document, if anything is."""
    lost = [name for name in item.chunks if name not in saved]
    if lost:
        return f"{len(lost)} of its chunks are not in the index they were to be taken from"
    altered = [name for name, content in item.chunks.items() if saved[name].chunk.content_hash != content]
    return f"{len(altered)} of its chunks are not as they were indexed" if altered else ""


def _empty(source_id: str, item: Held) -> Document:
    """Return a document that has no chunk, of which nothing is stored."""
    return Document(
        *(item.doc_id, source_id, item.path, "", item.path, b"", "", item.revision, _EPOCH),
    )
