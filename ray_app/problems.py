"""Errors as HTTP: the one place where `shirabe.errors` become problem+json (RFC 9457)."""

from __future__ import annotations

import json
import math

from starlette.responses import Response

from shirabe.errors import InvalidInput, NotFound, Overloaded, ShirabeError, Timeout


class TooLarge(InvalidInput):
    """The request is beyond a cap."""


_STATUSES: tuple[tuple[type[ShirabeError], int, str], ...] = (
    (TooLarge, 413, "Too large"),
    (InvalidInput, 400, "Invalid input"),
    (NotFound, 404, "Not found"),
    (Overloaded, 429, "Overloaded"),
    (Timeout, 504, "Timeout"),
    (ShirabeError, 503, "Unavailable"),
)


def problem(error: ShirabeError) -> Response:
    """Return the response that tells a client of an error."""
    status, title = next((status, title) for kind, status, title in _STATUSES if isinstance(error, kind))
    headers = {"Retry-After": str(math.ceil(error.retry_after_s))} if isinstance(error, Overloaded) else {}
    body: dict[str, str | int | float] = {"title": title, "status": status, "detail": error.message}
    if isinstance(error, InvalidInput) and error.place:
        body["place"] = error.place
    if isinstance(error, Overloaded):
        # The header knows whole seconds only.
        body["retry_after_s"] = error.retry_after_s
    return Response(json.dumps(body), status, headers, media_type="application/problem+json")
