"""What the model server is asked over HTTP: bodies read with a cap, and parsed; what every family's bodies share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from ray_app.problems import TooLarge
from shirabe.errors import InvalidInput

# As many as OpenAI takes in one request, so that its clients need no other batch size.
MAX_TEXTS: Final = 2048
MAX_CHARS: Final = 4_000_000
# Four bytes a character, and room for a few that JSON spells as \uXXXX.
MAX_BODY_BYTES: Final = MAX_CHARS * 4 + 65_536
# What the token vectors of one answer may take, bytes of float16.
MAX_TOKEN_VECTOR_BYTES: Final = 256 * 1024 * 1024


def _as_list(value: Any) -> Any:
    """Take one text for a list of one, and say what is wrong with token ids."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and isinstance(value[0], int | list):
        raise PydanticCustomError(
            "token_ids", "token ids belong to the vocabulary of another tokenizer; send the text itself"
        )
    return value


Texts = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1)]


class Body(BaseModel):
    """A body in another system's shape: what it has beyond our fields is ignored, as those systems do."""

    model_config = ConfigDict(frozen=True, extra="ignore")


_Body = TypeVar("_Body", bound=BaseModel)


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the checked body of a request.

    Raises: InvalidInput naming the field, TooLarge.
    """
    return parse(await read_bytes(request), kind)


def parse(body: bytes, kind: type[_Body]) -> _Body:
    """Return a body checked. Raises: InvalidInput naming the field."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(first["msg"], ".".join(map(str, first["loc"]))) from None


async def read_bytes(request: Request) -> bytes:
    """Return the body of a request. Raises: TooLarge."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def check_size(place: str, texts: Sequence[str]) -> None:
    """Raise TooLarge when there are too many texts or characters for one request."""
    if len(texts) > MAX_TEXTS:
        raise TooLarge(f"{len(texts)} texts, at most {MAX_TEXTS} in one request", place)
    chars = sum(map(len, texts))
    if chars > MAX_CHARS:
        raise TooLarge(f"{chars} characters, at most {MAX_CHARS} in one request", place)


def check_texts(place: str, texts: Sequence[str]) -> None:
    """Raise InvalidInput naming a text with nothing in it, TooLarge as `check_size` does."""
    check_size(place, texts)
    check_filled(place, texts)


def check_filled(place: str, texts: Sequence[str]) -> None:
    """Raise InvalidInput naming a text with nothing in it: a vector of nothing would match anything."""
    empty = next((number for number, text in enumerate(texts) if _is_blank(text)), None)
    if empty is not None:
        raise InvalidInput("is empty", f"{place}.{empty}")


def check_query(query: str) -> None:
    """Raise InvalidInput for a query with nothing in it, TooLarge for too long a one."""
    check_size("query", [query])
    if _is_blank(query):
        raise InvalidInput("is empty", "query")


def _is_blank(text: str) -> bool:
    return not text or text.isspace()
