"""POST /v1/search, and POST /v1/events: what was done with the hits."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from api.event_models import EventsAnswer, EventsRequest
from api.metrics import Metrics
from api.models import SearchAnswer, SearchRequest
from api.query_log import QueryLog
from shirabe.protocols import Searcher


def search_routes(search: Searcher, metrics: Metrics, queries: QueryLog) -> APIRouter:
    """Return the routes of searching."""
    routes = APIRouter(prefix="/v1", tags=["search"])

    @routes.post("/search", response_model_exclude_none=True)
    async def post_search(request: SearchRequest) -> SearchAnswer:
        """Search everything that is indexed and public."""
        query = request.to_query()
        result = await search.search(query)
        metrics.search(result)
        return SearchAnswer.of(result, queries.searched(query, result, request.client_id), explain=request.explain)

    @routes.post("/events", status_code=HTTPStatus.ACCEPTED)
    async def post_events(request: EventsRequest) -> EventsAnswer:
        """Keep what was done with the hits of a search, such as opening one."""
        return EventsAnswer(accepted=queries.happened(request.events))

    return routes
