"""Reading xlsx files from strangers: cells as text, bounded in size, cells merged downwards repeated in every row."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from shirabe.errors import InvalidInput

MAX_BYTES: Final = 200_000_000
MAX_RATIO: Final = 200
MAX_PARTS: Final = 10_000
MAX_CELLS: Final = 2_000_000
_SMALL_BYTES: Final = 10_000_000
_BLOCK_BYTES: Final = 1_000_000
_OVERLAP_BYTES: Final = 200
_PART: Final = "_worksheet_path"  # the sheet's part in the archive; the type stubs leave it out
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell ref="([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"')


@dataclass(frozen=True, slots=True)
class Row:
    """A row on lines or sheet rows `first` to `last`: {column (1-based): text that is not blank}."""

    first: int
    last: int
    cells: dict[int, str]


def read_sheets(content: bytes, path: str) -> list[tuple[str, list[Row]]]:
    """Return each visible sheet's name and rows, blank rows between others included.

    Raises: InvalidInput for a file that is not xlsx, is damaged, or would grow past the caps.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_size(archive, path)
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            try:
                return list(_sheets(book, archive, path))
            finally:
                book.close()
    except (
        zipfile.BadZipFile,
        InvalidFileException,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        OSError,
        NotImplementedError,
    ) as error:
        # openpyxl answers damaged parts with whatever broke first; defusedxml's refusals are ValueErrors too.
        reason = (str(error).splitlines() or [""])[0]
        raise InvalidInput(f"not a readable xlsx workbook ({type(error).__name__}: {reason[:200]})", path) from None


def _check_size(archive: zipfile.ZipFile, path: str) -> None:
    parts = archive.infolist()
    total = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if len(parts) > MAX_PARTS:
        raise InvalidInput(f"more than {MAX_PARTS} parts", path)
    if total > MAX_BYTES or (total > _SMALL_BYTES and total > MAX_RATIO * max(packed, 1)):
        raise InvalidInput(f"unpacks to {total} bytes from {packed}, more than is read", path)


def _sheets(book: Workbook, archive: zipfile.ZipFile, path: str) -> Iterator[tuple[str, list[Row]]]:
    seen = 0
    for sheet in book.worksheets:
        if not isinstance(sheet, ReadOnlyWorksheet) or sheet.sheet_state != "visible":
            continue
        # What a file says of its own size need not be so, and may be the whole grid.
        sheet.reset_dimensions()
        merged = _merged_down(archive, sheet)
        rows: list[Row] = []
        above: dict[int, tuple[str, int]] = {}
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            seen += max(1, len(values))
            if seen > MAX_CELLS:
                raise InvalidInput(f"more than {MAX_CELLS} cells", f"{path}#{sheet.title}!A{number}")
            cells = {column: text for column, value in enumerate(values, start=1) if (text := _shown(value))}
            if cells:
                for column, (text, last) in above.items():
                    if number <= last:
                        cells.setdefault(column, text)
                above.update({c: (t, merged[c, number]) for c, t in cells.items() if (c, number) in merged})
            if cells or (rows and rows[-1].cells):
                rows.append(Row(number, number, dict(sorted(cells.items()))))
        yield sheet.title, rows


def _merged_down(archive: zipfile.ZipFile, sheet: ReadOnlyWorksheet) -> dict[tuple[int, int], int]:
    """Return (column, first row) -> last row of every merged range with more than one row.

    The read-only sheet does not keep merged ranges; they stand after the cells, so the part is scanned once.
    """
    merged: dict[tuple[int, int], int] = {}
    kept = b""
    with archive.open(getattr(sheet, _PART)) as part:
        while block := part.read(_BLOCK_BYTES):
            data = kept + block
            for match in _MERGED.finditer(data):
                column, first, _, last = (edge or 1 for edge in range_boundaries(match[1].decode("ascii")))
                if last > first:
                    merged[column, first] = last
            kept = data[-_OVERLAP_BYTES:]
    return merged


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value).strip()
