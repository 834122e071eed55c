"""The words of Shirabe: frozen values, one type per stage of the two flows.

write: Document -> Chunk -> Embedding -> Record;  read: Query -> Candidate -> Hit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Bytes = npt.NDArray[np.uint8]

TextKind = Literal["query", "passage"]
Output = Literal["dense", "sparse", "tokens", "bits"]
Mode = Literal["hybrid", "dense", "sparse", "lexical", "code"]
Rerank = Literal["auto", "none", "late", "cross"]
SourceKind = Literal["git", "openapi", "markdown", "sheet", "confluence", "issues", "glossary"]


def digest(*parts: str | bytes) -> str:
    """Return 32 hex digits of a BLAKE2b over length-prefixed parts (no two lists collide by joining)."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def document_id(source_id: str, native_id: str) -> str:
    """Return the id of a document: a function of its source and the id it has there, nothing else."""
    return digest("document", source_id, native_id)


def chunk_id(doc_id: str, ordinal: int) -> str:
    """Return the id of a document's chunk number `ordinal` (0-based)."""
    return f"{doc_id}-{ordinal:05d}"


@dataclass(frozen=True, slots=True)
class Acl:
    """Who may see a document: everyone when `public`, else the named principals. The default is nobody."""

    public: bool = False
    principals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the names an `Acl` may list. The default sees only what is public."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What a collector yields: one document as it was at one revision of its source."""

    doc_id: str
    source_id: str
    path: str
    uri: str
    title: str
    content: bytes
    media_type: str
    revision: str
    updated_at: datetime
    acl: Acl = Acl()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.updated_at.tzinfo is None or self.updated_at.utcoffset() != UTC.utcoffset(None):
            raise ValueError(f"updated_at must be aware UTC, got {self.updated_at!r}")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A structure-true unit of a document.

    `text` is what is shown; `context` (title, heading path, symbol scope) is embedded before it and shown apart.
    `locator` opens the unit at the document's revision. `meta` holds `start_line` and `end_line` (1-based, inclusive)
    where the source has lines.
    """

    chunk_id: str
    doc_id: str
    ordinal: int
    kind: str
    text: str
    context: str
    locator: str
    headings: tuple[str, ...]
    lang: str
    content_hash: str
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def embedded_text(self) -> str:
        """The text the model sees."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def make_chunk(
    document: Document,
    ordinal: int,
    *,
    kind: str,
    text: str,
    locator: str,
    lang: str,
    context: str = "",
    headings: tuple[str, ...] = (),
    meta: Mapping[str, Any] | None = None,
) -> Chunk:
    """Build a chunk with its deterministic id and content hash."""
    return Chunk(
        chunk_id=chunk_id(document.doc_id, ordinal),
        doc_id=document.doc_id,
        ordinal=ordinal,
        kind=kind,
        text=text,
        context=context,
        locator=locator,
        headings=headings,
        lang=lang,
        content_hash=digest("chunk", kind, context, text),
        meta=dict(meta or {}),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What the model says of one text; absent parts are None.

    dense: float32 (dim,), L2 norm 1. sparse: {token id: weight > 0}, max per id, special tokens dropped.
    tokens: float16 (n, dim), each row L2 norm 1, CLS and padding removed. bits: uint8 (n, dim / 8), the signs of
    `tokens` packed big-endian (`numpy.packbits`), 1 where the value is > 0.
    """

    dense: Floats | None = None
    sparse: Mapping[int, float] | None = None
    tokens: Halves | None = None
    bits: Bytes | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What identifies a model wherever its vectors are kept.

    `name` and `revision` together name the vector space; `dim` is the dense width, `max_tokens` the longest input.
    """

    name: str
    revision: str
    dim: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Record:
    """One chunk ready for the store: the chunk, its document's provenance, its embedding."""

    document: Document
    chunk: Chunk
    embedding: Embedding


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked. `filters` maps a filterable field to the values allowed for it (any of them)."""

    text: str
    top_k: int = 10
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mode: Mode = "hybrid"
    rerank: Rerank = "auto"
    principal: Principal = Principal()
    explain: bool = False


@dataclass(frozen=True, slots=True)
class LegHit:
    """One row of one leg's ranking: rank is 1-based."""

    chunk_id: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One chunk as the store gives it back, with what reranking and display need."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """One answer. `legs` maps a leg or stage to its (rank, score); scores of two stages are not comparable."""

    stored: Stored
    score: float
    rank: int
    legs: Mapping[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search returns: hits, stage times in milliseconds, and the parts that were missing."""

    hits: tuple[Hit, ...]
    took_ms: float
    stages_ms: Mapping[str, float]
    generation: str
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Upsert:
    """A document that is new or changed."""

    document: Document


@dataclass(frozen=True, slots=True)
class Delete:
    """A document that is gone, by its path (native id) in the source. A rename is a Delete and an Upsert."""

    path: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be read; the rest of the run goes on."""

    path: str
    reason: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A document that is left out on purpose (binary, too large, link out of the tree): whatever was indexed goes."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a collector stood. `value` means something only to the collector that wrote it."""

    value: str


Change = Upsert | Delete | Failure | Skip


@dataclass(frozen=True, slots=True)
class Source:
    """A configured source. `source_id` is the user's name for it."""

    source_id: str
    kind: SourceKind
    location: str
    acl: Acl = Acl(public=True)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one sync did. Counts are documents or chunks as named; `duration_s` is wall time in seconds."""

    source_id: str
    revision: str
    documents: int = 0
    deleted: int = 0
    skipped: int = 0
    chunks: int = 0
    chunks_deleted: int = 0
    embedded: int = 0
    cached: int = 0
    failures: tuple[Failure, ...] = ()
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Drift:
    """How the index differs from the source, by document path."""

    source_id: str
    revision: str
    documents: int = 0
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source stands. Times are aware UTC; `lag_s` is seconds since the last successful sync."""

    source: Source
    documents: int
    chunks: int
    revision: str
    last_sync: datetime | None
    lag_s: float | None
    failures: tuple[Failure, ...] = field(default=())
    syncing: bool = False
