"""The header of a table: which of its first rows name its columns, and the names, `A / B` where there are two rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from ingest.chunkers.table_layout import Row, Slot

_MAX_LABEL_CHARS: Final = 80
_MAX_HEADER_ROWS: Final = 4
_MAX_PREFACE_ROWS: Final = 6
_BODY_ROWS: Final = 40
_COVERS: Final = 0.6
_EMPHASISED: Final = 0.8
_SEPARATOR: Final = " / "
MARKER: Final = re.compile(
    r"^(?:[(（]?\d{1,3}[.)）．]|[(（]\d{1,3}[)）]|\d{1,3}(?:[.\-]\d{1,3})+\.?|[①-⑳]|[・●○■◆◇□★*\-–])$"
)
"""A cell that numbers or marks the line beside it."""


def header_place(rows: Sequence[Row]) -> tuple[int, int]:
    """Return which rows of a block are its header, as (first, number of them); (0, 0) when it has none.

    What stands above the header takes fewer columns than the table does.
    """
    widest = max((row.width for row in rows[:_BODY_ROWS]), default=0)
    for first in range(min(_MAX_PREFACE_ROWS, len(rows))):
        if _has_coloured_header_below(rows, first):
            continue
        count = _header_rows(rows[first:])
        if count and _width(rows[first : first + count]) >= _COVERS * widest:
            return first, count
        if rows[first].width >= _COVERS * widest:
            break
    return 0, 0


def column_names(rows: Sequence[Row], columns: Sequence[int]) -> dict[int, str]:
    """Return the name of each column that the header rows name.

    Args:
        rows: the header.
        columns: the columns of the table, ascending.
    """
    named = [_by_column(row) for row in rows]
    parts: dict[int, list[str]] = {column: [] for column in columns}
    for index, slots in enumerate(named):
        below = named[index + 1 :]
        group: int | None = None
        for column in columns:
            slot = slots.get(column)
            is_under = any(column in others for others in below)
            if slot is not None:
                group = column if is_under else None
                text = slot.text
            elif is_under and group is not None:
                # The name of an unmerged group stands over its first column only; a later row names the others.
                text = slots[group].text
            else:
                continue
            if text and parts[column][-1:] != [text]:
                parts[column].append(text)
    return {column: _SEPARATOR.join(found) for column, found in parts.items() if found}


def _by_column(row: Row) -> dict[int, Slot]:
    return {column: slot for slot in row.slots for column in range(slot.area.left, slot.area.right + 1)}


def is_label(slot: Slot) -> bool:
    """Tell whether a slot could name something: short text, neither a sentence nor a number."""
    text = slot.cell.text
    return (
        not slot.is_value
        and len(text) <= _MAX_LABEL_CHARS
        and not text.endswith("。")
        and MARKER.match(text.strip()) is None
    )


def is_emphasised(row: Row) -> bool:
    """Tell whether a row is bold or coloured as a whole."""
    return sum(slot.cell.look != 0 for slot in row.slots) >= _EMPHASISED * len(row.slots)


def _header_rows(rows: Sequence[Row]) -> int:
    """Return how many of the first rows are a header."""
    first = rows[0]
    if len(first.slots) < 2 and not _heads_a_group(rows):
        return 0
    if any(slot.area.bottom - slot.area.top >= _MAX_HEADER_ROWS for slot in first.slots):
        return 0
    # A coloured row of one cell is no header, but the heading of a part of the table.
    heads = (is_emphasised(row) and (number == 0 or len(row.slots) > 1) for number, row in enumerate(rows))
    emphasised = next((number for number, is_head in enumerate(heads) if not is_head), 0)
    if 0 < emphasised <= _MAX_HEADER_ROWS and not any(map(_is_sentence, first.slots)):
        count = emphasised
    elif all(map(is_label, first.slots)) or _is_sequence(first):
        count = 1
    else:
        return 0
    while count < min(len(rows) - 1, _MAX_HEADER_ROWS) and _goes_on(rows, count):
        count += 1
    return count if emphasised or _stands_over(rows[:count], rows[count : count + _BODY_ROWS]) else 0


def _stands_over(header: Sequence[Row], body: Sequence[Row]) -> bool:
    """Tell whether rows lie in the columns that a header names; what is laid out freely does not."""
    if not body:
        return True
    named = {slot.area.left for row in header for slot in row.slots}
    placed = [slot.area.left in named for row in body for slot in row.slots]
    filled = sum(len(row.columns) > 1 for row in body)
    return sum(placed) >= _COVERS * len(placed) and (2 * filled >= len(body) or len(body) < 4)


def _heads_a_group(rows: Sequence[Row]) -> bool:
    """Tell whether a lone first cell stands over some of the columns only, as the name of a group of them."""
    slot = rows[0].slots[0]
    if len(rows) < 3 or not slot.is_wide or len(rows[1].slots) < 3 or not all(map(is_label, rows[1].slots)):
        return False
    below = [other for other in rows[1].slots if slot.area.left <= other.area.left <= slot.area.right]
    return 2 <= len(below) < len(rows[1].slots)


def _goes_on(rows: Sequence[Row], count: int) -> bool:
    """Tell whether the row after the first `count` belongs to the header too."""
    last, following = rows[count - 1], rows[count]
    own = [slot for slot in following.slots if slot.area.top == following.number]
    if not own or not all(map(is_label, own)):
        return False
    if any(slot.area.top <= last.number < slot.area.bottom for row in rows[:count] for slot in row.slots):
        return all(slot.area.bottom - slot.area.top < _MAX_HEADER_ROWS for slot in last.slots)
    for slot in last.slots:
        if slot.is_wide and sum(slot.area.left <= other.area.left <= slot.area.right for other in own) > 1:
            return True
    return _fills_the_gaps(rows, count)


def _fills_the_gaps(rows: Sequence[Row], count: int) -> bool:
    """Tell whether a row names what the one above leaves open, unmerged: `コード, 金額, ,` over `, 税抜, 税込`."""
    last, following = rows[count - 1], rows[count]
    if count + 1 >= len(rows):
        return False
    left = min(last.columns)
    body = rows[count + 1]
    open_columns = following.columns - last.columns
    return bool(
        open_columns
        and left < min(following.columns)
        and left in body.columns
        and following.columns & last.columns
        and open_columns <= body.columns
        and len(following.slots) < len(body.slots)
    )


def _is_sentence(slot: Slot) -> bool:
    return len(slot.cell.text) > _MAX_LABEL_CHARS or slot.cell.text.endswith("。")


def _is_sequence(row: Row) -> bool:
    """Tell whether a row names columns by years, months or days that follow each other."""
    head, tail = row.slots[0], row.slots[1:]
    numbers = [slot.cell.text for slot in tail]
    if head.is_value or len(tail) < 2 or not all(slot.is_value for slot in tail):
        return False
    if all(text.isdigit() for text in numbers):
        return all(int(after) - int(before) == 1 for before, after in pairwise(numbers))
    return len(set(numbers)) == len(numbers) and all(re.search(r"[/年月日\-]", text) for text in numbers)


def _has_coloured_header_below(rows: Sequence[Row], first: int) -> bool:
    """Tell whether a plain row stands above a coloured one that names more columns."""
    if is_emphasised(rows[first]):
        return False
    window = rows[first + 1 : first + _MAX_PREFACE_ROWS]
    widest = max(len(row.slots) for row in rows[: first + 1])
    return any(is_emphasised(row) and len(row.slots) > widest and all(map(is_label, row.slots)) for row in window)


def _width(rows: Sequence[Row]) -> int:
    return len({column for row in rows for slot in row.slots for column in range(slot.area.left, slot.area.right + 1)})
