"""What a regular expression is made of: sets of characters, places between them, and how they stand together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

LAST: Final = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of ranges of code points, which are sorted and apart."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place between characters: `^`, `$`, `b` (an edge of a word) or `B` (none)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """One node after the other."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """Any of several nodes; of none: what never matches."""

    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """A node several times, without end where `most` is None."""

    node: Node
    least: int
    most: int | None


Node = Chars | Assertion | Row | Either | Repeat

ANY: Final = Chars(((0, LAST),))
WORD: Final = Chars(((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)))


def united(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return ranges sorted and apart."""
    whole: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if whole and low <= whole[-1][1] + 1:
            whole[-1] = (whole[-1][0], max(high, whole[-1][1]))
        else:
            whole.append((low, high))
    return tuple(whole)


def others(chars: Chars) -> Chars:
    """Return every character that is not in a set."""
    found, start = [], 0
    for low, high in chars.ranges:
        if low > start:
            found.append((start, low - 1))
        start = high + 1
    return Chars((*found, (start, LAST)) if start <= LAST else tuple(found))


def common(one: Chars, other: Chars) -> Chars:
    """Return the characters that are in both sets."""
    return Chars(
        united(
            (max(low, start), min(high, end))
            for low, high in one.ranges
            for start, end in other.ranges
            if max(low, start) <= min(high, end)
        )
    )
