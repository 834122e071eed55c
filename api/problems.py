"""Errors as problem+json (RFC 9457): the one place where Shirabe's errors become HTTP."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from shirabe.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    PartialWrite,
    ShirabeError,
    Timeout,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
MAX_ERRORS = 20

_STATUS: tuple[tuple[type[ShirabeError], HTTPStatus, str], ...] = (
    (InvalidInput, HTTPStatus.BAD_REQUEST, "invalid-input"),
    (NotFound, HTTPStatus.NOT_FOUND, "not-found"),
    (Forbidden, HTTPStatus.FORBIDDEN, "forbidden"),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS, "overloaded"),
    (Timeout, HTTPStatus.GATEWAY_TIMEOUT, "timeout"),
    (Unavailable, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    (PartialWrite, HTTPStatus.BAD_GATEWAY, "partial-write"),
)

log = structlog.get_logger(__name__)


class FieldError(BaseModel):
    """One field that is wrong."""

    place: str
    message: str


class Problem(BaseModel):
    """An error, told as RFC 9457 has it."""

    type: str = Field(description="What went wrong, for programs", examples=["urn:shirabe:problem:invalid-input"])
    title: str
    status: int
    detail: str = Field(description="What went wrong, for people")
    instance: str = Field(description="This occurrence, as the log names it")
    place: str | None = Field(None, description="The field, file or place in a file that is wrong")
    errors: list[FieldError] | None = Field(None, description="Every field that is wrong")
    failed_ids: dict[str, str] | None = Field(None, description="What was not written, and why")
    missing: list[str] | None = Field(None, description="The parts that do not answer")


def problem(
    status: HTTPStatus,
    kind: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    instance: str = "",
    **extensions: Any,
) -> JSONResponse:
    """Return the response that tells of one problem; extensions that are None are left out."""
    body = Problem(
        type=f"urn:shirabe:problem:{kind}",
        title=status.phrase,
        status=status,
        detail=detail,
        instance=instance or new_instance(),
        **extensions,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, dict(headers or {}), MEDIA_TYPE)


def new_instance() -> str:
    """Return the name of one occurrence of a problem."""
    return f"urn:uuid:{uuid.uuid4()}"


def of_error(error: ShirabeError) -> JSONResponse:
    """Return the response that tells of one of Shirabe's errors."""
    status, kind = next(
        ((status, kind) for cls, status, kind in _STATUS if isinstance(error, cls)),
        (HTTPStatus.INTERNAL_SERVER_ERROR, "internal"),
    )
    headers = {}
    extensions: dict[str, Any] = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, InvalidInput) and error.place:
        extensions["place"] = error.place
    elif isinstance(error, PartialWrite):
        extensions["failed_ids"] = error.failed_ids
    return problem(status, kind, error.message, headers, **extensions)


def of_unknown(error: Exception) -> JSONResponse:
    """Return the response to an error that nobody foresaw: it tells nothing but where the log tells more."""
    instance = new_instance()
    log.error("a request failed", exc_info=error, instance=instance)
    detail = "something went wrong inside; the log says more under the name of this instance"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, instance=instance)


def install(app: FastAPI) -> None:
    """Make every error that an app knows a problem."""
    app.add_exception_handler(ShirabeError, _shirabe)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


async def _shirabe(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ShirabeError)  # noqa: S101 - registered for this type
    return of_error(error)


async def _validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    # A body that is no JSON comes with the offset it fails at where a field's name would be.
    errors = [
        FieldError(place=".".join(str(part) for part in item["loc"][1:]), message=str(item["msg"]))
        for item in error.errors()[:MAX_ERRORS]
    ]
    first = errors[0]
    detail = f"{first.place}: {first.message}" if first.place else first.message
    return problem(HTTPStatus.BAD_REQUEST, "invalid-input", detail, place=first.place or None, errors=errors)


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    status = HTTPStatus(error.status_code)
    # FastAPI answers 400 by itself where a body cannot be parsed at all.
    kind = "invalid-input" if status == HTTPStatus.BAD_REQUEST else status.phrase.lower().replace(" ", "-")
    return problem(status, kind, str(error.detail), error.headers)
