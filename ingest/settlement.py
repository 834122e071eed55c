"""The ledger's side of a run: what is about to be written is intended, what the index acknowledged is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from ingest.batch import Batch, Written
from ingest.ledger import Ledger
from ingest.ledger_rows import Failed, Settled
from ingest.plan import Tally, Work, fingerprint_of, stamped
from shirabe.types import Document, Failure

Intent = tuple[str, str, list[str]]
"""A document's path and id, and the ids of its chunks that are about to be written."""


class Settlement:
    """Settles documents of one scope, counting into `tally`: each one once every part of it was acknowledged.

    `touched` are the paths of every document that was begun.
    """

    def __init__(self, ledger: Ledger, scope: int, stamp: str, tally: Tally) -> None:
        self._ledger = ledger
        self._scope = scope
        self._stamp = stamp
        self._tally = tally
        self._begun: set[str] = set()
        self.touched: set[str] = set()
        self._parts: dict[str, list[Written]] = {}

    @property
    def open(self) -> int:
        """How many documents were begun and are neither settled nor failed."""
        return len(self._begun)

    async def begin(self, path: str, doc_id: str, document: Document | None, *, known: bool = True) -> Work:
        """Return the work on a document that is to be written, or taken out when `document` is None.

        One that is not `known` to the ledger, settled or intended, holds no chunks.
        """
        held = await asyncio.to_thread(self._ledger.chunk_ids, self._scope, path) if known else ()
        self._begun.add(path)
        self.touched.add(path)
        return Work(path, doc_id, document, tuple(sorted(held)))

    async def intend(self, intents: Iterable[Intent]) -> None:
        """Record what is about to be written, before the index is touched."""
        await asyncio.to_thread(self._ledger.intend, self._scope, list(intents))

    async def acknowledge(self, parts: Sequence[Written]) -> list[str]:
        """Take what was written, and return the paths of the documents that are done with it."""
        done = [whole for part in parts if (whole := self._joined(part))]
        kept = [whole for whole in done if not any(part.refused for part in whole)]
        settled = [_settled(whole, self._stamp) for whole in kept if whole[0].revision is not None]
        gone = [whole[0].path for whole in kept if whole[0].revision is None]
        failed = [_failed(whole) for whole in done if any(part.refused for part in whole)]
        failed += [_in_part(whole, self._stamp) for whole in kept if any(part.errors for part in whole)]
        await asyncio.to_thread(self._ledger.settle, self._scope, settled, gone, failed)
        self._begun -= {whole[0].path for whole in done}
        self._tally.documents += len(settled)
        self._tally.deleted += len(gone)
        self._tally.failures += [Failure(item.path, item.reason, item.revision) for item in failed]
        for part in (part for whole in done for part in whole):
            self._tally.warnings += [Failure(part.path, words, part.revision or "") for words in part.warnings]
            self._tally.chunks += len(part.chunks.keys() - part.refused.keys())
            self._tally.chunks_deleted += len(set(part.orphans) - part.refused.keys())
        return [whole[0].path for whole in done]

    async def fail(self, failed: Sequence[Failed]) -> None:
        """Record documents that cannot be indexed as they are."""
        await asyncio.to_thread(self._ledger.settle, self._scope, (), (), failed)
        self._begun -= {item.path for item in failed}
        self._tally.failures += [Failure(item.path, item.reason, item.revision) for item in failed]

    def _joined(self, part: Written) -> list[Written] | None:
        """Return all parts of a document when this one is the last to come, in whatever order they came."""
        parts = self._parts.setdefault(part.path, [])
        parts.append(part)
        last = next((item.number for item in parts if item.last), None)
        return self._parts.pop(part.path) if last is not None and len(parts) == last + 1 else None


def intents_of(batch: Batch) -> list[Intent]:
    """Return what must be intended before a batch is written."""
    return [(part.path, part.doc_id, [chunk.chunk_id for chunk in part.chunks]) for part in batch.parts]


def _settled(parts: Sequence[Written], stamp: str) -> Settled:
    first = parts[0]
    chunks = {name: content for part in parts for name, content in part.chunks.items()}
    mark = stamped(stamp, first.facts)
    return Settled(first.path, first.doc_id, first.content_hash, first.revision or "", mark, chunks, first.facts)


def _in_part(parts: Sequence[Written], stamp: str) -> Failed:
    """Return what is wrong with a document that is indexed; it is settled, and not tried again as it is."""
    first = parts[0]
    reason = "; ".join(words for part in parts for words in part.errors)
    mark = fingerprint_of(first.content_hash, first.facts, stamp)
    return Failed(first.path, f"indexed in part: {reason}", first.revision or "", mark)


def _failed(parts: Sequence[Written]) -> Failed:
    first = parts[0]
    refused = {name: reason for part in parts for name, reason in part.refused.items()}
    chunk_id, reason = next(iter(refused.items()))
    message = f"{len(refused)} chunks were refused, the first {chunk_id}: {reason}"
    return Failed(first.path, message, first.revision or "", retry=True)
