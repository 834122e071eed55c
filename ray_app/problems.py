"""Errors as HTTP: the one place where `shirabe.errors` become a status, headers and problem+json (RFC 9457)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.responses import Response

from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError, Timeout


class TooLarge(InvalidInput):
    """The request is beyond a cap."""


class TooLong(InvalidInput):
    """A text is longer than the model takes, and the caller wants none cut."""


class Unauthorized(Forbidden):
    """The bearer key is missing or wrong."""


# How an API family says an error.
Refuse = Callable[[ShirabeError], Response]
Statuses = Mapping[type[ShirabeError], tuple[int, str]]

# The first that fits counts, so what is special stands before what is general.
STATUSES: Final[Statuses] = {
    TooLarge: (413, "Too large"),
    TooLong: (413, "Too large"),
    InvalidInput: (400, "Invalid input"),
    Unauthorized: (401, "Unauthorized"),
    # A provider does not let the server in. No client sends again after it, and ours takes it for what it is.
    Forbidden: (403, "Forbidden"),
    NotFound: (404, "Not found"),
    Overloaded: (429, "Overloaded"),
    Timeout: (504, "Timeout"),
    ShirabeError: (503, "Unavailable"),
}


def statuses_with(changes: Statuses) -> Statuses:
    """Return the statuses of a family that says some errors in another way."""
    return {**changes, **{kind: said for kind, said in STATUSES.items() if kind not in changes}}


def status_of(error: ShirabeError, statuses: Statuses = STATUSES) -> tuple[int, str]:
    """Return the status and the title of an error."""
    return next(said for kind, said in statuses.items() if isinstance(error, kind))


def headers_of(error: ShirabeError) -> dict[str, str]:
    """Return the headers that go with an error, whatever the shape of the body."""
    if isinstance(error, Overloaded):
        return {
            "Retry-After": str(math.ceil(error.retry_after_s)),
            # OpenSearch 3.6 tries again on this header alone, not on the status.
            "x-amzn-ErrorType": "ThrottlingException",
        }
    if isinstance(error, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def problem(error: ShirabeError, statuses: Statuses = STATUSES, /, **extensions: str) -> Response:
    """Return the response that tells a client of an error; `extensions` are further members of the body."""
    status, title = status_of(error, statuses)
    body: dict[str, Any] = {"title": title, "status": status, "detail": error.message}
    if isinstance(error, InvalidInput) and error.place:
        body["place"] = error.place
    if isinstance(error, Overloaded):
        # The header knows whole seconds only.
        body["retry_after_s"] = error.retry_after_s
    return Response(json.dumps(body | extensions), status, headers_of(error), media_type="application/problem+json")
