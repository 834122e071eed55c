"""Spreadsheets and delimited text into records: one chunk per row, each value with the name of its column."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from openpyxl.utils import get_column_letter

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.language import language_of
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Boundaries, Splitter
from ingest.chunkers.workbook import Row, read_sheets
from shirabe.errors import InvalidInput

_SNIFFED_CHARS: Final = 16_384
_DELIMITERS: Final = ",\t;|"
_HEADER_CELLS: Final = 2
_MAX_FIELD_CHARS: Final = 1_000_000


@dataclass(slots=True)
class _Table:
    """Rows under one header: `notes` are the lone cells above it, `names` maps a column (1-based) to its header."""

    notes: list[Row] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    records: list[Row] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The first lone cell above the header."""
        return " ".join(next(iter(self.notes[0].cells.values())).split()) if self.notes else ""


def chunk_workbook(path: str, content: bytes, splitter: Splitter) -> Drafts:
    """Return the records of every sheet of an xlsx workbook; the locator is the range of cells.

    Raises: InvalidInput.
    """
    name = PurePosixPath(path).name
    drafts: list[Draft] = []
    for sheet, rows in read_sheets(content, path):
        for table in _tables(rows):
            context = trail(name, sheet, table.title)
            for record, text in _texts(table):
                columns = sorted(record.cells)
                cells = f"{get_column_letter(columns[0])}{record.first}:{get_column_letter(columns[-1])}{record.last}"
                drafts.extend(_record(record, text, context, f"{path}#{sheet}!{cells}", (sheet,), splitter))
    return Drafts(name, tuple(drafts))


def chunk_csv(path: str, text: str, splitter: Splitter) -> Drafts:
    """Return the records of a delimited text; the locator is the lines of the record.

    Raises: InvalidInput.
    """
    name = PurePosixPath(path).name
    drafts: list[Draft] = []
    for table in _tables(_csv_rows(clean_text(text), path)):
        context = trail(name, table.title)
        for record, shown in _texts(table):
            locator = f"{path}#L{record.first}-L{record.last}"
            drafts.extend(_record(record, shown, context, locator, (), splitter))
    return Drafts(name, tuple(drafts))


def _texts(table: _Table) -> Iterator[tuple[Row, str]]:
    """Yield what becomes a chunk: the notes together unless they are only the title, then each record."""
    if len(table.notes) > 1 or (table.notes and not table.names):
        notes = [(column, value) for row in table.notes for column, value in row.cells.items()]
        lines = "\n".join(value for _, value in notes)
        yield Row(table.notes[0].first, table.notes[-1].last, dict(notes)), lines
    for record in table.records:
        yield (
            record,
            "\n".join(
                f"{table.names.get(column) or get_column_letter(column)}={value}"
                for column, value in record.cells.items()
            ),
        )


def _csv_rows(text: str, path: str) -> Iterator[Row]:
    sample = text[:_SNIFFED_CHARS]
    delimiter = "\t" if path.lower().endswith(".tsv") else _delimiter(sample)
    csv.field_size_limit(_MAX_FIELD_CHARS)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    first = 1
    try:
        for values in reader:
            cells = {column: value.strip() for column, value in enumerate(values, start=1) if value.strip()}
            yield Row(first, reader.line_num, cells)
            first = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput(str(error), f"{path}:{reader.line_num}") from None


def _delimiter(sample: str) -> str:
    """Return the delimiter that the first line has most of: the sniffer of `csv` is quadratic on some inputs."""
    first_line = next((line for line in sample.split("\n") if line.strip()), "")
    return max(_DELIMITERS, key=first_line.count)


def _tables(rows: Iterable[Row]) -> Iterator[_Table]:
    """Yield the tables of a sheet. A lone cell after a blank row, or before the first header, is a title.

    A title ends the table above it; the first row under it with two or more texts, and no number, is the header.
    """
    table = _Table()
    after_blank = True
    for row in rows:
        if not row.cells:
            after_blank = True
            continue
        lone = len(row.cells) == 1
        if lone and after_blank and table.names:
            yield table
            table = _Table()
        if not table.names and not table.records and lone:
            table.notes.append(row)
        elif not table.names and not table.records and _is_header(row):
            table.names = {column: " ".join(value.split()) for column, value in row.cells.items()}
        else:
            table.records.append(row)
        after_blank = False
    yield table


def _is_header(row: Row) -> bool:
    texts = [value for value in row.cells.values() if not value.replace(".", "").replace("-", "").isdigit()]
    return len(row.cells) >= _HEADER_CELLS and len(texts) == len(row.cells)


def _record(
    record: Row, text: str, context: str, locator: str, headings: tuple[str, ...], splitter: Splitter
) -> Iterator[Draft]:
    source = splitter.read(text)
    short = splitter.shorten(context)
    # A later part of a long record names the record by its first value.
    key = splitter.shorten(trail(context, next(iter(record.cells.values()))))
    whole = source.lines_span(1, source.line_count)
    pieces = splitter.pieces(source, whole, short if splitter.fits(short, source.text) else key, Boundaries())
    # Column names are often English where the values are not.
    language = language_of("\n".join(record.cells.values()))
    for index, piece in enumerate(pieces):
        yield Draft(
            kind="record",
            text=source.slice(piece),
            context=key if index else short,
            locator=locator,
            headings=headings,
            lang=language,
            meta={"start_line": record.first, "end_line": record.last},
        )
