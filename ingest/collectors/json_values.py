"""Values out of the JSON of others, whatever its shape is: what is not there is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shirabe.errors import InvalidInput


def event_in(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object that a webhook brought. Raises: InvalidInput when it is none."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not JSON") from None
    if not isinstance(event, Mapping):
        raise InvalidInput("the body is no event")
    return event


def moment_of(text: Any) -> datetime:
    """Return a time as aware UTC; the beginning of time for one that is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)


def at(value: Any, *names: str) -> Any:
    """Return what lies at a path of names in JSON, None where it does not lead."""
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def items(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON list."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(value: Any, *names: str) -> str:
    """Return the text at a path of names in JSON, a number as text, else the empty string."""
    found = at(value, *names)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def whole(value: Any, *names: str) -> int:
    """Return the whole number at a path of names in JSON, 0 where there is none."""
    found = at(value, *names)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
