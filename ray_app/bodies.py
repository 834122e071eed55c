"""What the model server is asked over HTTP, checked and capped."""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from ray_app.problems import TooLarge
from ray_app.scheduler import Lane
from shirabe.errors import InvalidInput
from shirabe.types import Output, TextKind

MAX_TEXTS: Final = 1024
MAX_CHARS: Final = 4_000_000
# JSON may spell a character as a pair of \uXXXX.
MAX_BODY_BYTES: Final = MAX_CHARS * 12 + 65_536


class EncodeRequest(BaseModel):
    """The body of `POST /m3/encode`. The lane is the kind unless said otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: list[str] = Field(min_length=1)
    kind: TextKind
    outputs: frozenset[Output] = Field(min_length=1)
    lane: Lane | None = None


class RerankRequest(BaseModel):
    """The body of `POST /m3/rerank`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str
    passages: list[str] = Field(min_length=1)


_Body = TypeVar("_Body", bound=BaseModel)


async def read_encode(request: Request) -> EncodeRequest:
    """Return the checked body of an encode request.

    Raises: InvalidInput naming the field, TooLarge.
    """
    body = _parse(EncodeRequest, await _read(request))
    _check_size("texts", body.texts)
    return body


async def read_rerank(request: Request) -> RerankRequest:
    """Return the checked body of a rerank request.

    Raises: InvalidInput naming the field, TooLarge.
    """
    body = _parse(RerankRequest, await _read(request))
    _check_size("passages", body.passages)
    _check_size("query", [body.query])
    return body


async def _read(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _parse(kind: type[_Body], body: bytes) -> _Body:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(first["msg"], ".".join(map(str, first["loc"]))) from None


def _check_size(place: str, texts: list[str]) -> None:
    if len(texts) > MAX_TEXTS:
        raise TooLarge(f"{len(texts)} texts, at most {MAX_TEXTS} in one request", place)
    chars = sum(map(len, texts))
    if chars > MAX_CHARS:
        raise TooLarge(f"{chars} characters, at most {MAX_CHARS} in one request", place)
