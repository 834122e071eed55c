"""Exact matches: in which order they are shown, and the lines of each that were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Final

from shirabe.conditions import Line, lines_asked, names_asked
from shirabe.types import Condition, Hit, Stored

MARKED_LINES: Final = 5
MARKED_CHARS: Final = 240
_BEFORE: Final = 60
_LINES: Final = re.compile(r"#L\d+(?:-L\d+)?$")


def in_order(stored: Sequence[Stored], scores: Mapping[str, float], conditions: Sequence[Condition]) -> list[Stored]:
    """Return exact matches best first: by the store's score, then shorter names of what they define, then by path."""

    def key(item: Stored) -> tuple[float, int, str, int]:
        shortest = min(map(len, names_asked(conditions, item.chunk)), default=0)
        return -scores[item.chunk.chunk_id], shortest, item.path, item.chunk.ordinal

    return sorted(stored, key=key)


def marked(hit: Hit, conditions: Sequence[Condition]) -> Hit:
    """Return a hit with the lines that were asked for: its highlights show them, and its locator opens the first."""
    lines = lines_asked(conditions, hit.stored.chunk) if conditions else []
    if not lines:
        return hit
    chunk = hit.stored.chunk
    locator = _LINES.sub(f"#L{lines[0].number}", chunk.locator)
    shown = tuple(_marked_line(line) for line in lines[:MARKED_LINES])
    stored = replace(hit.stored, chunk=replace(chunk, locator=locator), highlights=shown)
    return replace(hit, stored=stored, lines=tuple(line.number for line in lines))


def _marked_line(line: Line) -> str:
    """Return a line as HTML with its marks in `<em>`; of a long one what is around the first mark."""
    start = max(0, line.marks[0][0] - _BEFORE) if len(line.text) > MARKED_CHARS else 0
    end = min(len(line.text), start + MARKED_CHARS)
    parts, at = [], start
    for low, high in line.marks:
        if low < end:
            parts += [escape(line.text[at:low]), f"<em>{escape(line.text[low : min(high, end)])}</em>"]
            at = min(high, end)
    return "".join([*parts, escape(line.text[at:end])])
