"""xls files, which Excel wrote until 2007, as grids. Pure, and run in the sandbox.

The reader gives values and merged cells, and no formats: dates are written as `2026/11/23`, numbers plainly.
"""

from __future__ import annotations

import io
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from ingest.chunkers.sheet_grid import MAX_CELLS, Area, Cell, Grid, cell_text
from ingest.chunkers.workbook_format import general
from shirabe.errors import InvalidInput

_DATE: Final = "%Y/%m/%d"


def read_xls(content: bytes) -> list[dict[str, Any]]:
    """Return the visible sheets of a workbook as `Grid.plain` data. Raises: InvalidInput."""
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        with book:
            return [
                _grid(book.get_sheet_by_index(index)).plain()
                for index, facts in enumerate(book.sheets_metadata)
                if facts.visible == SheetVisibleEnum.Visible and facts.typ == SheetTypeEnum.WorkSheet
            ]
    except CalamineError as error:
        raise InvalidInput(f"not a readable xls workbook ({str(error)[:200]})") from None


def _grid(sheet: CalamineSheet) -> Grid:
    cells: dict[tuple[int, int], Cell] = {}
    # With the blank rows and columns before the first cell, so that places are true.
    for row, values in enumerate(sheet.to_python(skip_empty_area=False), start=1):
        for column, value in enumerate(values, start=1):
            text = "" if value == "" else _shown(value)
            if text:
                cells[row, column] = Cell(text, typed=not isinstance(value, str))
        if len(cells) > MAX_CELLS:
            raise InvalidInput(f"more than {MAX_CELLS} cells", f"#{sheet.name}!A{row}")
    merged = tuple(
        Area(top + 1, left + 1, bottom + 1, right + 1)
        for (top, left), (bottom, right) in sheet.merged_cell_ranges or []
    )
    return Grid(sheet.name, cells, merged)


def _shown(value: str | float | date | time | timedelta) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return general(value)
    if isinstance(value, datetime) and value.time() != time():
        return f"{value:{_DATE} %H:%M}"
    if isinstance(value, date):
        return f"{value:{_DATE}}"
    return cell_text(str(value))
