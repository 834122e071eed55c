"""What the store takes and gives back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shirabe.types.document import Chunk, Document
from shirabe.types.embedding import Bytes, Embedding


@dataclass(frozen=True, slots=True)
class Record:
    """One chunk ready for the store: the chunk, its document's provenance, its embedding."""

    document: Document
    chunk: Chunk
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class Saved:
    """One chunk as it was written, with its document's provenance and ACL; `document` has no content."""

    document: Document
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class LegHit:
    """One row of one leg's ranking: rank is 1-based."""

    chunk_id: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One chunk as the store gives it back, with what reranking and display need.

    `apart`: it lies in the code index, and `bits` are of the model that built that one.
    """

    chunk: Chunk
    source_id: str
    path: str
    uri: str
    title: str
    revision: str
    updated_at: datetime
    version_key: str
    bits: Bytes | None = None
    highlights: tuple[str, ...] = ()
    apart: bool = False
