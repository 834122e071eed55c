"""A sheet as plain data: cells as a person sees them, whatever file or service it came from.

`Grid.plain` is JSON data, so a grid crosses the border of the sandbox, and is the content of a Google Sheets document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from openpyxl.utils import get_column_letter

from ingest.chunkers.source import clean_text
from shirabe.errors import InvalidInput

MAX_CELLS: Final = 1_000_000
"""Cells with something in them that are read of one document."""

MAX_ROW: Final = 10_000_000
MAX_COLUMN: Final = 20_000
_MAX_COVERED: Final = 200_000
_MAX_EDGE: Final = 500
_BLANKS: Final = re.compile(r"[ \t\u00a0\u3000]{2,}")
_NEWLINE: Final = re.compile(r"\r\n?|\n|_x000[dD]_\n?")
_SPACED_OUT: Final = re.compile("^[\u3041-\u30ff\u3400-\u9fff](?:[ \u3000][\u3041-\u30ff\u3400-\u9fff])+$")
_VALUE: Final = re.compile(
    r"^(?:[-+△▲]?[¥￥$€]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?:円|%|％)?|[-+△▲]?[¥￥$€]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?:円|%|％)?"
    r"|\d{4}[-/.年]\d{1,2}(?:[-/.月]\d{1,2}日?)?(?:[ T]\d{1,2}:\d{2}.{0,10})?|\d{1,2}:\d{2}(?::\d{2})?|true|false)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell shows. `typed`: a number, date or truth value. `look`: 0 for plain, equal for what looks alike.

    `link` is an address, `note` what somebody remarked on the cell.
    """

    text: str
    typed: bool = False
    look: int = 0
    link: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of cells, 1-based, edges included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def cells(self) -> str:
        """The rectangle as spreadsheets write it: `B12:F20`."""
        return f"{get_column_letter(self.left)}{self.top}:{get_column_letter(self.right)}{self.bottom}"

    def covers(self, row: int, column: int) -> bool:
        """Tell whether a cell lies in the rectangle."""
        return self.top <= row <= self.bottom and self.left <= column <= self.right


@dataclass(frozen=True, slots=True)
class Grid:
    """One sheet: `cells` maps (row, column), 1-based, to what is not blank there.

    `merged` areas show the cell at their top left. Rows and columns of `hidden_rows` and `hidden_columns` are not in
    `cells`, and part nothing. `squared`: columns narrow as on squared paper, so that a blank one parts nothing either.
    """

    name: str
    cells: Mapping[tuple[int, int], Cell]
    merged: tuple[Area, ...] = ()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    squared: bool = False
    shown: Mapping[tuple[int, int], Area] = field(init=False, repr=False, compare=False)
    """The area that each cell of a merged area belongs to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown", _covered(self.cells, self.merged))

    def area_at(self, row: int, column: int) -> Area | None:
        """Return the area whose text a place shows, which is one cell or a merged area; None: it is blank."""
        area = self.shown.get((row, column))
        if area is not None:
            return area
        return Area(row, column, row, column) if (row, column) in self.cells else None

    def cell_at(self, row: int, column: int) -> Cell | None:
        """Return what a place shows."""
        area = self.area_at(row, column)
        return self.cells[area.top, area.left] if area else None

    def plain(self) -> dict[str, Any]:
        """Return the grid as JSON data; a cell is `[row, column, text, typed, look, link, note]` without its end."""
        return {
            "name": self.name,
            "cells": [_plain_cell(place, cell) for place, cell in sorted(self.cells.items())],
            "merged": [[area.top, area.left, area.bottom, area.right] for area in self.merged],
            "hidden_rows": sorted(self.hidden_rows),
            "hidden_columns": sorted(self.hidden_columns),
            "squared": self.squared,
        }

    @classmethod
    def of_plain(cls, plain: Any) -> Grid:
        """Return the grid that JSON data describes. Raises: InvalidInput when it describes none."""
        try:
            if len(plain["cells"]) > MAX_CELLS:
                raise InvalidInput(f"more than {MAX_CELLS} cells", str(plain["name"])[:100])
            return cls(
                name=_text(plain["name"]),
                cells=dict(_cells(plain["cells"])),
                merged=tuple(_area(edges) for edges in plain["merged"]),
                hidden_rows=frozenset(_index(row, MAX_ROW) for row in plain["hidden_rows"]),
                hidden_columns=frozenset(_index(column, MAX_COLUMN) for column in plain["hidden_columns"]),
                squared=bool(plain["squared"]),
            )
        except (KeyError, TypeError, ValueError, IndexError):
            raise InvalidInput("not the cells of a sheet") from None


def cell_text(raw: str) -> str:
    """Return the text of a cell without the blanks that only lay it out: `氏　　名` is `氏名`."""
    lines = (_BLANKS.sub(" ", line).strip() for line in _NEWLINE.split(raw))
    text = "\n".join(lines).strip()
    return "".join(text.split()) if _SPACED_OUT.match(text) else text


def is_value(text: str) -> bool:
    """Tell whether text is written as numbers, dates and truth values are."""
    return _VALUE.match(text) is not None


def _plain_cell(place: tuple[int, int], cell: Cell) -> list[Any]:
    values: list[Any] = [*place, cell.text, int(cell.typed), cell.look, cell.link, cell.note]
    while len(values) > 3 and not values[-1]:
        values.pop()
    return values


def _cells(values: Sequence[Sequence[Any]]) -> Iterator[tuple[tuple[int, int], Cell]]:
    for row, column, text, *rest in values:
        facts: tuple[Any, ...] = (*rest, *(0, 0, "", "")[len(rest) :])
        typed, look, link, note = facts
        place = _index(row, MAX_ROW), _index(column, MAX_COLUMN)
        yield place, Cell(_text(text), bool(typed), int(look), _text(link), _text(note))


def _area(edges: Sequence[Any]) -> Area:
    top, left, bottom, right = edges
    return Area(_index(top, MAX_ROW), _index(left, MAX_COLUMN), _index(bottom, MAX_ROW), _index(right, MAX_COLUMN))


def _index(value: Any, most: int) -> int:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return clean_text(value)


def _covered(cells: Mapping[tuple[int, int], Cell], merged: Sequence[Area]) -> dict[tuple[int, int], Area]:
    """Return the merged area of each place in one, within the rectangle that is used at all."""
    merged = [area for area in merged if (area.top, area.left) in cells]
    ordinary = [area for area in merged if max(area.bottom - area.top, area.right - area.left) < _MAX_EDGE]
    last_row = max([row for row, _ in cells] + [area.bottom for area in ordinary], default=0)
    last_column = max([column for _, column in cells] + [area.right for area in ordinary], default=0)
    covered: dict[tuple[int, int], Area] = {}
    for area in merged:
        used = Area(area.top, area.left, min(area.bottom, last_row), min(area.right, last_column))
        size = (used.bottom - used.top + 1) * (used.right - used.left + 1)
        if len(covered) + size > _MAX_COVERED:
            # Merged areas this large are formatting, and no table.
            break
        rows, columns = range(used.top, used.bottom + 1), range(used.left, used.right + 1)
        covered.update(((row, column), used) for row in rows for column in columns)
    return covered
