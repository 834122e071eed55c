"""Sheets for tests: grids out of rows, xlsx and ods files, and what they are cut into."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from fake_tokens import FakeTokens
from openpyxl import Workbook
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from ingest.chunkers.draft import Draft
from ingest.chunkers.sheet import chunk_sheet
from ingest.chunkers.sheet_grid import Area, Cell, Grid, is_value
from ingest.chunkers.split import Splitter
from ingest.glossary import TermColumns
from ingest.media_types import GRID, media_type_of
from shirabe.types import Document

TOKENS = FakeTokens()
Value = str | int | float | bool | datetime | date | time | None
_RANGE = re.compile(r"^([A-Z]+)(\d+)(?::([A-Z]+)(\d+))?$")


def area(cells: str) -> Area:
    """Return the rectangle that `B2:D4` or `B2` names."""
    match = _RANGE.match(cells)
    assert match is not None, cells
    left, top = _column(match[1]), int(match[2])
    return Area(top, left, int(match[4] or top), _column(match[3] or match[1]))


def grid(*rows: Sequence[Value], bold: str = "", merged: str = "", at: str = "A1", **more: Any) -> Grid:
    """Return a sheet; `bold` and `merged` are areas, `B2:D4 F1`, `at` is where the first row begins."""
    start = area(at)
    marked = [area(cells) for cells in bold.split()]
    found = {}
    for row, values in enumerate(rows, start=start.top):
        for column, value in enumerate(values, start=start.left):
            if value is not None:
                text = str(value)
                look = int(any(one.covers(row, column) for one in marked))
                found[row, column] = Cell(text, not isinstance(value, str) or is_value(text), look)
    return Grid("表", found, tuple(area(cells) for cells in merged.split()), **more)


def cut(sheet: Grid, max_tokens: int = 320, terms: TermColumns | None = None) -> tuple[Draft, ...]:
    """Return the chunks of a sheet."""
    content = json.dumps(sheet.plain()).encode()
    return chunk_sheet(document("s/1", content, GRID, title="台帳"), Splitter(TOKENS, max_tokens), terms).chunks


def cut_file(path: str, content: bytes, max_tokens: int = 320, terms: TermColumns | None = None) -> tuple[Draft, ...]:
    """Return the chunks of a file, read as a source's file is."""
    kind = media_type_of(path, content)
    assert kind is not None
    return chunk_sheet(document(path, content, kind), Splitter(TOKENS, max_tokens), terms).chunks


def document(path: str, content: bytes, media_type: str, *, title: str = "", **more: Any) -> Document:
    """Return a document of these bytes."""
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return Document("d", "s", path, "https://sheets.example.org/1", title, content, media_type, "1", moment, **more)


def texts(chunks: Sequence[Draft]) -> list[str]:
    """Return what the chunks say."""
    return [chunk.text for chunk in chunks]


def places(chunks: Sequence[Draft]) -> list[str]:
    """Return the cells that the chunks come from."""
    return [chunk.meta["cells"] for chunk in chunks]


def book(*rows: Sequence[Value], title: str = "用語", bold: str = "", merged: str = "") -> Workbook:
    """Return a workbook with one sheet of these rows."""
    made = Workbook()
    sheet = first_of(made)
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for cells in bold.split():
        for line in sheet[cells]:
            for cell in line:
                cell.font = Font(bold=True)
                cell.fill = PatternFill("solid", fgColor="FFDDEEFF")
    for cells in merged.split():
        sheet.merge_cells(cells)
    return made


def first_of(made: Workbook) -> Worksheet:
    """Return the first sheet of a workbook."""
    sheet = made.active
    assert isinstance(sheet, Worksheet)
    return sheet


def saved(made: Workbook) -> bytes:
    """Return a workbook as the file it is saved as."""
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def archive(parts: Mapping[str, bytes | str]) -> bytes:
    """Return a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return out.getvalue()


def replaced(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """Return an archive with something replaced in one of its parts."""
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        parts = {name: made.read(name) for name in made.namelist()}
    assert old in parts[part], parts[part][:2_000]
    return archive({**parts, part: parts[part].replace(old, new)})


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
