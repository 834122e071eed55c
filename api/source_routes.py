"""The configured sources: list, add, sync, drift."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.source_models import DriftAnswer, SourceAnswer, SourceBody, SourceList, SourceRequest, SyncAnswer
from shirabe.protocols import Sources


def source_routes(sources: Sources) -> APIRouter:
    """Return the routes of sources."""
    routes = APIRouter(prefix="/v1/sources", tags=["sources"])

    @routes.get("")
    async def get_sources() -> SourceList:
        """Return every source and how it stands."""
        return SourceList(sources=[SourceAnswer.of_status(status) for status in await sources.list()])

    @routes.post("", status_code=HTTPStatus.CREATED)
    async def post_source(request: SourceRequest) -> SourceBody:
        """Configure a source; it is read at its first sync."""
        source = request.to_source()
        await sources.add(source)
        return SourceBody.of(source)

    @routes.post("/{name}/sync")
    async def sync_source(name: str, full: bool = False) -> SyncAnswer:
        """Bring a source up to date; `full` reads everything again."""
        return SyncAnswer.of(await sources.sync(name, full=full))

    @routes.post("/{name}/webhook", status_code=HTTPStatus.ACCEPTED, response_class=Response)
    async def post_webhook(name: str, request: Request) -> Response:
        """Take the signed webhook of the service that a source lies in: the source is looked at again at once.

        The body is the service's own. Signed as GitHub, GitLab, Gitea and Confluence Data Center do.
        """
        await sources.notify(name, request.headers, await request.body())
        return Response(status_code=HTTPStatus.ACCEPTED)

    @routes.get("/{name}/drift")
    async def get_drift(name: str) -> DriftAnswer:
        """Tell how the index differs from the source as it is now."""
        return DriftAnswer.of(await sources.drift(name))

    return routes
