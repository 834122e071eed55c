"""Spreadsheets into records: one chunk per row of a table or per form, each value with its name; cells as locator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, Final

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.glossary_terms import term_drafts
from ingest.chunkers.language import language_of
from ingest.chunkers.sheet_csv import read_csv
from ingest.chunkers.sheet_grid import Area, Grid
from ingest.chunkers.sheet_titles import titled
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Boundaries, Splitter
from ingest.chunkers.table import Form, Line, Table, units_of
from ingest.chunkers.table_records import Entry, Record
from ingest.chunkers.workbook import WORKBOOKS, read_workbook
from ingest.decoding import decode_text
from ingest.glossary import TermColumns, term_of
from ingest.media_types import GRID
from shirabe.errors import InvalidInput
from shirabe.types import Document

MAX_RECORDS: Final = 100_000
_MATRIX_COLUMNS: Final = 60
_MATRIX_SHARE: Final = 0.9
_CODE_CHARS: Final = 3
_RUN: Final = 4

Locate = Callable[[Area], tuple[str, Mapping[str, Any]]]
"""Returns the locator of an area of cells, and what `meta` says of it."""


def chunk_sheet(document: Document, splitter: Splitter, terms: TermColumns | None) -> Drafts:
    """Return the records of a spreadsheet; the locator is the range of cells, of delimited text the lines.

    Args:
        document: a workbook, delimited text, or a sheet that a collector laid down.
        splitter: cuts what is too long.
        terms: the rows are terms of a glossary, in these columns.

    Raises: InvalidInput, Unavailable.
    """
    path, name = document.path, PurePosixPath(document.path).name
    if document.media_type in WORKBOOKS:
        drafts: list[Draft] = []
        for grid in read_workbook(document.content, path, document.media_type):
            locate = _in_sheet(f"{path}#{grid.name}!", grid.name)
            drafts += _SheetChunker(splitter, locate, (name, grid.name), (grid.name,), terms).chunk(grid, path)
        return Drafts(name, tuple(drafts))
    if document.media_type == GRID:
        return _chunk_grid(document, splitter, terms)
    table = read_csv(path, clean_text(decode_text(document.content).text))

    def locate_lines(area: Area) -> tuple[str, Mapping[str, Any]]:
        first, last = table.lines(area)
        return f"{path}#L{first}-L{last}", {"start_line": first, "end_line": last}

    return Drafts(name, tuple(_SheetChunker(splitter, locate_lines, (name,), (), terms).chunk(table.grid, path)))


def _chunk_grid(document: Document, splitter: Splitter, terms: TermColumns | None) -> Drafts:
    try:
        grid = Grid.of_plain(json.loads(document.content))
    except (ValueError, RecursionError):
        raise InvalidInput("not the cells of a sheet", document.path) from None
    title = document.title or document.path
    locate = _at_address(document.uri, grid.name)
    chunker = _SheetChunker(splitter, locate, (title, grid.name), (grid.name,), terms)
    return Drafts(title, tuple(chunker.chunk(grid, document.path)))


def _in_sheet(place: str, sheet: str) -> Locate:
    return lambda area: (f"{place}{area.cells}", {"sheet": sheet, "cells": area.cells})


def _at_address(uri: str, sheet: str) -> Locate:
    return lambda area: (f"{uri}&range={area.cells}", {"sheet": sheet, "cells": area.cells})


class _SheetChunker:
    """Cuts one sheet. `names` are the titles around it, `headings` those that a hit shows."""

    def __init__(
        self,
        splitter: Splitter,
        locate: Locate,
        names: tuple[str, ...],
        headings: tuple[str, ...],
        terms: TermColumns | None,
    ) -> None:
        self._splitter = splitter
        self._locate = locate
        self._names = names
        self._headings = headings
        self._terms = terms

    def chunk(self, grid: Grid, path: str) -> Iterator[Draft]:
        """Yield the chunks of a sheet. Raises: InvalidInput when it has too many records."""
        count = 0
        for part in titled(units_of(grid)):
            unit = part.unit
            if isinstance(unit, Table):
                count += len(unit.records)
                if count > MAX_RECORDS:
                    raise InvalidInput(f"more than {MAX_RECORDS} records", f"{path}#{grid.name}")
                yield from self._table(unit, part.titles)
            elif isinstance(unit, Form):
                yield from self._record(unit.record, part.titles)
            else:
                yield from self._lines([line for text in unit for line in text.lines], "text", part.titles)

    def _table(self, table: Table, titles: tuple[str, ...]) -> Iterator[Draft]:
        fields = self._terms.fields(table.columns.values()) if self._terms is not None else {}
        if not fields and _is_matrix(table):
            yield from self._lines(list(_outline(table)), "table", titles)
            return
        for record in table.records:
            term = self._term(record, fields, titles) if fields else []
            yield from term or self._record(record, titles)

    def _term(self, record: Record, fields: Mapping[str, str], titles: tuple[str, ...]) -> list[Draft]:
        """Return the chunks of a row that is a term; none for a row without a name."""
        term = term_of({fields[entry.name]: entry.text for entry in record.entries if entry.name in fields})
        if term is None:
            return []
        locator, meta = self._locate(record.area)
        others = [entry for entry in record.entries if entry.name not in fields]
        more = [_line(*value) for entry in others for value in _values(entry)]
        context = trail(*self._names, *titles, record.section)
        return list(
            term_drafts(
                term, self._splitter, context=context, locator=locator, headings=self._headings, meta=meta, more=more
            )
        )

    def _record(self, record: Record, titles: tuple[str, ...]) -> Iterator[Draft]:
        context = self._splitter.shorten(trail(*self._names, *titles, record.section))
        # A later part of a long record names the record by its first value.
        key = self._splitter.shorten(trail(*self._names, *titles, record.section, record.label))
        locator, meta = self._locate(record.area)
        facts = {**meta, **({"number": record.number} if record.number else {})}
        # Column names are often English where the values are not.
        language = language_of("\n".join(entry.text for entry in record.entries))
        for index, text in enumerate(self._packed(record.entries, context, key)):
            yield Draft("record", text, key if index else context, locator, self._headings, language, facts)

    def _packed(self, entries: Sequence[Entry], context: str, key: str) -> Iterator[str]:
        """Yield the lines of a record, together where they fit; a value that is cut has its name on each part."""
        values = [value for entry in _runs_joined(entries) for value in _values(entry)]
        text = "\n".join(_line(*value) for value in values)
        if self._splitter.fits(context, text):
            yield text
            return
        held: list[str] = []
        for name, value in values:
            line = _line(name, value)
            if held and not self._splitter.fits(key, "\n".join((*held, line))):
                yield "\n".join(held)
                held = []
            if self._splitter.fits(key, line):
                held.append(line)
            else:
                yield from self._cut(self._splitter.shorten(name), value, key)
        if held:
            yield "\n".join(held)

    def _cut(self, name: str, value: str, key: str) -> Iterator[str]:
        source = self._splitter.read(value)
        whole = source.lines_span(1, source.line_count)
        for piece in self._splitter.pieces(source, whole, f"{key}\n{_line(name, '')}", Boundaries()):
            yield _line(name, source.slice(piece))

    def _lines(self, lines: Sequence[Line], kind: str, titles: tuple[str, ...]) -> Iterator[Draft]:
        """Yield lines of text packed into chunks, each with the cells it comes from."""
        texts = ["\n".join(_remarked(line)) for line in lines]
        # A cell may hold several lines.
        owners = [line for line, text in zip(lines, texts, strict=True) for _ in range(text.count("\n") + 1)]
        source = self._splitter.read("\n".join(texts))
        context = self._splitter.shorten(trail(*self._names, *titles))
        for piece in self._splitter.pieces(source, source.lines_span(1, source.line_count), context, Boundaries()):
            place = source.place(piece)
            areas = [line.area for line in owners[place["start_line"] - 1 : place["end_line"]]]
            locator, meta = self._locate(_around(areas))
            yield Draft(kind, source.slice(piece), context, locator, self._headings, None, meta)


def _runs_joined(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield entries with the same mark in many numbered columns side by side as one: `1日–10日=■`."""
    for _, group in groupby(enumerate(entries), key=lambda item: (item[1].area.left - item[0], item[1].text)):
        run = [entry for _, entry in group]
        first, last = run[0], run[-1]
        is_mark = len(first.text) <= _CODE_CHARS and not any(entry.cell.note or entry.cell.link for entry in run)
        if len(run) < _RUN or not is_mark or not all(any(map(str.isdigit, entry.name)) for entry in run):
            yield from run
            continue
        area = Area(first.area.top, first.area.left, first.area.bottom, last.area.right)
        yield Entry(f"{first.name}–{last.name}", first.text, first.cell, area)


def _values(entry: Entry) -> Iterator[tuple[str, str]]:
    """Yield what is written in a record's cell, and what was remarked on it, each with its name."""
    link = f" <{entry.cell.link}>" if entry.cell.link and entry.cell.link not in entry.text else ""
    yield entry.name, f"{entry.text}{link}"
    if entry.cell.note:
        yield f"{entry.name or entry.text} (note)", entry.cell.note


def _line(name: str, value: str) -> str:
    return f"{name}={value}" if name else value


def _remarked(line: Line) -> Iterator[str]:
    cells = [slot.cell for slot in line.slots]
    links = " ".join(f"<{cell.link}>" for cell in cells if cell.link and cell.link not in line.text)
    yield f"{line.text} {links}".rstrip()
    yield from (f"(note)={cell.note}" for cell in cells if cell.note)


def _is_matrix(table: Table) -> bool:
    """Tell whether a table is wide and holds next to nothing but numbers, marks and codes."""
    if len(table.columns) <= _MATRIX_COLUMNS:
        return False
    cells = [entry for record in table.records for entry in record.entries[1:]]
    short = sum(entry.cell.typed or len(entry.text) <= _CODE_CHARS for entry in cells)
    return short >= _MATRIX_SHARE * len(cells)


def _outline(table: Table) -> Iterator[Line]:
    """Yield what a wide matrix is searched by: the names of its columns, and of its rows."""
    top = table.area.top
    head = Area(top, table.area.left, max(top, table.records[0].area.top - 1), table.area.right)
    yield Line(" | ".join(table.columns.values()), head)
    for record in table.records:
        words = [entry for entry in record.entries if not entry.cell.typed and len(entry.text) > _CODE_CHARS]
        text = " | ".join(" ".join(entry.text.split()) for entry in words or record.entries[:1])
        yield Line(text, record.area)


def _around(areas: Sequence[Area]) -> Area:
    return Area(
        min(area.top for area in areas),
        min(area.left for area in areas),
        max(area.bottom for area in areas),
        max(area.right for area in areas),
    )
