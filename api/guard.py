"""What stands before every route: names of the host, origin, size of the body, security headers, counting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import of_unknown, problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
BODY_TIMEOUT_S = 30.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE | {"POST", "PUT", "DELETE", "PATCH"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware, outside everything else.

    A page of another site can make a browser send requests here. They come to nothing when the host they name must be
    ours (DNS rebinding), what changes something must come from our own origin, and no answer is shared across origins.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, max_body_bytes: int, hosts: Collection[str] | None = None
    ) -> None:
        """Take the names a request may use for this host; None: any, for what is bound beyond loopback on purpose."""
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is None:
                refusal, receive = await self._bounded(scope, receive)
            await (refusal or self._app)(scope, receive, send_guarded)
        except Exception as error:
            if started:
                raise
            await of_unknown(error)(scope, receive, send_guarded)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.request(method, route, status, time.perf_counter() - began)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            return problem(HTTPStatus.MISDIRECTED_REQUEST, "misdirected-request", "the Host header names another host")
        if scope["method"] not in _SAFE:
            origin = headers.get("origin")
            foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
            if foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                return problem(HTTPStatus.FORBIDDEN, "forbidden", "requests from another site are refused")
        return None

    async def _bounded(self, scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
        """Read the body, whatever length it claims, and return how to read it again; or why it is refused."""
        body = bytearray()
        too_large = problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-large",
            f"the body is larger than {self._max_body_bytes} bytes",
            {"Connection": "close"},
        )
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            return too_large, receive
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        break
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._max_body_bytes:
                        return too_large, receive
        except TimeoutError:
            headers = {"Connection": "close"}
            return problem(HTTPStatus.REQUEST_TIMEOUT, "timeout", "the body did not arrive in time", headers), receive
        return None, _replayed(bytes(body), receive)


def _replayed(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


def _name_of(host: str) -> str:
    """Return the name in a Host header, without the port and the brackets of IPv6."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
