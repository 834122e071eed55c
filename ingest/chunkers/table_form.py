"""Forms: sheets, squared paper above all, where the name of a value stands in the cell to its left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingest.chunkers.sheet_grid import Area
from ingest.chunkers.table_header import is_label
from ingest.chunkers.table_layout import Row, Slot

_COLON: Final = re.compile(r"\s*[:：]\s*$")
_MAX_VALUES: Final = 3
_MAX_NAME_CHARS: Final = 30
_MAX_SQUARED_SLOTS: Final = 8
_MAX_SHAPE_ROWS: Final = 100
_COLUMN_NAMES: Final = re.compile(
    r"^(?:no\.?|項番|項目|項目名|名称|名前|内容|値|説明|意味|定義|備考|用語|種別|区分|コード|型|単位"
    r"|item|name|value|key|content|description|meaning|definition|term|type|code|remarks?|notes?)$",
    re.IGNORECASE,
)
_FORM_NAMES: Final = re.compile(
    r"^(?:会議名|日時|日付|時間|場所|出席者|参加者|欠席者|議題|件名|氏名|所属|部署|住所|電話(?:番号)?|メール(?:アドレス)?"
    r"|(?:申請|承認|作成|更新|報告|起票|発生|登録)[者日]|担当者?|期限|目的|理由|概要|システム名?|文書(?:名|番号)|版数?"
    r"|ファイル名|プロジェクト名?|案件名?|顧客名?|会社名|date|time|place|location|attendees|author|owner|subject|title"
    r"|department|address|phone|e-?mail|due(?: date)?|purpose|reason|summary|version|project|customer|reporter"
    r"|assignee)$",
    re.IGNORECASE,
)
"""Names that stand before values, and seldom among the values of a column."""

Names = tuple[bool, ...]
"""Which slots of a row are names; empty: the row is no row of a form."""


@dataclass(slots=True)
class Pair:
    """A name and the slots of its values, none where the form is not filled in."""

    name: str
    names: tuple[Slot, ...]
    values: list[Slot] = field(default_factory=list)

    @property
    def area(self) -> Area:
        """The cells of the name and the values."""
        areas = [slot.area for slot in (*self.names, *self.values)]
        return Area(
            min(area.top for area in areas),
            min(area.left for area in areas),
            max(area.bottom for area in areas),
            max(area.right for area in areas),
        )


def form_rows(rows: Sequence[Row], *, squared: bool) -> int:
    """Return how many of the first rows of a block are a form; 0 when it begins with something else."""
    for tell in (_emphasised_names, _colon_names):
        count = next((n for n, row in enumerate(rows) if not tell(row)), len(rows))
        if count and any(len(row.slots) > 1 for row in rows[:count]):
            return count
    return len(rows) if _is_form_by_shape(rows, squared=squared) else 0


def pairs_of(rows: Sequence[Row]) -> list[Pair]:
    """Return the names and values of a form's rows; the values beside one tall name are its values together."""
    pairs: dict[tuple[Area, ...], Pair] = {}
    for row in rows:
        for names, values in _split(row, _names_of(row)):
            key = tuple(slot.area for slot in names)
            pair = pairs.get(key)
            if pair is None:
                name = " / ".join(_COLON.sub("", slot.text) for slot in names)
                pair = pairs[key] = Pair(name, tuple(names))
            pair.values += [slot for slot in values if slot not in pair.values]
    return list(pairs.values())


def _names_of(row: Row) -> Names:
    return _emphasised_names(row) or _colon_names(row) or tuple(place % 2 == 0 for place in range(len(row.slots)))


def _split(row: Row, is_name: Names) -> Iterator[tuple[list[Slot], list[Slot]]]:
    """Yield each name with its values. A tall name before another one is the name of a group."""
    names: list[Slot] = []
    values: list[Slot] = []
    for slot, starts in zip(row.slots, is_name, strict=True):
        in_group = bool(names) and not values and names[-1].area.bottom > names[-1].area.top
        if starts and names and not in_group:
            yield names, values
            names, values = [], []
        (names if starts else values).append(slot)
    if names:
        yield names, values


def _emphasised_names(row: Row) -> Names:
    """Return the names of a row whose names are coloured or bold and whose values are not."""
    looks = [slot.cell.look != 0 for slot in row.slots]
    if not looks[0] or (all(looks) and len(looks) > 1):
        return ()
    return _checked(row, tuple(looks))


def _colon_names(row: Row) -> Names:
    ends = tuple(_COLON.search(slot.cell.text) is not None for slot in row.slots)
    return _checked(row, ends) if ends[0] and not all(ends) else ()


def _checked(row: Row, names: Names) -> Names:
    """Return the names unless they cannot be: a name is a label, and has few values."""
    values = 0
    for slot, is_name in zip(row.slots, names, strict=True):
        values = 0 if is_name else values + 1
        if values > _MAX_VALUES or (is_name and not is_label(slot)):
            return ()
    return names


def _is_form_by_shape(rows: Sequence[Row], *, squared: bool) -> bool:
    """Tell a form without colours from a table: names and values take turns, and no row names the columns."""
    widths = {len(row.slots) for row in rows}
    most = _MAX_SQUARED_SLOTS if squared else 4
    if len(rows) > _MAX_SHAPE_ROWS or any(width % 2 or width > most for width in widths):
        return False
    names = [slot for row in rows for slot in row.slots[::2]]
    texts = [slot.text for slot in names]
    if len(set(texts)) < len(texts) or not all(map(_is_name, names)):
        return False
    if any(_COLUMN_NAMES.match(slot.text) for slot in rows[0].slots[1::2]):
        return False
    if 2 * sum(_FORM_NAMES.match(text) is not None for text in texts) >= max(len(texts), 4):
        return True
    if squared:
        # Rows of a table begin in the same columns all the way down, a form's where there is room.
        return len({row.columns for row in rows}) > 1 or widths == {2}
    # A column of a table holds one sort of value, a form any.
    kinds = {slot.is_value for row in rows[1:] for slot in row.slots[1::2]}
    is_mixed = widths == {2} and len(kinds) > 1 and not any(char.isdigit() for text in texts for char in text)
    return len(widths) == 1 and (rows[0].slots[1].is_value or is_mixed)


def _is_name(slot: Slot) -> bool:
    return is_label(slot) and len(slot.text) <= _MAX_NAME_CHARS
