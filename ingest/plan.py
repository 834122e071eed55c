"""What is to be done with one document, and what a run did so far."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field

from ingest.collectors.selection import content_digest
from ingest.ledger import Ledger
from shirabe.protocols import Chunker
from shirabe.types import Chunk, Document, Failure


@dataclass(slots=True)
class Plan:
    """One document to write, or to remove when `document` is None; `orphans` are the chunk ids that must go.

    `batches` counts the bulks it still waits for and `closed` says that no more come; `refused` maps a chunk id to the
    index's reason.
    """

    path: str
    doc_id: str
    document: Document | None
    content_hash: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    batches: int = 0
    closed: bool = False
    refused: dict[str, str] = field(default_factory=dict)


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


class DocumentPlanner:
    """Plans single documents of one scope of the ledger."""

    def __init__(self, chunker: Chunker, ledger: Ledger, scope: int) -> None:
        self._chunker = chunker
        self._ledger = ledger
        self._scope = scope

    async def write(self, document: Document) -> Plan:
        """Return the plan that writes a document. Raises: InvalidInput with the place in the file."""
        [chunks] = await self._chunker.chunk([document])
        title = document.title or (str(chunks[0].meta.get("title", "")) if chunks else "")
        old = await asyncio.to_thread(self._ledger.chunk_ids, self._scope, document.path)
        return Plan(
            path=document.path,
            doc_id=document.doc_id,
            # The store needs where it came from and not its bytes, which would wait in the queues.
            document=dataclasses.replace(document, title=title or document.path, content=b""),
            content_hash=content_digest(document.content),
            chunks=chunks,
            orphans=sorted(old - {chunk.chunk_id for chunk in chunks}),
        )

    async def remove(self, path: str, doc_id: str) -> Plan:
        """Return the plan that takes a document out."""
        old = await asyncio.to_thread(self._ledger.chunk_ids, self._scope, path)
        return Plan(path, doc_id, None, orphans=sorted(old))
