"""The errors of Shirabe, one tree.

ShirabeError
 ├─ Terminal                 asking again changes nothing
 │   ├─ InvalidInput         the caller's input is wrong; `place` says where
 │   ├─ NotFound             what was named does not exist
 │   └─ Forbidden            the caller may not
 ├─ Transient                asking again later may work; retried within bounds
 │   ├─ Unavailable          a part is down
 │   ├─ Overloaded           a queue is full; `retry_after_s` says when to come back
 │   └─ Timeout              a part did not answer in time
 └─ PartialWrite             a bulk wrote some items and not others; `failed_ids` maps an id to the reason

All are picklable: Ray carries them between processes. They become HTTP, gRPC and exit codes in one place each.
"""

from __future__ import annotations

from collections.abc import Mapping


class ShirabeError(Exception):
    """The root: `message` is for the user and holds no secret."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Terminal(ShirabeError):
    """Asking again changes nothing."""


class InvalidInput(Terminal):
    """The caller's input is wrong; `place` is a field, a file, or a place in a file."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place

    def __reduce__(self) -> tuple[type[InvalidInput], tuple[str, str]]:
        return type(self), (self.message, self.place)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class NotFound(Terminal):
    """What was named does not exist."""


class Forbidden(Terminal):
    """The caller may not."""


class Transient(ShirabeError):
    """Asking again later may work."""


class Unavailable(Transient):
    """A part is down."""


class Overloaded(Transient):
    """A queue is full."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[type[Overloaded], tuple[str, float]]:
        return type(self), (self.message, self.retry_after_s)


class Timeout(Transient):
    """A part did not answer in time."""


class PartialWrite(ShirabeError):
    """A bulk wrote some items and not others."""

    def __init__(self, failed_ids: Mapping[str, str]) -> None:
        first = next(iter(failed_ids.items()), ("", ""))
        super().__init__(f"{len(failed_ids)} items were not written, the first {first[0]}: {first[1]}")
        self.failed_ids = dict(failed_ids)

    def __reduce__(self) -> tuple[type[PartialWrite], tuple[dict[str, str]]]:
        return type(self), (self.failed_ids,)
