"""Which lines of a PDF are headings: those in its outline, else those set larger, or numbered in another font."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Final

from ingest.parsers.pdf_layout import Line
from ingest.parsers.pdf_text import OutlineEntry

_MIN_ENTRIES: Final = 2
_MAX_LEVEL: Final = 6
_MAX_LEVELS_BY_SIZE: Final = 4
_MAX_CHARS: Final = 100
_MAX_SHARE: Final = 0.25
_LARGER: Final = 1.12
_TITLE_LARGER: Final = 1.4
_NUMBERED: Final = re.compile(
    r"(?:第[0-9０-９一二三四五六七八九十百]+[章節条項編部]|(\d{1,2}(?:[.．]\d{1,2}){0,4})[.．]?\s*[^\d\s.．,)]|付録|Appendix\b)"
)
_WORD: Final = re.compile(r"\w")
_ENDS: Final = re.compile(r"[。．、，,;；]$")
_MAX_TITLE_LINES: Final = 3
_HEAD_LINES: Final = 4

Headings = dict[tuple[int, int], list[tuple[int, str, int]]]
"""(page, line), both from 0 -> the headings that begin there: level, text, how many lines show it (0: none)."""


def headings(pages: Sequence[Sequence[Line]], outline: Sequence[OutlineEntry]) -> Headings:
    """Return the headings of a document; one of the outline that no line shows begins after the one before it."""
    usable = [entry for entry in outline if entry.page is not None and _key(entry.title)]
    return _from_outline(pages, usable) if len(usable) >= _MIN_ENTRIES else _from_sizes(pages)


def largest(pages: Sequence[Sequence[Line]]) -> str:
    """Return what the first page that has text shows largest, where that is a title: far larger than the body."""
    first = next(filter(None, pages), [])
    sizes = Counter[float]()
    for page in pages:
        for line in page:
            sizes[_rounded(line.size)] += len(line.text)
    top = max((_rounded(line.size) for line in first), default=0.0)
    lines = [line.text for line in first if _rounded(line.size) == top]
    title = " ".join(lines)
    is_title = len(lines) <= _MAX_TITLE_LINES and len(title) <= _MAX_CHARS and _WORD.search(title)
    return title if is_title and top >= _TITLE_LARGER * sizes.most_common(1)[0][0] else ""


def _from_outline(pages: Sequence[Sequence[Line]], outline: Sequence[OutlineEntry]) -> Headings:
    found: Headings = {}
    after = (0, 0)
    for entry in outline:
        page = entry.page or 0
        if page >= len(pages):
            continue
        start = after[1] if after[0] == page else 0
        place = page, start, 0
        # A heading that found no room at the foot of its page stands at the head of the next.
        for at, lines in (
            (page, pages[page]),
            (page + 1, pages[page + 1][:_HEAD_LINES] if page + 1 < len(pages) else []),
        ):
            begin = after[1] if after[0] == at else 0
            if shown := _shown(lines, _key(entry.title), begin):
                place = at, *shown
                break
        found.setdefault(place[:2], []).append((min(entry.level, _MAX_LEVEL), entry.title, place[2]))
        after = place[0], place[1] + place[2]
    return found


def _shown(lines: Sequence[Line], title: str, start: int) -> tuple[int, int] | None:
    """Return the first line at or after `start` that shows a title, and how many lines the title takes."""
    for at in range(start, len(lines)):
        text, taken = "", 0
        for line in lines[at : at + _MAX_TITLE_LINES]:
            text, taken = text + _key(line.text), taken + 1
            # Outlines often leave out the number that the page shows, or the page what the outline says.
            if text == title or (text.endswith(title) and len(text) <= len(title) + 8 and len(title) > 1):
                return at, taken
            if not title.startswith(text):
                break
    return None


def _from_sizes(pages: Sequence[Sequence[Line]]) -> Headings:
    lines = [line for page in pages for line in page]
    sizes = Counter[float]()
    fonts = Counter[str]()
    for line in lines:
        sizes[_rounded(line.size)] += len(line.text)
        fonts[line.font] += len(line.text)
    if not lines:
        return {}
    body, font = sizes.most_common(1)[0][0], fonts.most_common(1)[0][0]
    kinds = {
        (page, at): _kind(line, body, font) for page, content in enumerate(pages) for at, line in enumerate(content)
    }
    candidates = {place: kind for place, kind in kinds.items() if kind}
    if len(candidates) > max(_MAX_SHARE * len(lines), 1):
        return {}
    larger = sorted({size for size, _ in candidates.values() if size}, reverse=True)[:_MAX_LEVELS_BY_SIZE]
    found: Headings = {}
    taken_until = (-1, -1)
    for (page, at), (size, depth) in sorted(candidates.items()):
        if (page, at) < taken_until:
            continue
        level = larger.index(size) + 1 if size in larger else len(larger) + depth
        end = at + 1
        while end < at + _MAX_TITLE_LINES and size and candidates.get((page, end)) == (size, 0):
            end += 1
        text = " ".join(line.text for line in pages[page][at:end])
        found[page, at] = [(min(level, _MAX_LEVEL), text, end - at)]
        taken_until = (page, end)
    return found


def _kind(line: Line, body: float, font: str) -> tuple[float, int] | None:
    """Return what makes a line a heading: its size if larger than the body's, else 0, and the depth of its number."""
    text = line.text
    if len(text) > _MAX_CHARS or not _WORD.search(text) or _ENDS.search(text) or line.has_cells:
        return None
    number = _NUMBERED.match(text)
    depth = 1 + len(re.findall("[.．]", number[1] or "")) if number else 0
    if line.size >= _LARGER * body:
        return _rounded(line.size), 0
    if number and line.font != font and line.size >= 0.95 * body:
        return 0.0, depth
    return None


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _key(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
