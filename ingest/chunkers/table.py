"""What stands on a sheet: tables with their records, forms, and text. Pure; places are those of the sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ingest.chunkers.sheet_grid import Area, Cell, Grid
from ingest.chunkers.table_form import form_rows, pairs_of
from ingest.chunkers.table_header import MARKER, column_names, header_place, is_emphasised, is_label
from ingest.chunkers.table_layout import Block, Row, Slot, blocks_of, is_squared
from ingest.chunkers.table_records import NOTE, Entry, Record, records_of

_LONG_CHARS: Final = 30
_MARKED_SHARE: Final = 0.6
_REGULAR: Final = 0.5


@dataclass(frozen=True, slots=True)
class Table:
    """Records under one header; `columns` maps a column that has a name to it."""

    area: Area
    columns: dict[int, str]
    records: tuple[Record, ...]
    has_look: bool


@dataclass(frozen=True, slots=True)
class Form:
    """Names and values side by side, as one record."""

    area: Area
    record: Record


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text and the slots that it is in."""

    text: str
    area: Area
    slots: tuple[Slot, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """Lines of text that stand together."""

    area: Area
    lines: tuple[Line, ...]


Unit = Table | Form | Text


def units_of(grid: Grid) -> list[Unit]:
    """Return what stands on a sheet, in reading order."""
    reader = _Reader(squared=is_squared(grid))
    for block in blocks_of(grid):
        reader.read(block)
    return reader.units


def overlap(one: Area, other: Area) -> bool:
    """Tell whether two areas share columns."""
    return one.left <= other.right and other.left <= one.right


class _Reader:
    def __init__(self, *, squared: bool) -> None:
        self.units: list[Unit] = []
        self._squared = squared

    def read(self, block: Block) -> None:
        """Read one block: text, forms and tables follow each other in it without a blank row."""
        rows = list(block.rows)
        if self._continue_table(block, rows):
            return
        while rows:
            taken = self._lone_rows(rows)
            if taken:
                self.units.append(_text(rows[:taken]))
            elif taken := form_rows(rows, squared=self._squared):
                self.units.append(_form(rows[:taken]))
            elif _is_list(rows):
                taken = len(rows)
                self.units.append(_text(rows))
            else:
                taken = self._table(rows)
            del rows[:taken]

    def _lone_rows(self, rows: Sequence[Row]) -> int:
        """Return how many of the first rows hold one text each and are no header of a group."""
        count = next((n for n, row in enumerate(rows) if len(row.slots) > 1), len(rows))
        if 0 < count < len(rows):
            first, length = header_place(rows[count - 1 :])
            if length > 1 and first == 0:
                count -= 1
        return count

    def _table(self, rows: list[Row]) -> int:
        """Read the table that a block begins with, and return the number of rows it takes."""
        first, count = header_place(rows)
        if first:
            # Who made it and when, in the corner above the table.
            taken = form_rows(rows[:first], squared=self._squared)
            self.units.append(_form(rows[:taken]) if taken else _text(rows[:first]))
            return taken or first
        header, body = rows[:count], rows[count:]
        if not body or (not header and not _is_regular(body)):
            self.units.append(_text(rows))
            return len(rows)
        end = _table_end(header, body)
        columns = sorted({slot.area.left for row in rows[: count + end] for slot in row.slots})
        names = column_names(header, columns)
        taken_rows = _without_repeated_header(header, body[:end])
        self.units.append(
            Table(
                area=_around(rows[: count + end]),
                columns=names,
                records=tuple(records_of(taken_rows, names)),
                has_look=bool(header) and is_emphasised(header[0]),
            )
        )
        return count + end

    def _continue_table(self, block: Block, rows: list[Row]) -> bool:
        """Add a block to the table above it when it goes on there after a blank row."""
        place = self._table_above(block)
        if place is None:
            return False
        table = self.units[place]
        if not isinstance(table, Table) or not _goes_on(table, rows):
            return False
        end = _table_end((), rows)
        if end < len(rows):
            return False
        more = records_of(rows, table.columns)
        area = _around(rows)
        self.units[place] = replace(
            table,
            area=replace(table.area, bottom=area.bottom),
            records=(*table.records, *more),
        )
        return True

    def _table_above(self, block: Block) -> int | None:
        """Return the place of the table that ends over a block, nothing but the blank between them."""
        for place in range(len(self.units) - 1, -1, -1):
            unit = self.units[place]
            if unit.area.left > block.right or block.left > unit.area.right:
                continue
            fits = unit.area.left <= block.left and block.right <= unit.area.right
            return place if isinstance(unit, Table) and fits else None
        return None


def _goes_on(table: Table, rows: Sequence[Row]) -> bool:
    """Tell whether rows after a blank one are more records of a table, and no table, form or title of their own."""
    first = rows[0]
    if len(first.slots) == 1 or NOTE.match(first.slots[0].text) or not table.columns:
        return False
    if table.has_look:
        looks = {slot.cell.look != 0 for slot in first.slots}
        return looks == {False}
    if not all(map(is_label, first.slots)):
        return True
    if not first.columns <= table.columns.keys():
        return False
    body = rows[1:]
    typed = {slot.area.left for row in body for slot in row.slots if slot.is_value}
    return not any(slot.area.left in typed for slot in first.slots)


def _table_end(header: Sequence[Row], body: Sequence[Row]) -> int:
    """Return how many rows belong to a table: up to remarks at the end of the block, or another header."""
    end = len(body)
    while end > 1 and _is_remark(body[end - 1]):
        end -= 1
    if not header or not is_emphasised(header[0]):
        return end
    for index in range(1, end - 1):
        row = body[index]
        if not _is_header_like(row, header) or _is_header_like(body[index - 1], header):
            continue
        if _texts(row) == _texts(header[-1]) or is_emphasised(body[index + 1]):
            continue
        # The title of the next table stands over its header.
        start = index
        while start > 1 and len(body[start - 1].slots) == 1:
            start -= 1
        return start
    return end


def _is_header_like(row: Row, header: Sequence[Row]) -> bool:
    looks = {slot.cell.look for head in header for slot in head.slots}
    return len(row.slots) > 1 and all(is_label(slot) and slot.cell.look in looks - {0} for slot in row.slots)


def _is_remark(row: Row) -> bool:
    if len(row.slots) > 1:
        return NOTE.match(row.slots[0].text) is not None and len(row.slots) == 2
    slot = row.slots[0]
    return bool(NOTE.match(slot.text)) or slot.is_wide or len(slot.text) > _LONG_CHARS or slot.text == "以上"


def _without_repeated_header(header: Sequence[Row], body: Sequence[Row]) -> list[Row]:
    """Return rows without those that say the header again, as a sheet laid out for paper does."""
    known = [_texts(row) for row in header if len(row.slots) > 1]
    return [row for row in body if _texts(row) not in known]


def _texts(row: Row) -> tuple[str, ...]:
    return tuple(slot.text for slot in row.slots)


def _is_list(rows: Sequence[Row]) -> bool:
    """Tell whether rows are lines of text, most with a number or a mark in a cell before them."""
    marked = sum(len(row.slots) == 2 and MARKER.match(row.slots[0].text) is not None for row in rows)
    return marked >= _MARKED_SHARE * len(rows) and all(len(row.slots) <= 2 for row in rows)


def _is_regular(rows: Sequence[Row]) -> bool:
    """Tell whether rows without a header are a table all the same: nothing merged, most in the same columns."""
    if len(rows) < 2 or any(slot.is_wide or slot.area.bottom > slot.area.top for row in rows for slot in row.slots):
        return False
    columns = Counter(row.columns for row in rows)
    return columns.most_common(1)[0][1] > _REGULAR * len(rows)


def _form(rows: Sequence[Row]) -> Form:
    entries: list[Entry] = []
    for pair in pairs_of(rows):
        if pair.values:
            text = " ".join(slot.cell.text for slot in pair.values)
            cells = [slot.cell for slot in (*pair.names, *pair.values)]
            entries.append(Entry(pair.name, text, _remarks(cells), pair.area))
        else:
            entries.append(Entry(pair.name, "", _remarks([slot.cell for slot in pair.names]), pair.area))
    area = _around(rows)
    return Form(area, Record(area, tuple(entries)))


def _remarks(cells: Sequence[Cell]) -> Cell:
    """Return a cell with what was remarked on any of several, and the first of their links."""
    return Cell(
        text="",
        link=next((cell.link for cell in cells if cell.link), ""),
        note="\n".join(cell.note for cell in cells if cell.note),
    )


def _text(rows: Sequence[Row]) -> Text:
    return Text(_around(rows), tuple(map(_line, rows)))


def _line(row: Row) -> Line:
    # What goes on from a row above was said there.
    slots = tuple(slot for slot in row.slots if slot.area.top == row.number) or row.slots
    return Line(" ".join(slot.cell.text for slot in slots), _around([row]), slots)


def _around(rows: Sequence[Row]) -> Area:
    slots: list[Slot] = [slot for row in rows for slot in row.slots]
    return Area(
        rows[0].number,
        min(slot.area.left for slot in slots),
        max(rows[-1].number, *(slot.area.bottom for slot in slots)),
        max(slot.area.right for slot in slots),
    )
