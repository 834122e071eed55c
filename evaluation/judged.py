"""Judged queries: one JSON object a line, `{"id", "query", "lang", "relevant": [path, ...]}`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shirabe.errors import InvalidInput, NotFound

MAX_QUERIES = 100_000


class JudgedQuery(BaseModel):
    """A question and the paths of the documents that answer it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    query: str = Field(min_length=1)
    lang: str = ""
    relevant: tuple[str, ...] = Field(min_length=1)


def load_judged(path: Path) -> list[JudgedQuery]:
    """Read judged queries.

    Raises: NotFound; InvalidInput naming the line.
    """
    if not path.is_file():
        raise NotFound(f"no such file: {path}")
    queries: list[JudgedQuery] = []
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            query = JudgedQuery.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{field}: {first['msg']}" if field else first["msg"], place) from None
        if query.id in seen:
            raise InvalidInput(f"id {query.id!r} appears twice", place)
        if len(queries) == MAX_QUERIES:
            raise InvalidInput(f"more than {MAX_QUERIES} queries", place)
        seen.add(query.id)
        queries.append(query)
    if not queries:
        raise InvalidInput("no queries", str(path))
    return queries
