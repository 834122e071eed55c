"""What the Sheets API says of a sheet as a grid: its cells as they are shown, what is merged, what is hidden. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ingest.chunkers.sheet_grid import MAX_CELLS, Area, Cell, Grid, cell_text
from shirabe.errors import InvalidInput

_NARROW_PIXELS: Final = 40
_SQUARED_COLUMNS: Final = 8
_MAX_NOTE_CHARS: Final = 4_000
_WINDOW_CELLS: Final = 50_000
_MAX_GRID_CELLS: Final = 5_000_000

FIELDS: Final = (
    "sheets(properties(sheetId),merges,data(startRow,startColumn,"
    "rowMetadata(hiddenByUser),columnMetadata(hiddenByUser,pixelSize),"
    "rowData(values(formattedValue,hyperlink,note,effectiveValue(numberValue,boolValue),"
    "effectiveFormat(backgroundColor,textFormat(bold))))))"
)
"""The parts of a spreadsheet that a grid is made of."""


@dataclass(frozen=True, slots=True)
class Tab:
    """One sheet of a spreadsheet, as its properties describe it; `rows` and `columns` count blank ones too."""

    sheet_id: int
    title: str
    rows: int
    columns: int

    def ranges(self) -> list[str]:
        """Return the ranges that the sheet is read in, each small enough for one answer.

        Raises: InvalidInput when it is too large to be read.
        """
        if self.rows * self.columns > _MAX_GRID_CELLS:
            raise InvalidInput(f"{self.rows} rows of {self.columns} columns, more than {_MAX_GRID_CELLS} cells")
        name = "'" + self.title.replace("'", "''") + "'"
        step = max(1, _WINDOW_CELLS // max(self.columns, 1))
        if self.rows <= step:
            return [name]
        return [f"{name}!{first}:{min(first + step - 1, self.rows)}" for first in range(1, self.rows + 1, step)]


def tabs_of(answer: Mapping[str, Any]) -> list[Tab]:
    """Return the sheets of a spreadsheet that a person sees; charts and hidden ones are none."""
    found: list[Tab] = []
    for sheet in answer.get("sheets", ()):
        facts = sheet.get("properties", {})
        if facts.get("hidden") or facts.get("sheetType", "GRID") != "GRID":
            continue
        size = facts.get("gridProperties", {})
        title = str(facts.get("title", ""))
        found.append(Tab(int(facts["sheetId"]), title, int(size.get("rowCount", 0)), int(size.get("columnCount", 0))))
    return found


def is_small(tabs: list[Tab]) -> bool:
    """Tell whether sheets may be read in one answer together."""
    return sum(tab.rows * tab.columns for tab in tabs) <= _WINDOW_CELLS


@dataclass(slots=True)
class GridParts:
    """A sheet while its ranges come in."""

    name: str
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    merged: dict[Area, None] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    widths: dict[int, int] = field(default_factory=dict)
    looks: dict[tuple[bool, str], int] = field(default_factory=lambda: {(False, ""): 0})

    def add(self, sheet: Mapping[str, Any]) -> None:
        """Take what one answer says of the sheet. Raises: InvalidInput when it holds too many cells."""
        for merge in sheet.get("merges", ()):
            if area := _area(merge):
                self.merged[area] = None
        for data in sheet.get("data", ()):
            self._add_data(data)
            if len(self.cells) > MAX_CELLS:
                raise InvalidInput(f"more than {MAX_CELLS} cells")

    def grid(self) -> Grid:
        """Return the sheet; its hidden rows and columns are left out, what a filter hides is not."""
        used = max((column for _, column in self.cells), default=0)
        narrow = sum(width <= _NARROW_PIXELS for column, width in self.widths.items() if column <= used)
        return Grid(
            name=self.name,
            cells={
                (row, column): cell
                for (row, column), cell in self.cells.items()
                if row not in self.hidden_rows and column not in self.hidden_columns
            },
            merged=tuple(sorted(self.merged, key=lambda area: (area.top, area.left))),
            hidden_rows=frozenset(self.hidden_rows),
            hidden_columns=frozenset(self.hidden_columns),
            squared=used >= _SQUARED_COLUMNS and narrow > 0.7 * used,
        )

    def _add_data(self, data: Mapping[str, Any]) -> None:
        first_row, first_column = int(data.get("startRow", 0)) + 1, int(data.get("startColumn", 0)) + 1
        for row, facts in enumerate(data.get("rowMetadata", ()), start=first_row):
            if facts.get("hiddenByUser"):
                self.hidden_rows.add(row)
        for column, facts in enumerate(data.get("columnMetadata", ()), start=first_column):
            if facts.get("hiddenByUser"):
                self.hidden_columns.add(column)
            self.widths[column] = int(facts.get("pixelSize", 2 * _NARROW_PIXELS))
        for row, values in enumerate(data.get("rowData", ()), start=first_row):
            self.cells |= {(row, first_column + offset): cell for offset, cell in self._row(values)}

    def _row(self, values: Mapping[str, Any]) -> Iterator[tuple[int, Cell]]:
        for offset, value in enumerate(values.get("values", ())):
            text, note = cell_text(str(value.get("formattedValue", ""))), str(value.get("note", "")).strip()
            if text or note:
                link = str(value.get("hyperlink", ""))
                known = value.get("effectiveValue", {})
                yield (
                    offset,
                    Cell(
                        text=text,
                        typed="numberValue" in known or "boolValue" in known,
                        look=self._look(value.get("effectiveFormat", {})),
                        link=link if link.startswith(("http://", "https://", "mailto:")) else "",
                        note=note[:_MAX_NOTE_CHARS],
                    ),
                )

    def _look(self, facts: Mapping[str, Any]) -> int:
        colour = facts.get("backgroundColor", {})
        # A colour without a part has none of it; no colour at all is white.
        shades = [f"{float(colour.get(part, 0)):.2f}" for part in ("red", "green", "blue")] if colour else []
        name = "" if all(shade == "1.00" for shade in shades) else ",".join(shades)
        key = (bool(facts.get("textFormat", {}).get("bold")), name)
        return self.looks.setdefault(key, len(self.looks))


def _area(merge: Mapping[str, Any]) -> Area | None:
    """Return a `GridRange`, which is 0-based and half open; None for one that is open at an end."""
    try:
        top, left = int(merge.get("startRowIndex", 0)) + 1, int(merge.get("startColumnIndex", 0)) + 1
        return Area(top, left, int(merge["endRowIndex"]), int(merge["endColumnIndex"]))
    except KeyError:
        return None
