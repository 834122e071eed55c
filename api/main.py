"""The composition root of the facade: routes over the parts it is given."""

from __future__ import annotations

import ipaddress

from fastapi import FastAPI

from api import openapi, problems
from api.document_routes import document_routes
from api.guard import LOOPBACK_NAMES, Guard
from api.health_routes import health_routes
from api.metrics import Metrics
from api.page_routes import page_routes
from api.query_log import QueryLog
from api.search_routes import search_routes
from api.server import ApiServer
from api.source_routes import source_routes
from shirabe import __version__
from shirabe.protocols import ActivityLog, Documents, Embedder, Searcher, Sources
from shirabe.settings import ApiSettings

__all__ = ["ApiServer", "create_app"]


def create_app(
    search: Searcher,
    store: Documents,
    embedder: Embedder,
    sources: Sources,
    settings: ApiSettings,
    activity: ActivityLog | None = None,
    code_embedder: Embedder | None = None,
) -> FastAPI:
    """Return the facade over its parts, which stay the caller's to open and close; without `activity` none is kept.

    `code_embedder` is what embeds code where it has an index of its own.
    """
    app = FastAPI(
        title="Shirabe",
        version=__version__,
        description="Search what a software team writes, in Japanese and English.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    metrics = Metrics(activity)
    problems.install(app)
    for routes in (
        search_routes(search, metrics, QueryLog(activity)),
        document_routes(store, sources),
        source_routes(sources),
        health_routes(store, embedder, sources, metrics, code_embedder),
        page_routes(),
    ):
        app.include_router(routes)
    openapi.publish(app)
    app.add_middleware(
        Guard,
        metrics=metrics,
        max_body_bytes=settings.max_body_bytes,
        hosts=LOOPBACK_NAMES if is_loopback(settings.host) else None,
    )
    return app


def is_loopback(host: str) -> bool:
    """Tell whether an address to bind is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
