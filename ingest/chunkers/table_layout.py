"""The blocks of a sheet: what blank rows and blank columns part, in reading order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.sheet_grid import Area, Cell, Grid, is_value

_MAX_DEPTH: Final = 40
_MAX_EDGES: Final = 64
_ALIGNED: Final = 0.8
_SQUARED_COLUMNS: Final = 8
_MERGED_SHARE: Final = 0.6


@dataclass(frozen=True, slots=True)
class Slot:
    """What a person sees as one cell of a row: a cell, or the part of a merged area that lies in the row."""

    area: Area
    cell: Cell

    @property
    def text(self) -> str:
        """The text in one line."""
        return " ".join(self.cell.text.split())

    @property
    def is_value(self) -> bool:
        """Tell whether it holds a number, a date or a truth value, be it written as text."""
        return self.cell.typed or is_value(self.cell.text)

    @property
    def is_wide(self) -> bool:
        """Tell whether it takes more than one column."""
        return self.area.right > self.area.left


@dataclass(frozen=True, slots=True)
class Row:
    """The slots of one row of a block, left to right; at least one."""

    number: int
    slots: tuple[Slot, ...]

    @property
    def columns(self) -> frozenset[int]:
        """The columns that its slots begin in."""
        return frozenset(slot.area.left for slot in self.slots)

    @property
    def width(self) -> int:
        """The number of columns that its slots take."""
        return sum(slot.area.right - slot.area.left + 1 for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows with nothing blank between them, in the columns `left` to `right`."""

    left: int
    right: int
    rows: tuple[Row, ...]


def blocks_of(grid: Grid) -> Iterator[Block]:
    """Yield the blocks of a sheet: from the top down, side by side ones from the left."""
    rows = _rows(grid)
    if rows:
        yield from _Cutter(grid).cut(rows, 0)


def is_squared(grid: Grid) -> bool:
    """Tell whether a sheet is laid out on columns too narrow to hold anything by themselves."""
    columns = {column for _, column in grid.cells}
    wide = sum(area.right > area.left and (area.top, area.left) in grid.cells for area in grid.merged)
    extent = max((area.right for area in grid.merged), default=0)
    return grid.squared or (
        max(extent, len(columns)) >= _SQUARED_COLUMNS and wide > _MERGED_SHARE * max(len(grid.cells), 1)
    )


def _rows(grid: Grid) -> list[Row]:
    """Return every row that shows something."""
    found: dict[int, dict[int, Slot]] = {}
    for (row, column), cell in grid.cells.items():
        # A note alone is on a blank cell.
        if cell.text and (row, column) not in grid.shown:
            found.setdefault(row, {})[column] = Slot(Area(row, column, row, column), cell)
    for (row, column), area in grid.shown.items():
        if column == area.left and row not in grid.hidden_rows and grid.cells[area.top, area.left].text:
            found.setdefault(row, {})[column] = Slot(area, grid.cells[area.top, area.left])
    return [Row(number, tuple(slot for _, slot in sorted(found[number].items()))) for number in sorted(found)]


class _Cutter:
    def __init__(self, grid: Grid) -> None:
        self._hidden_rows = sorted(grid.hidden_rows)
        self._hidden_columns = sorted(grid.hidden_columns)
        self._squared = is_squared(grid)

    def cut(self, rows: Sequence[Row], depth: int) -> Iterator[Block]:
        """Yield the blocks of rows, cut by blank rows first, then by blank columns, and so on."""
        bands = self._bands(rows)
        if len(bands) > 1 and depth < _MAX_DEPTH:
            for band in bands:
                yield from self.cut(band, depth + 1)
            return
        strips = self._strips(rows) if depth < _MAX_DEPTH and not self._squared else [rows]
        if len(strips) > 1:
            for strip in strips:
                yield from self.cut(strip, depth + 1)
            return
        left = min(row.slots[0].area.left for row in rows)
        right = max(row.slots[-1].area.right for row in rows)
        # A row of nothing but tall cells that began above says nothing of its own.
        own = tuple(row for row in rows if any(slot.area.top == row.number for slot in row.slots))
        yield Block(left, right, own or tuple(rows[:1]))

    def _bands(self, rows: Sequence[Row]) -> list[list[Row]]:
        bands = [[rows[0]]]
        for row in rows[1:]:
            if _has_gap(bands[-1][-1].number, row.number, self._hidden_rows):
                bands.append([])
            bands[-1].append(row)
        return bands

    def _strips(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Return the parts of rows left and right of blank columns, where they are tables of their own."""
        spans = sorted({(slot.area.left, slot.area.right) for row in rows for slot in row.slots})
        edges: list[int] = []
        end = spans[0][1]
        for left, right in spans[1:]:
            if left > end and _has_gap(end, left, self._hidden_columns):
                edges.append(left)
            end = max(end, right)
        strips = [rows]
        for edge in edges if len(edges) <= _MAX_EDGES else ():
            before = _between(strips[-1], 0, edge - 1)
            after = _between(strips[-1], edge, end)
            if _stand_apart(before, after):
                strips[-1:] = [before, after]
        return [list(strip) for strip in strips]


def _between(rows: Sequence[Row], left: int, right: int) -> list[Row]:
    kept = ((row.number, tuple(slot for slot in row.slots if left <= slot.area.left <= right)) for row in rows)
    return [Row(number, slots) for number, slots in kept if slots]


def _stand_apart(left: Sequence[Row], right: Sequence[Row]) -> bool:
    """Tell whether what a blank column parts is two things. A column beside its labels, or its numbers, is not."""
    single_left, single_right = (len({c for row in side for c in row.columns}) == 1 for side in (left, right))
    if not single_left and not single_right:
        return True
    if single_left and single_right:
        return _has_own_head(left) and _has_own_head(right)
    single, other = (left, right) if single_left else (right, left)
    numbers = {row.number for row in other}
    shared = sum(row.number in numbers for row in single)
    return shared < _ALIGNED * len(other)


def _has_own_head(rows: Sequence[Row]) -> bool:
    looks = [row.slots[0].cell.look for row in rows]
    return len(looks) > 1 and looks[0] != 0 and looks[0] not in looks[1:]


def _has_gap(before: int, after: int, hidden: Sequence[int]) -> bool:
    """Tell whether something lies between two rows or columns that is not hidden."""
    passed = bisect_left(hidden, after) - bisect_right(hidden, before)
    return after - before - 1 > passed
