"""OpenDocument spreadsheets as grids: the file itself holds every cell's text as it is shown.

Pure, and run in the sandbox. Read as a stream, because rows and cells may say how often they are repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final
from xml.etree.ElementTree import Element

import defusedxml.ElementTree

from ingest.archives import open_archive
from ingest.chunkers.sheet_grid import MAX_CELLS, MAX_COLUMN, MAX_ROW, Area, Cell, Grid, cell_text
from shirabe.errors import InvalidInput

_CONTENT: Final = "content.xml"
_OFFICE: Final = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_STYLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_TABLE: Final = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT: Final = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_FO: Final = "{urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_CELLS: Final = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_WHITE: Final = ("", "transparent", "#ffffff")
_LENGTH: Final = re.compile(r"^([\d.]+)(cm|mm|in|pt)$")
_CENTIMETRES: Final = {"cm": 1.0, "mm": 0.1, "in": 2.54, "pt": 2.54 / 72}
_NARROW_CM: Final = 1.0
_SQUARED_COLUMNS: Final = 8
_MAX_NOTE_CHARS: Final = 4_000
_MAX_SPACES: Final = 100


@dataclass(frozen=True, slots=True)
class _Style:
    look: int = 0
    shown: bool = True
    width_cm: float | None = None


@dataclass(slots=True)
class _Sheet:
    """A sheet while it is read: `row` is the last row that was passed."""

    name: str
    row: int = 0
    column: int = 0
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    merged: list[Area] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    narrow_columns: set[int] = field(default_factory=set)

    def grid(self) -> Grid:
        used = max((column for _, column in self.cells), default=0)
        narrow = sum(column <= used for column in self.narrow_columns)
        return Grid(
            name=self.name,
            cells={place: cell for place, cell in self.cells.items() if place[1] not in self.hidden_columns},
            merged=tuple(self.merged),
            hidden_rows=frozenset(self.hidden_rows),
            hidden_columns=frozenset(self.hidden_columns),
            squared=used >= _SQUARED_COLUMNS and narrow > 0.7 * used,
        )


def read_ods(content: bytes) -> list[dict[str, Any]]:
    """Return the visible sheets of a workbook as `Grid.plain` data.

    Raises: InvalidInput, and what the XML parser breaks with.
    """
    with open_archive(content) as archive:
        try:
            part = archive.open(_CONTENT)
        except KeyError:
            raise InvalidInput("not an OpenDocument spreadsheet: it has no content.xml") from None
        with part:
            return [grid.plain() for grid in _Reader().grids(part)]


class _Reader:
    def __init__(self) -> None:
        self._styles: dict[str, _Style] = {}
        self._looks: dict[tuple[bool, str], int] = {(False, ""): 0}
        self._read = 0

    def grids(self, part: IO[bytes]) -> Iterator[Grid]:
        sheet: _Sheet | None = None
        is_shown = True
        events = defusedxml.ElementTree.iterparse(part, events=("start", "end"), forbid_dtd=True)
        for event, element in events:
            tag = element.tag
            if event == "start":
                if tag == f"{_TABLE}table" and sheet is None:
                    sheet = _Sheet(element.get(f"{_TABLE}name", ""))
                    is_shown = self._style(element).shown
            elif tag == f"{_STYLE}style":
                self._styles[element.get(f"{_STYLE}name", "")] = self._read_style(element)
                element.clear()
            elif sheet is None:
                continue
            elif tag == f"{_TABLE}table-column":
                self._read_column(sheet, element)
            elif tag == f"{_TABLE}table-row":
                if is_shown:
                    self._read_row(sheet, element)
                element.clear()
            elif tag == f"{_TABLE}table":
                if is_shown:
                    yield sheet.grid()
                sheet = None
                element.clear()

    def _style(self, element: Element) -> _Style:
        return self._styles.get(element.get(f"{_TABLE}style-name", ""), _Style())

    def _read_style(self, element: Element) -> _Style:
        text = _attributes(element, f"{_STYLE}text-properties")
        cell = _attributes(element, f"{_STYLE}table-cell-properties")
        table = _attributes(element, f"{_STYLE}table-properties")
        column = _attributes(element, f"{_STYLE}table-column-properties")
        colour = cell.get(f"{_FO}background-color", "").lower()
        key = (text.get(f"{_FO}font-weight") == "bold", "" if colour in _WHITE else colour)
        width = _LENGTH.match(column.get(f"{_STYLE}column-width", ""))
        return _Style(
            look=self._looks.setdefault(key, len(self._looks)),
            shown=table.get(f"{_TABLE}display") != "false",
            width_cm=float(width[1]) * _CENTIMETRES[width[2]] if width else None,
        )

    def _read_column(self, sheet: _Sheet, element: Element) -> None:
        count = _count(element, "number-columns-repeated", MAX_COLUMN)
        columns = range(sheet.column + 1, min(sheet.column + count, MAX_COLUMN) + 1)
        sheet.column += count
        if element.get(f"{_TABLE}visibility") == "collapse":
            sheet.hidden_columns.update(columns)
        width = self._style(element).width_cm
        if width is not None and width <= _NARROW_CM:
            sheet.narrow_columns.update(columns)

    def _read_row(self, sheet: _Sheet, element: Element) -> None:
        count = _count(element, "number-rows-repeated", MAX_ROW)
        first = sheet.row + 1
        sheet.row += count
        cells = list(self._row_cells(sheet, element, first))
        if not cells or sheet.row > MAX_ROW:
            return
        # A filter hides rows too, and says `filter`: those are read.
        if element.get(f"{_TABLE}visibility") == "collapse":
            sheet.hidden_rows.update(range(first, min(sheet.row, first + MAX_CELLS) + 1))
            return
        self._read += len(cells) * count
        if self._read > MAX_CELLS:
            raise InvalidInput(f"more than {MAX_CELLS} cells", f"#{sheet.name}!A{first}")
        for row in range(first, sheet.row + 1):
            sheet.cells |= (((row, column), cell) for column, cell in cells)

    def _row_cells(self, sheet: _Sheet, row: Element, number: int) -> Iterator[tuple[int, Cell]]:
        column = 1
        for element in row:
            if element.tag not in _CELLS:
                continue
            count = _count(element, "number-columns-repeated", MAX_COLUMN)
            cell = self._cell(element)
            if cell is not None and element.tag == _CELLS[0]:
                for place in range(column, min(column + count, MAX_COLUMN + 1)):
                    yield place, cell
                right = column + _count(element, "number-columns-spanned", MAX_COLUMN) - 1
                bottom = number + _count(element, "number-rows-spanned", MAX_ROW) - 1
                if (right > column or bottom > number) and count == 1 and right <= MAX_COLUMN and bottom <= MAX_ROW:
                    sheet.merged.append(Area(number, column, bottom, right))
            column += count
            if column > MAX_COLUMN:
                return

    def _cell(self, element: Element) -> Cell | None:
        text = cell_text("\n".join(_paragraph(part) for part in element.findall(f"{_TEXT}p")))
        kind = element.get(f"{_OFFICE}value-type", "")
        # Every office program writes the text as shown; others may write the value alone.
        text = text or element.get(f"{_OFFICE}{kind}-value") or element.get(f"{_OFFICE}value") or ""
        note = element.find(f"{_OFFICE}annotation")
        said = "" if note is None else "\n".join(_paragraph(part) for part in note.findall(f"{_TEXT}p")).strip()
        if not text and not said:
            return None
        link = next((part.get(_LINK, "") for part in element.iter(f"{_TEXT}a")), "")
        return Cell(
            text=text,
            typed=kind not in ("", "string"),
            look=self._style(element).look,
            link=link if link.startswith(("http://", "https://", "mailto:")) else "",
            note=said[:_MAX_NOTE_CHARS],
        )


def _attributes(element: Element, name: str) -> Mapping[str, str]:
    found = element.find(name)
    return {} if found is None else found.attrib


def _count(element: Element, name: str, most: int) -> int:
    value = element.get(f"{_TABLE}{name}", "1")
    return max(1, min(int(value), most)) if value.isdigit() else 1


def _paragraph(element: Element) -> str:
    """Return the text of a paragraph; blanks beyond one, tabs and line ends are elements of their own."""
    parts = [element.text or ""]
    for child in element:
        if child.tag == f"{_TEXT}s":
            count = child.get(f"{_TEXT}c", "1")
            parts.append(" " * min(int(count) if count.isdigit() else 1, _MAX_SPACES))
        elif child.tag == f"{_TEXT}tab":
            parts.append("\t")
        elif child.tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif child.tag != f"{_TEXT}ruby-text" and child.tag != f"{_OFFICE}annotation":
            parts.append(_paragraph(child))
        parts.append(child.tail or "")
    return "".join(parts)
