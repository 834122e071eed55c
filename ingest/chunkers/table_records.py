"""The rows of a table as records: every value under the name of its column, groups and repetition marks resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from openpyxl.utils import get_column_letter

from ingest.chunkers.draft import trail
from ingest.chunkers.sheet_grid import Area, Cell
from ingest.chunkers.table_layout import Row, Slot

NOTE: Final = re.compile(
    r"^(?:[※＊*†]|[(（]?注(?:意|記)?[)）]?\s*[\d:：.)）]|(?:備考|補足)\s*[:：]|notes?\s*[:：\d])", re.IGNORECASE
)
"""How a remark begins."""

_TOTAL: Final = re.compile(r"^(?:.{0,8}(?:合計|小計|総計|累計)|計|(?:grand |sub)?totals?)$", re.IGNORECASE)
_ROW_NUMBER: Final = re.compile(r"^(?:no\.?|№|＃|#|項番|連番|通番|行番号|行|番号|seq\.?)$", re.IGNORECASE)
_GROUP: Final = re.compile(
    r"分類|区分|種別|カテゴリ|グループ|大項目|中項目|機能|画面|category|group|section", re.IGNORECASE
)
_SECTION_MARK: Final = re.compile(r"^[■●◆▼◇□○【<＜]")
_DITTO: Final = ("〃", "同上")
_FULL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Entry:
    """One value: what it is called (empty: nothing), what is written, the cell with its link and note, its place."""

    name: str
    text: str
    cell: Cell
    area: Area


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a table, or a form. `number` is its number in the table's own count, `section` what it stands under."""

    area: Area
    entries: tuple[Entry, ...]
    number: str = ""
    section: str = ""
    is_total: bool = False

    @property
    def label(self) -> str:
        """What names the record: its first value in one line."""
        return " ".join(self.entries[0].text.split())


def records_of(rows: Sequence[Row], names: Mapping[int, str]) -> list[Record]:
    """Return a record for each row of a table; a lone cell over the others names the records after it.

    Args:
        rows: the table's rows, its header left out.
        names: the name of each column that has one.
    """
    counted = _counting_column(rows, names)
    groups = _group_columns(rows, names, counted)
    has_looks = any(slot.cell.look == 0 for row in rows for slot in row.slots)
    records: list[Record] = []
    section, follows_heading = "", False
    above: dict[int, Slot] = {}
    for index, row in enumerate(rows):
        if index + 1 < len(rows) and _is_section(row, len(names), has_looks=has_looks):
            # A heading right under a heading is one level further down.
            section = trail(section, row.slots[0].text) if follows_heading else row.slots[0].text
            follows_heading = True
            above.clear()
            continue
        follows_heading = False
        slots = {slot.area.left: slot for slot in row.slots}
        number = slots.pop(counted).text if counted in slots and not _names_total(slots[counted]) else ""
        if slots:
            above = _resolved(slots, above, groups)
            shown = {column: slot for column, slot in above.items() if column in slots or column in groups}
            total = any(map(_names_total, row.slots[:2]))
            records.append(Record(_area(row), tuple(_entries(shown, names)), number, section, total))
    return records


def _area(row: Row) -> Area:
    areas = [slot.area for slot in row.slots]
    # A record whose cells are all two rows high is two rows high.
    bottom = max(row.number, min(area.bottom for area in areas))
    return Area(row.number, areas[0].left, bottom, max(area.right for area in areas))


def _resolved(slots: Mapping[int, Slot], above: Mapping[int, Slot], groups: Sequence[int]) -> dict[int, Slot]:
    """Return what each column says in a row: `〃` what it said above, a group's name until the next one."""
    said = dict(above)
    first = next((column for column in groups if column in slots), None)
    for column in groups:
        if first is not None and column > first:
            said.pop(column, None)
    for column, slot in slots.items():
        if slot.text not in _DITTO or column not in above:
            said[column] = slot
    return said


def _entries(shown: Mapping[int, Slot], names: Mapping[int, str]) -> Iterator[Entry]:
    for column, slot in sorted(shown.items()):
        # `合計` is what the row is, and not a value of the column it stands in.
        name = "" if _names_total(slot) else names.get(column) or get_column_letter(column)
        yield Entry(name, slot.cell.text, slot.cell, slot.area)


def _names_total(slot: Slot) -> bool:
    return _TOTAL.match(slot.text) is not None


def _is_section(row: Row, width: int, *, has_looks: bool) -> bool:
    """Tell whether a row is a heading within the table."""
    slot = row.slots[0]
    if len(row.slots) > 1 or width < 2 or NOTE.match(slot.text) or slot.is_value:
        return False
    across = slot.area.right - slot.area.left + 1
    return 2 * across > width or bool(_SECTION_MARK.match(slot.text)) or (has_looks and slot.cell.look != 0)


def _counting_column(rows: Sequence[Row], names: Mapping[int, str]) -> int | None:
    """Return the column that only counts the rows: its numbers say nothing, and move with every row put in."""
    first = min(names, default=0)
    if not _ROW_NUMBER.match(names.get(first, "")):
        return None
    firsts = (row.slots[0] for row in rows if len(row.slots) > 1)
    numbers = [slot.text for slot in firsts if slot.area.left == first and not _names_total(slot)]
    if not numbers or not all(number.isdigit() and len(number) < 8 for number in numbers):
        return None
    counts = all(int(after) in (int(before) + 1, 1) for before, after in pairwise(numbers))
    return first if counts and int(numbers[0]) <= 1 else None


def _group_columns(rows: Sequence[Row], names: Mapping[int, str], counted: int | None) -> list[int]:
    """Return the first columns when they are named as groups and written once for the rows of each."""
    groups: list[int] = []
    for column in sorted(names):
        if column == counted:
            continue
        filled = sum(column in row.columns for row in rows)
        if filled >= _FULL * len(rows) or not _GROUP.search(names[column]) or not rows or column not in rows[0].columns:
            break
        groups.append(column)
    return groups
