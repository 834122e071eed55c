"""A document, its chunks, and who may see them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

ABOVE: Final = "above"
"""In a document's `meta`: the titles of what it lies under in its source, outermost first; part of its heading path."""


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
