"""Answering HTTP requests with models, without ray: what a deployment holds."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from ray_app.observer import Observer
from ray_app.problems import Refuse, Unauthorized, problem
from shirabe.errors import NotFound, Overloaded, ShirabeError, Timeout

Handler = Callable[[Request], Awaitable[Response]]

_RETRY_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path, and how its API family says errors. `open` routes need no key and are never refused."""

    handle: Handler
    refuse: Refuse = problem
    open: bool = False


Routes = Mapping[tuple[str, str], Route]


@dataclass(frozen=True, slots=True)
class Bounds:
    """`requests`: how many are taken at once, more are refused. `timeout_s`: how long one may take, seconds."""

    requests: int
    timeout_s: float


class Service:
    """Routes behind one door: the key, the number of requests at once, and the time one may take."""

    def __init__(
        self, routes: Routes, bounds: Bounds, api_key: SecretStr | None = None, observer: Observer | None = None
    ) -> None:
        """Take the handler of each (method, path); `api_key` is the bearer key that callers must show."""
        self._routes = routes
        self._observer = observer or Observer()
        self.bounds = bounds
        self._key = None if api_key is None else api_key.get_secret_value().encode()
        self._ongoing = 0

    async def answer(self, request: Request) -> Response:
        """Return the response to a request; errors are said in the shape of the path's API family."""
        path = request.url.path
        route = self._routes.get((request.method, path.rstrip("/") or "/"))
        refuse = problem if route is None else route.refuse
        try:
            if route is None:
                raise NotFound(f"nothing answers {request.method} {path}")
            if route.open:
                return await route.handle(request)
            self._check_key(request)
            return await self._bounded(route.handle, request)
        except ShirabeError as error:
            return refuse(error)

    def _check_key(self, request: Request) -> None:
        if self._key is None:
            return
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        # The comparison takes the same time wherever the two differ.
        if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode("latin-1"), self._key):
            raise Unauthorized("show the server's key as `Authorization: Bearer KEY`")

    async def _bounded(self, handle: Handler, request: Request) -> Response:
        if self._ongoing >= self.bounds.requests:
            self._observer.rejected()
            raise Overloaded(f"{self._ongoing} requests are being answered already", _RETRY_AFTER_S)
        self._ongoing += 1
        try:
            async with asyncio.timeout(self.bounds.timeout_s) as bound:
                return await handle(request)
        except TimeoutError:
            if not bound.expired():
                raise
            raise Timeout(f"not answered within {self.bounds.timeout_s:g} s") from None
        finally:
            self._ongoing -= 1
