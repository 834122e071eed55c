"""Answering HTTP requests with a model, without ray: what a deployment holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from ray_app.problems import problem
from shirabe.errors import NotFound, ShirabeError

Handler = Callable[[Request], Awaitable[Response]]
Routes = Mapping[tuple[str, str], Handler]


class Service(Protocol):
    """A model behind routes. Built inside a running event loop."""

    @property
    def routes(self) -> Routes:
        """The handler of each (method, path)."""

    def check(self) -> None:
        """Raise when a stage of the model has died."""


async def answer(service: Service, request: Request) -> Response:
    """Return the response to a request; errors become problem+json."""
    try:
        handler = service.routes.get((request.method, request.url.path.rstrip("/")))
        if handler is None:
            raise NotFound(f"nothing answers {request.method} {request.url.path}")
        return await handler(request)
    except ShirabeError as error:
        return problem(error)
