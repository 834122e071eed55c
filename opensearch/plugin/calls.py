"""One request to the cluster, as a value: what `--dry-run` prints is what would be sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Method = Literal["GET", "POST", "PUT", "DELETE"]

SECRET_FIELDS: Final = frozenset({"credential", "password"})
MASK: Final = "********"


@dataclass(frozen=True, slots=True)
class Call:
    """A request: path with its query string, JSON body."""

    method: Method
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands in a body for the id that the cluster gives to another thing of the plan."""

    shelf: str
    name: str

    def __str__(self) -> str:
        return f"<id of the {self.shelf} {self.name}>"


@dataclass(frozen=True, slots=True)
class JsonText:
    """Stands in a body for a value written as JSON into a string; the value may hold references."""

    value: Any


Ids = Mapping[Ref, str]


def resolved(value: Any, ids: Ids) -> Any:
    """Return a body with ids in place of references; one without an id yet becomes a description of it."""
    if isinstance(value, Ref):
        return ids.get(value, str(value))
    if isinstance(value, JsonText):
        return json.dumps(resolved(value.value, ids))
    if isinstance(value, Mapping):
        return {key: resolved(item, ids) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(item, ids) for item in value]
    return value


def masked(value: Any) -> Any:
    """Return a body in which no secret can be read."""
    if isinstance(value, Mapping):
        return {
            key: dict.fromkeys(item, MASK) if key in SECRET_FIELDS and isinstance(item, Mapping) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
