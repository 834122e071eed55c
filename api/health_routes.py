"""What watches the facade: alive, ready, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from api.metrics import Metrics
from api.problems import RETRY_AFTER_S, problem
from api.source_metrics import source_exposition
from shirabe.errors import ShirabeError
from shirabe.protocols import Documents, Embedder, Sources

READY_TIMEOUT_S = 2.0


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


def health_routes(
    store: Documents, embedder: Embedder, sources: Sources, metrics: Metrics, code_embedder: Embedder | None = None
) -> APIRouter:
    """Return the routes of watching."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def get_healthz() -> Health:
        """Tell that the process is alive, whatever it depends on."""
        return Health()

    @routes.get("/readyz", response_model=Health)
    async def get_readyz() -> Health | Response:
        """Tell whether the search engine and the embedding models answer, and which does not."""
        asked: dict[str, Awaitable[object]] = {"store": store.generation(), "embedder": embedder.info()}
        if code_embedder is not None:
            asked["code-embedder"] = code_embedder.info()
        answers = await asyncio.gather(*map(_answers, asked.values()))
        missing = [part for part, answers_now in zip(asked, answers, strict=True) if not answers_now]
        if missing:
            return problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "unavailable",
                f"no answer from: {', '.join(missing)}",
                {"Retry-After": str(RETRY_AFTER_S)},
                missing=missing,
            )
        return Health()

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def get_metrics() -> Response:
        """Return the metrics in the Prometheus text format; without those of the sources while the store is gone."""
        text = metrics.exposition()
        with suppress(ShirabeError, TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT_S):
                text += source_exposition(await sources.list())
        return Response(text, media_type=metrics.content_type)

    return routes


async def _answers(asked: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await asked
    except (ShirabeError, TimeoutError):
        return False
    return True
