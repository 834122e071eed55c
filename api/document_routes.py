"""GET, PUT and DELETE of /v1/documents."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from api.document_models import DocumentAnswer, DocumentRequest, PutAnswer
from api.source_models import SyncAnswer
from shirabe.errors import NotFound
from shirabe.protocols import Documents, Sources
from shirabe.types import Principal


def document_routes(store: Documents, sources: Sources) -> APIRouter:
    """Return the routes of documents."""
    routes = APIRouter(prefix="/v1/documents", tags=["documents"])

    @routes.get("/{doc_id}")
    async def get_document(doc_id: str) -> DocumentAnswer:
        """Return a document as it is indexed, if it is public."""
        stored = await store.document(doc_id, Principal())
        if not stored:
            raise NotFound("there is no such document")
        return DocumentAnswer.of(stored)

    @routes.put("")
    async def put_document(request: DocumentRequest) -> PutAnswer:
        """Index a document, in place of what was pushed at the same path before."""
        document = request.to_document()
        report = await sources.put(document)
        return PutAnswer(doc_id=document.doc_id, **SyncAnswer.of(report).model_dump())

    @routes.delete("/{doc_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_document(doc_id: str) -> None:
        """Remove a pushed document."""
        await sources.delete(doc_id)

    return routes
