"""Delimited text as a grid: the delimiter told from the text, quoted fields over several lines, lines kept."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import Final

from ingest.chunkers.sheet_grid import MAX_CELLS, MAX_COLUMN, Area, Cell, Grid, cell_text, is_value
from shirabe.errors import InvalidInput

_SNIFFED_CHARS: Final = 16_384
_SNIFFED_ROWS: Final = 50
_DELIMITERS: Final = ",\t;|"
_MAX_FIELD_CHARS: Final = 1_000_000
_DECLARED: Final = re.compile(r"\Asep=([,;|\t])\r?\n", re.IGNORECASE)


class CsvGrid:
    """The records of a delimited text, each a row of `grid`; `lines` is where each row is in the text."""

    def __init__(self, grid: Grid, lines: list[tuple[int, int]]) -> None:
        self.grid = grid
        self._lines = lines

    def lines(self, area: Area) -> tuple[int, int]:
        """Return the first and the last line (1-based) of the rows of an area."""
        return self._lines[area.top - 1][0], self._lines[area.bottom - 1][1]


def read_csv(path: str, text: str) -> CsvGrid:
    """Return the records of a delimited text with LF line ends.

    Raises: InvalidInput with the line.
    """
    declared = _DECLARED.match(text)
    skipped = 1 if declared else 0
    body = text[declared.end() :] if declared else text
    delimiter = declared[1] if declared else "\t" if path.lower().endswith(".tsv") else _delimiter(body)
    csv.field_size_limit(_MAX_FIELD_CHARS)
    reader = csv.reader(io.StringIO(body), delimiter=delimiter)
    cells: dict[tuple[int, int], Cell] = {}
    lines: list[tuple[int, int]] = []
    first = 1 + skipped
    try:
        for row, values in enumerate(reader, start=1):
            last = reader.line_num + skipped
            lines.append((first, last))
            first = last + 1
            for column, value in enumerate(values[:MAX_COLUMN], start=1):
                if shown := cell_text(value):
                    cells[row, column] = Cell(shown, typed=is_value(shown))
            if len(cells) > MAX_CELLS:
                raise InvalidInput(f"more than {MAX_CELLS} cells", f"{path}:{last}")
    except csv.Error as error:
        raise InvalidInput(str(error), f"{path}:{reader.line_num + skipped}") from None
    return CsvGrid(Grid("", cells), lines)


def _delimiter(text: str) -> str:
    """Return the delimiter by which most of the first records have the same number of fields.

    The sniffer of `csv` is quadratic on some inputs.
    """
    sample = text[:_SNIFFED_CHARS]
    return max(_DELIMITERS, key=lambda delimiter: _agreement(sample, delimiter))


def _agreement(sample: str, delimiter: str) -> tuple[int, int]:
    """Return how many records have the width that is most frequent, and that width; lone fields tell nothing."""
    widths: Counter[int] = Counter()
    try:
        for row, values in enumerate(csv.reader(io.StringIO(sample), delimiter=delimiter)):
            if row >= _SNIFFED_ROWS:
                break
            widths[len(values)] += len(values) > 1
    except csv.Error:
        return 0, 0
    if not widths:
        return 0, 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return count, width
