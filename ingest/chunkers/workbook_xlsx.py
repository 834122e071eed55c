"""xlsx and xlsm files as grids: values as they are shown, the cached results of formulas, links, notes, what is hidden.

Pure, and run in the sandbox: openpyxl answers damaged files with whatever breaks first. A sheet is read row by row, so
that its cells are held once.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from openpyxl import load_workbook
from openpyxl.comments import comment_sheet
from openpyxl.packaging import relationship
from openpyxl.styles.fills import PatternFill
from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.utils import datetime as serial_days
from openpyxl.utils import range_boundaries
from openpyxl.workbook.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import WorkSheetParser
from openpyxl.xml.constants import COMMENTS_NS

from ingest.archives import open_archive, read_xml
from ingest.chunkers.sheet_grid import MAX_CELLS, MAX_COLUMN, Area, Cell, Grid, cell_text
from ingest.chunkers.workbook_format import BUILT_IN, shown_number
from shirabe.errors import InvalidInput

# The stubs of these are untyped, or stricter than the code.
_SERIALS: Final[Any] = serial_days
_PACKAGES: Final[Any] = relationship
_COMMENTS: Final[Any] = comment_sheet
_CUSTOM_FORMATS: Final = 164
_WHITE: Final = ("FFFFFFFF", "00FFFFFF")
_NARROW_CHARS: Final = 4.5
_SQUARED_COLUMNS: Final = 8
_TRUE: Final = ("1", "true")
_MAX_NOTE_CHARS: Final = 4_000
_MIDNIGHT: Final = re.compile(r"(\d[-/]\d{1,2}) 0?0:00(?::00)?$")
_MAX_AREAS: Final = 100_000
# Excel writes a threaded comment a second time, after a notice for those who cannot read threads.
_THREAD_NOTICE: Final = re.compile(r"\A\[[^\]]+\].*?(?:Comment|コメント)\s*[:：]\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Style:
    code: str
    look: int


def read_xlsx(content: bytes) -> list[dict[str, Any]]:
    """Return the visible sheets of a workbook as `Grid.plain` data.

    Raises: InvalidInput, and whatever openpyxl breaks with.
    """
    open_archive(content).close()
    with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        # What openpyxl would not write back (drawings, validations) is nothing to a reader.
        warnings.simplefilter("ignore")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        try:
            reader = _BookReader(book, archive)
            return [
                reader.grid(sheet).plain()
                for sheet in book.worksheets
                if isinstance(sheet, ReadOnlyWorksheet) and sheet.sheet_state == "visible"
            ]
        finally:
            book.close()


class _BookReader:
    def __init__(self, book: Workbook, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._read = 0
        # The stubs leave out what the package keeps of styles.
        kept: Any = book
        self._book = kept
        self._epoch_1904 = kept.epoch == serial_days.MAC_EPOCH
        self._styles: dict[int, _Style] = {}
        self._looks: dict[tuple[bool, str], int] = {(False, ""): 0}

    def grid(self, sheet: ReadOnlyWorksheet) -> Grid:
        inner: Any = sheet
        part: str = inner._worksheet_path
        cells: dict[tuple[int, int], Cell] = {}
        with self._archive.open(part) as source:
            parser: Any = WorkSheetParser(source, inner._shared_strings, data_only=True)
            for number, values in parser.parse():
                self._read += len(values)
                cells |= self._row(values)
                if self._read > 4 * MAX_CELLS or len(cells) > MAX_CELLS:
                    raise InvalidInput(f"more than {MAX_CELLS} cells", f"#{sheet.title}!A{number}")
        rels_part = _PACKAGES.get_rels_path(part)
        has_rels = rels_part in self._archive.namelist()
        rels = _PACKAGES.get_dependents(self._archive, rels_part) if has_rels else relationship.RelationshipList()
        for place, link in _links(parser, rels):
            if place in cells:
                cells[place] = _with(cells[place], link=link)
        for place, note in self._notes(rels):
            cells[place] = _with(cells.get(place, Cell("")), note=note)
        hidden_rows, hidden_columns = _hidden_rows(parser), _hidden_columns(parser)
        return Grid(
            name=sheet.title,
            cells={
                (row, column): cell
                for (row, column), cell in cells.items()
                if row not in hidden_rows and column not in hidden_columns and column <= MAX_COLUMN
            },
            merged=tuple(_merged(parser)),
            hidden_rows=hidden_rows,
            hidden_columns=hidden_columns,
            squared=_is_squared(parser, cells),
        )

    def _row(self, values: list[dict[str, Any]]) -> Iterator[tuple[tuple[int, int], Cell]]:
        for value in values:
            if value["value"] is None:
                continue
            style = self._style(value["style_id"])
            text, typed = self._shown(value["value"], style.code)
            if text:
                yield (value["row"], value["column"]), Cell(text, typed, style.look)

    def _shown(self, value: object, code: str) -> tuple[str, bool]:
        """Return a value as it is shown, and whether it is more than text."""
        if isinstance(value, bool):
            return ("TRUE" if value else "FALSE"), True
        if isinstance(value, int | float):
            return _without_midnight(shown_number(value, code, epoch_1904=self._epoch_1904)), True
        if isinstance(value, datetime | date | time | timedelta):
            serial = _SERIALS.to_excel(value)
            return _without_midnight(shown_number(float(serial), code if code != "General" else BUILT_IN[22])), True
        return cell_text(str(value)), False

    def _style(self, number: int) -> _Style:
        style = self._styles.get(number)
        if style is None:
            style = self._styles[number] = self._new_style(number)
        return style

    def _new_style(self, number: int) -> _Style:
        book = self._book
        try:
            kept = book._cell_styles[number]
            font, fill = book._fonts[kept.fontId], book._fills[kept.fillId]
        except IndexError:
            return _Style("General", 0)
        key = (bool(font.b), _colour(fill))
        return _Style(_code(kept.numFmtId, book._number_formats), self._looks.setdefault(key, len(self._looks)))

    def _notes(self, rels: relationship.RelationshipList) -> Iterator[tuple[tuple[int, int], str]]:
        for rel in rels.find(COMMENTS_NS):
            root = read_xml(self._archive, rel.target)
            if root is None:
                continue
            sheet = _COMMENTS.CommentSheet.from_tree(root)
            for reference, comment in sheet.comments:
                column, row, _, _ = range_boundaries(reference)
                text = _THREAD_NOTICE.sub("", str(comment.text or ""), count=1).strip()
                # Excel begins a comment with who wrote it, on a line of its own.
                text = text.removeprefix(f"{comment.author}:").strip()
                if text and row and column:
                    yield (row, column), text[:_MAX_NOTE_CHARS]


def _without_midnight(text: str) -> str:
    """Return a date without the hour that nobody wrote: programs give every date one."""
    return _MIDNIGHT.sub(r"\1", text).strip()


def _with(cell: Cell, *, link: str = "", note: str = "") -> Cell:
    return Cell(cell.text, cell.typed, cell.look, link or cell.link, note or cell.note)


def _code(number: int, custom: list[str]) -> str:
    if number >= _CUSTOM_FORMATS:
        place = number - _CUSTOM_FORMATS
        return custom[place] if place < len(custom) else "General"
    return BUILT_IN.get(number) or BUILTIN_FORMATS.get(number, "General")


def _colour(fill: Any) -> str:
    """Return what names a fill; empty for none and for white."""
    if not isinstance(fill, PatternFill):
        return "gradient"
    if fill.fill_type in (None, "none"):
        return ""
    colour: Any = fill.fgColor
    if colour.type == "theme":
        # Theme colour 0 is the paper.
        return "" if colour.theme == 0 and colour.tint >= 0 else f"theme{colour.theme}{colour.tint:.2f}"
    return "" if colour.type == "rgb" and colour.rgb in _WHITE else f"{colour.type}{colour.value}"


def _links(parser: Any, rels: relationship.RelationshipList) -> Iterator[tuple[tuple[int, int], str]]:
    targets = {rel.Id: rel.Target for rel in rels}
    for link in parser.hyperlinks.hyperlink:
        target = targets.get(link.id, "") if link.id else ""
        if target and target.startswith(("http://", "https://", "mailto:")):
            column, row, _, _ = range_boundaries(link.ref)
            yield (row or 1, column or 1), target


def _merged(parser: Any) -> Iterator[Area]:
    ranges = parser.merged_cells.mergeCell if parser.merged_cells is not None else []
    for reference in ranges[:_MAX_AREAS]:
        left, top, right, bottom = range_boundaries(reference.ref)
        if left and top and right and bottom and (right > left or bottom > top):
            yield Area(top, left, bottom, right)


def _hidden_rows(parser: Any) -> frozenset[int]:
    """Return the rows that were hidden by hand; those that a filter leaves out, or that are folded, are read."""
    filtered = getattr(parser, "auto_filter", None)
    first = last = 0
    if filtered is not None and filtered.ref and filtered.filterColumn:
        _, first, _, last = (edge or 0 for edge in range_boundaries(filtered.ref))
    hidden = (int(row) for row, facts in parser.row_dimensions.items() if _is_hidden(facts))
    return frozenset(row for row in hidden if not first <= row <= last)


def _hidden_columns(parser: Any) -> frozenset[int]:
    ranges = ((int(facts["min"]), int(facts["max"])) for facts in _columns(parser) if _is_hidden(facts))
    return frozenset(column for first, last in ranges for column in range(first, min(last, MAX_COLUMN) + 1))


def _is_hidden(facts: Mapping[str, str]) -> bool:
    return facts.get("hidden") in _TRUE and facts.get("outlineLevel", "0") == "0"


def _columns(parser: Any) -> list[Mapping[str, str]]:
    return list(parser.column_dimensions.values())


def _is_squared(parser: Any, cells: Mapping[tuple[int, int], Cell]) -> bool:
    """Tell whether most columns in use are as narrow as on squared paper."""
    used = max((column for _, column in cells), default=0)
    if used < _SQUARED_COLUMNS:
        return False
    form = getattr(parser, "sheet_format", None)
    default = float((form and (form.defaultColWidth or form.baseColWidth)) or _NARROW_CHARS * 2)
    widths = dict.fromkeys(range(1, min(used, MAX_COLUMN) + 1), default)
    for facts in _columns(parser):
        if "width" in facts:
            for column in range(int(facts["min"]), min(int(facts["max"]), used) + 1):
                widths[column] = float(facts["width"])
    return sum(width <= _NARROW_CHARS for width in widths.values()) > 0.7 * len(widths)
