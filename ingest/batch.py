"""Batches: what is embedded and written together. A document may lie in several, a batch may hold several documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.plan import Plan
from shirabe.types import Chunk, Document

MAX_DELETES: Final = 1_000
MAX_PARTS: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """What a batch holds of one plan. A plan's parts are numbered from 0, and the last one says so."""

    path: str
    doc_id: str
    document: Document | None
    content_hash: str
    number: int
    last: bool
    chunks: tuple[Chunk, ...]
    orphans: tuple[str, ...]
    facts: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Parts that are embedded and written together."""

    parts: tuple[Part, ...]

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks to embed and to write."""
        return [chunk for part in self.parts for chunk in part.chunks]

    @property
    def orphans(self) -> list[str]:
        """The chunk ids to delete."""
        return [name for part in self.parts for name in part.orphans]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a part: its chunks (id to content hash), its orphans, and the index's reason for each refusal.

    `errors` and `warnings` are what its chunker found wrong with the document, whose chunks are what could be read.
    """

    path: str
    doc_id: str
    revision: str | None
    content_hash: str
    number: int
    last: bool
    chunks: Mapping[str, str]
    orphans: tuple[str, ...]
    refused: Mapping[str, str]
    facts: str = ""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def told(chunks: Sequence[Chunk], what: str) -> tuple[str, ...]:
    """Return the `errors` or `warnings` of a document that its chunker put into the `meta` of its chunks."""
    return tuple(str(words) for chunk in chunks for words in chunk.meta.get(what, ()))


class Packer:
    """Packs plans into batches of at most `batch_chunks` chunks."""

    def __init__(self, batch_chunks: int) -> None:
        self._batch_chunks = batch_chunks
        self._parts: list[Part] = []
        self._chunks = 0
        self._orphans = 0

    def add(self, plan: Plan) -> Iterator[Batch]:
        """Take a plan, and yield the batches that are full. A plan without chunks has a part too."""
        chunks, orphans, number = plan.chunks, plan.orphans, 0
        while True:
            room = self._batch_chunks - self._chunks
            here, chunks = chunks[:room], chunks[room:]
            # What is new goes in before what is old goes out.
            room = 0 if chunks else MAX_DELETES - self._orphans
            gone, orphans = orphans[:room], orphans[room:]
            last = not chunks and not orphans
            whole = (plan.path, plan.doc_id, plan.document, plan.content_hash)
            self._parts.append(Part(*whole, number, last, here, gone, plan.facts))
            self._chunks += len(here)
            self._orphans += len(gone)
            full = self._chunks >= self._batch_chunks or len(self._parts) >= MAX_PARTS
            if full or self._orphans >= MAX_DELETES:
                yield from self.rest()
            if last:
                return
            number += 1

    def rest(self) -> Iterator[Batch]:
        """Yield what is left as the last batch, when there is anything."""
        if self._parts:
            batch = Batch(tuple(self._parts))
            self._parts, self._chunks, self._orphans = [], 0, 0
            yield batch
