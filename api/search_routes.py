"""POST /v1/search."""

from __future__ import annotations

from fastapi import APIRouter

from api.metrics import Metrics
from api.models import SearchAnswer, SearchRequest
from shirabe.protocols import Searcher


def search_routes(search: Searcher, metrics: Metrics) -> APIRouter:
    """Return the routes of searching."""
    routes = APIRouter(prefix="/v1", tags=["search"])

    @routes.post("/search", response_model_exclude_none=True)
    async def post_search(request: SearchRequest) -> SearchAnswer:
        """Search everything that is indexed and public."""
        result = await search.search(request.to_query())
        metrics.search(result)
        return SearchAnswer.of(result, explain=request.explain)

    return routes
