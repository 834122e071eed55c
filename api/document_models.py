"""The shapes of documents over REST: pushed, and as they are indexed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, Field

from api.models import PUBLIC, AclBody, Line, NonEmptyLine, SourceName, Strict
from api.source_models import SyncAnswer
from shirabe.types import Document, Stored, document_id

PUSHED = "pushed"


class DocumentRequest(Strict):
    """A document that is pushed rather than collected."""

    path: NonEmptyLine = Field(description="Its id in the source: pushed again, it replaces what was there")
    title: Line = Field("", description="Default: the path")
    text: str
    media_type: NonEmptyLine = Field("text/markdown", examples=["text/markdown", "text/x-python"])
    source: SourceName = PUSHED
    uri: Line = ""
    revision: Line = ""
    acl: AclBody = PUBLIC
    updated_at: AwareDatetime | None = Field(None, description="Default: now")

    def to_document(self) -> Document:
        """Return the document."""
        return Document(
            doc_id=document_id(self.source, self.path),
            source_id=self.source,
            path=self.path,
            uri=self.uri,
            title=self.title or self.path,
            content=self.text.encode("utf-8"),
            media_type=self.media_type,
            revision=self.revision,
            updated_at=(self.updated_at or datetime.now(UTC)).astimezone(UTC),
            acl=self.acl.to_acl(),
        )


class ChunkBody(BaseModel):
    """One chunk of a document."""

    chunk_id: str
    ordinal: int
    kind: str
    text: str
    context: str
    locator: str
    headings: list[str]
    lang: str


class DocumentAnswer(BaseModel):
    """A document as it is indexed."""

    doc_id: str
    title: str
    source: str
    path: str
    uri: str
    revision: str
    updated_at: datetime
    chunks: list[ChunkBody]

    @classmethod
    def of(cls, stored: list[Stored]) -> Self:
        """Return the body of a document from its chunks, one at least."""
        first = stored[0]
        chunks = [
            ChunkBody(
                chunk_id=item.chunk.chunk_id,
                ordinal=item.chunk.ordinal,
                kind=item.chunk.kind,
                text=item.chunk.text,
                context=item.chunk.context,
                locator=item.chunk.locator,
                headings=list(item.chunk.headings),
                lang=item.chunk.lang,
            )
            for item in stored
        ]
        return cls(
            doc_id=first.chunk.doc_id,
            title=first.title,
            source=first.source_id,
            path=first.path,
            uri=first.uri,
            revision=first.revision,
            updated_at=first.updated_at,
            chunks=chunks,
        )


class PutAnswer(SyncAnswer):
    """What pushing a document did."""

    doc_id: str
