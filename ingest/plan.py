"""What is to be done with one document, and what a run did so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from ingest.collectors.selection import content_digest
from ingest.ledger_rows import Failed
from shirabe.errors import InvalidInput, Transient
from shirabe.protocols import Chunker
from shirabe.types import ABOVE, Chunk, Document, Failure, digest

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """One document to write, or to take out when `document` is None; `held`: its chunk ids that may be in the index."""

    path: str
    doc_id: str
    document: Document | None
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One document cut into chunks, or None and no chunks when it goes; `orphans` are the chunk ids that must go.

    `facts` is what `facts_of` says of the document as its collector gave it.
    """

    path: str
    doc_id: str
    document: Document | None
    content_hash: str
    chunks: tuple[Chunk, ...]
    orphans: tuple[str, ...]
    facts: str = ""


@dataclass(slots=True)
class Tally:
    """What a run did so far: `seen` changes read of `total` expected, then documents and chunks as named."""

    seen: int = 0
    total: int = 0
    documents: int = 0
    deleted: int = 0
    skipped: int = 0
    chunks: int = 0
    chunks_deleted: int = 0
    failures: list[Failure] = field(default_factory=list)
    warnings: list[Failure] = field(default_factory=list)


async def cut(work: Work, chunker: Chunker) -> Plan:
    """Return the plan for a document. Raises: InvalidInput with the place in the file."""
    [plan] = await _cut_all([work], chunker)
    return plan


async def cut_each(works: Sequence[Work], chunker: Chunker, stamp: str) -> list[Plan | Failed]:
    """Return each document's plan, or why there is none. Raises: Transient errors only."""
    try:
        return list(await _cut_all(works, chunker))
    except Transient:
        raise
    except Exception:  # each alone then: the others are not to pay for the one
        return [await cut_or_fail(work, chunker, stamp) for work in works]


async def _cut_all(works: Sequence[Work], chunker: Chunker) -> list[Plan]:
    chunks = iter(await chunker.chunk([work.document for work in works if work.document is not None]))
    return [_plan(work, work.document, next(chunks) if work.document is not None else ()) for work in works]


def _plan(work: Work, document: Document | None, chunks: Sequence[Chunk]) -> Plan:
    if document is None:
        return Plan(work.path, work.doc_id, None, "", (), work.held)
    title = document.title or (str(chunks[0].meta.get("title", "")) if chunks else "")
    return Plan(
        path=work.path,
        doc_id=work.doc_id,
        # The store needs where it came from and not its bytes, which would wait in the queues.
        document=dataclasses.replace(document, title=title or document.path, content=b""),
        content_hash=content_digest(document.content),
        chunks=tuple(chunks),
        orphans=tuple(sorted(set(work.held) - {chunk.chunk_id for chunk in chunks})),
        facts=facts_of(document),
    )


async def cut_or_fail(work: Work, chunker: Chunker, stamp: str) -> Plan | Failed:
    """Return the plan for a document, or why there is none. Raises: Transient errors only."""
    try:
        return await cut(work, chunker)
    except Transient:
        raise
    except InvalidInput as error:
        reason = str(error)
    except Exception as error:  # a hostile document must not end the run of the others: its failure is reported
        _log.exception("chunker_failed", path=work.path)
        reason = f"{type(error).__name__} while it was cut into chunks"
    if work.document is None:
        raise AssertionError("taking a document out cuts nothing")
    return Failed(work.path, reason, work.document.revision, fingerprint(work.document, stamp))


def fingerprint(document: Document, stamp: str) -> str:
    """Return what names a document's content and all else that decides what is written of it."""
    return fingerprint_of(content_digest(document.content), facts_of(document), stamp)


def fingerprint_of(content_hash: str, facts: str, stamp: str) -> str:
    """Return the same of a document whose content and facts are known by their hashes."""
    return digest(content_hash, stamped(stamp, facts))


def facts_of(document: Document) -> str:
    """Return what names all that is written of a document beside its content: who may see it, what it is called, where.

    The revision is taken out of the address: that the rest of a repository moved on changes no document of it.
    """
    uri = document.uri.replace(document.revision, "") if document.revision else document.uri
    above = document.meta.get(ABOVE, ())
    return digest(document.title, uri, str(document.acl.public), *sorted(document.acl.principals), "above", *above)


def stamped(stamp: str, facts: str) -> str:
    """Return the stamp of one document: what its run and its own facts decide of what is written."""
    return digest("document", stamp, facts)
