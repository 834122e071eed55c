"""The options that sources of services have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from ingest.units import UNIT
from ingest.webhooks import SECRET_OPTION
from shirabe.errors import InvalidInput

_COMMON: Final = frozenset({"token", "permissions", "compare_minutes", "allow_private", SECRET_OPTION, UNIT})


def require_known(options: Mapping[str, Any], own: Iterable[str]) -> None:
    """Check that every option is one of the common ones or of a collector's own. Raises: InvalidInput."""
    known = _COMMON.union(own)
    unknown = sorted(options.keys() - known)
    if unknown:
        raise InvalidInput(f"unknown; known: {', '.join(sorted(known))}", f"options.{unknown[0]}")


def compare_every_option(options: Mapping[str, Any], minutes: int) -> timedelta:
    """Return how often all is compared: the option `compare_minutes`, or what stands for it. Raises: InvalidInput."""
    value = options.get("compare_minutes", minutes)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput("must be a number of minutes", "options.compare_minutes")
    return timedelta(minutes=value)
