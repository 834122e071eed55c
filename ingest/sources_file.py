"""`sources.yaml`: the sources that a team keeps in one file, read whole and checked before any of them is touched.

    sources:
      handbook:
        location: https://git.example.com/handbook.git
        every: 5m
      wiki:
        kind: confluence
        location: https://wiki.example.com
        acl: {public: false, principals: [staff]}
        options: {spaces: [DEV], token: {env: WIKI_TOKEN}}

A location that is a path counts from the file's folder. Secrets are named, never written: `{env: NAME}` or
`{file: PATH}`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingest.locations import guess_kind, placed, require_name
from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput, NotFound, ShirabeError
from shirabe.types import Acl, Source, SourceKind

SOURCES_FILE: Final = "sources.yaml"
MAX_BYTES: Final = 1_000_000
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"^([1-9][0-9]{0,5})([smhd])$")


def seconds_of(duration: object) -> float:
    """Return a duration such as `30s`, `5m`, `2h` or `1d` in seconds. Raises: ValueError."""
    found = _DURATION.match(duration) if isinstance(duration, str) else None
    if found is None:
        raise ValueError("must be a whole number with s, m, h or d, such as 5m")
    return float(found[1]) * _SECONDS[found[2]]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Acl(_Strict):
    public: bool = False
    principals: tuple[str, ...] = ()


class _Entry(_Strict):
    location: str = Field(min_length=1, max_length=4_096)
    kind: SourceKind | None = None
    acl: _Acl = _Acl(public=True)
    options: dict[str, Any] = Field(default_factory=dict)
    every: Annotated[float, BeforeValidator(seconds_of)] | None = None


class _File(_Strict):
    sources: dict[str, _Entry]


def read_sources(path: Path) -> list[Source]:
    """Return the sources of a file in its order, each marked as declared there.

    Raises: NotFound; InvalidInput naming the file and the place in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"larger than {MAX_BYTES} bytes", str(path))
    try:
        checked = _File.model_validate(load_yaml(content.decode("utf-8"), str(path)))
    except UnicodeDecodeError:
        raise InvalidInput("not UTF-8", str(path)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(first["msg"], f"{path}: {place}") from None
    return [_source(path, name, entry) for name, entry in checked.sources.items()]


def _source(path: Path, name: str, entry: _Entry) -> Source:
    try:
        require_name(name)
        location = placed(entry.location, path.resolve().parent)
        kind = entry.kind or guess_kind(location)
    except ShirabeError as error:
        raise InvalidInput(str(error), f"{path}: sources.{name}") from None
    return Source(
        source_id=name,
        kind=kind,
        location=location,
        acl=Acl(entry.acl.public, entry.acl.principals),
        options=entry.options,
        poll_s=entry.every,
        declared=True,
    )
