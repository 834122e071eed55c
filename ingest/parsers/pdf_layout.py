"""From fragments of text on a page to paragraphs in reading order: columns, lines, and which line goes on."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_MIN_COLUMN_LINES: Final = 4
_MIN_COLUMN_SIZES: Final = 11
_MIN_FILL: Final = 0.5
_MIN_GUTTER_SIZES: Final = 0.8
_MAX_CROSSING: Final = 0.25
_MAX_COLUMN_DEPTH: Final = 3
_EDGE_SHARE: Final = 12
_SAME_LINE: Final = 0.5
_CELL_GAP: Final = 1.5
_INDENT: Final = 0.7
_HANGING: Final = 4.0
_BULLET: Final = re.compile(
    r"(?:[・•●○■□◆◇※▪‣–—*-]|[(（]?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4}|[①-⑳ア-ン])[)）.．、]|[①-⑳])\s*\S"
)
_MARK: Final = re.compile(r"[・•●○■□◆◇※▪‣–—*-]|[(（]?\w{1,3}[)）.．、]")
_WIDE: Final = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60\uffe0-\uffe6]")
_WIDE_MARKS: Final = "、。，．！？：；」』）】"
_ENDS: Final = re.compile(r"[。．！？.!?:：][」』）)”’]?$")
_HYPHENS: Final = "\x02\xad"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Text on one line, without a wide gap; points from the lower left of the page, `size` is the font's."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float
    font: str = ""
    vertical: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Fragments beside each other; `column_left` and `column_right` are the edges of the column that it stands in."""

    fragments: tuple[Fragment, ...]
    column_left: float
    column_right: float

    @property
    def text(self) -> str:
        """The words, a blank between fragments."""
        return " ".join(fragment.text for fragment in self.fragments)

    @property
    def left(self) -> float:
        """The left edge."""
        return self.fragments[0].left

    @property
    def right(self) -> float:
        """The right edge."""
        return max(fragment.right for fragment in self.fragments)

    @property
    def top(self) -> float:
        """The upper edge."""
        return max(fragment.top for fragment in self.fragments)

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return min(fragment.bottom for fragment in self.fragments)

    @property
    def size(self) -> float:
        """The font's size where most of the text is."""
        return max(self.fragments, key=lambda fragment: len(fragment.text)).size

    @property
    def font(self) -> str:
        """The font of most of the text."""
        return max(self.fragments, key=lambda fragment: len(fragment.text)).font

    @property
    def has_cells(self) -> bool:
        """Whether a gap within it, but for that behind a bullet, is as wide as between the cells of a table."""
        first = 1 if _MARK.fullmatch(self.fragments[0].text) else 0
        gaps = (after.left - before.right for before, after in pairwise(self.fragments[first:]))
        return any(gap > _CELL_GAP * self.size for gap in gaps)


def lines_in_order(fragments: Sequence[Fragment]) -> list[Line]:
    """Return a page's lines in the order in which they are read, column after column, vertical text by itself."""
    lines: list[Line] = []
    for vertical in (False, True):
        chosen = [one for one in fragments if one.vertical is vertical and one.text.strip()]
        for region in _regions(chosen, 0):
            lines += _lines(region)
    return lines


def paragraphs(lines: Sequence[Line]) -> Iterator[str]:
    """Yield the text of lines that follow each other, a paragraph a line of text, those close together in one."""
    gaps = [max(0.0, before.bottom - after.top) for before, after in pairwise(lines)]
    usual = statistics.median(gaps) if gaps else 0.0
    block: list[str] = []
    for index, line in enumerate(lines):
        before = lines[index - 1] if index else None
        if before is None:
            block = [line.text]
        elif _goes_on(before, line):
            block[-1] = _joined(block[-1], line.text)
        elif _is_near(before, line, usual):
            block.append(line.text)
        else:
            yield "\n".join(block)
            block = [line.text]
    if block:
        yield "\n".join(block)


def _regions(fragments: Sequence[Fragment], depth: int) -> Iterator[Sequence[Fragment]]:
    """Yield what is read one after the other: what lies across the columns cuts them into bands."""
    gutter = _gutter(fragments) if depth < _MAX_COLUMN_DEPTH else None
    if gutter is None:
        if fragments:
            yield fragments
        return
    across = sorted((one for one in fragments if one.left < gutter < one.right), key=lambda one: -one.top)
    sides = [
        [one for one in fragments if one.right <= gutter],
        [one for one in fragments if one.left >= gutter and one.right > gutter],
    ]
    above = float("inf")
    for group in [*_stacked(across, sides), []]:
        below = group[0].bottom if group else float("-inf")
        for side in sides:
            band = [one for one in side if below <= one.bottom < above]
            yield from _regions(band, depth + 1)
        if group:
            yield group
            above = group[-1].bottom


def _stacked(across: Sequence[Fragment], sides: Sequence[Sequence[Fragment]]) -> Iterator[list[Fragment]]:
    """Yield runs of what lies across the columns with nothing of the columns between them."""
    group: list[Fragment] = []
    for one in across:
        if group and any(one.bottom < other.bottom < group[-1].bottom for side in sides for other in side):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _gutter(fragments: Sequence[Fragment]) -> float | None:
    """Return where two columns of text part; None for one column, and for tables, whose cells do not fill theirs."""
    if len(fragments) < 2 * _MIN_COLUMN_LINES:
        return None
    size = statistics.median(one.size for one in fragments)
    left, right = min(one.left for one in fragments), max(one.right for one in fragments)
    best: tuple[float, float] | None = None
    for start, end in _uncovered(fragments, left, right):
        if end - start >= _MIN_GUTTER_SIZES * size:
            middle = (start + end) / 2
            sides = [one for one in fragments if one.right <= middle], [one for one in fragments if one.left >= middle]
            if all(_is_column(side, size) for side in sides) and (best is None or end - start > best[0]):
                best = end - start, middle
    return best[1] if best else None


def _uncovered(fragments: Sequence[Fragment], left: float, right: float) -> Iterator[tuple[float, float]]:
    """Yield the ranges between the edges that few fragments lie across."""
    events = sorted([(one.left, 1) for one in fragments] + [(one.right, -1) for one in fragments])
    allowed = _MAX_CROSSING * len(fragments) / 2
    covering, start = 0, None
    for x, change in events:
        covering += change
        if covering <= allowed and start is None and left < x:
            start = x
        elif covering > allowed and start is not None:
            if x < right:
                yield start, x
            start = None


def _is_column(side: Sequence[Fragment], size: float) -> bool:
    """Tell whether what lies at one side of a gutter is text in lines rather than cells of a table."""
    if len(side) < _MIN_COLUMN_LINES:
        return False
    width = max(one.right for one in side) - min(one.left for one in side)
    return (
        width >= _MIN_COLUMN_SIZES * size
        and statistics.median(one.right - one.left for one in side) >= _MIN_FILL * width
    )


def _lines(region: Sequence[Fragment]) -> list[Line]:
    left = min(one.left for one in region)
    # What a few lines reach (a running head, a long formula) is not the edge that the others are filled to.
    right = sorted((one.right for one in region), reverse=True)[len(region) // _EDGE_SHARE]
    rows: list[list[Fragment]] = []
    for one in sorted(region, key=lambda one: (-one.bottom, one.left)):
        if rows and abs(rows[-1][0].bottom - one.bottom) < _SAME_LINE * min(one.size, rows[-1][0].size):
            rows[-1].append(one)
        else:
            rows.append([one])
    return [Line(tuple(sorted(row, key=lambda one: one.left)), left, right) for row in rows]


def _goes_on(before: Line, line: Line) -> bool:
    """Tell whether a line goes on with the paragraph of the line before it."""
    size = before.size
    if before.has_cells or line.has_cells or _BULLET.match(line.text):
        return False
    if abs(line.size - size) > 0.15 * size:
        return False
    if before.column_left != line.column_left or before.bottom < line.bottom:
        # From the foot of a column to the head of the next.
        if _ENDS.search(before.text) or line.left - line.column_left > _INDENT * size:
            return False
    else:
        # An item's lines hang under its text, not under its bullet.
        indent = _HANGING if _BULLET.match(before.text) else _INDENT
        if before.bottom - line.top > 1.2 * size or line.left - before.left > indent * size:
            return False
    # A line ends early only where what begins the next had no room: a word, or two wide characters.
    first = line.text.split(" ")[0]
    wide = _WIDE.search(first)
    needed = (0.55 * wide.start() + 1.5 if wide else 0.55 * len(first)) * size
    return before.right + needed + 0.3 * size >= before.column_right


def _is_near(before: Line, line: Line, usual: float) -> bool:
    gap = before.bottom - line.top
    near = before.column_left == line.column_left and gap <= 1.3 * usual + 0.1 * line.size
    return near and abs(before.size - line.size) <= 0.15 * before.size


def _joined(text: str, line: str) -> str:
    if text[-1:] in _HYPHENS:
        return text[:-1] + line
    if _WIDE.match(text[-1:]) and (_WIDE.match(line) or text[-1] in _WIDE_MARKS):
        return text + line
    return f"{text} {line}"
