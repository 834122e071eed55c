"""Which text on a sheet is the title of which table, judged by where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.sheet_grid import Area
from ingest.chunkers.table import Form, Line, Table, Text, Unit, overlap
from ingest.chunkers.table_header import MARKER
from ingest.chunkers.table_layout import Slot
from ingest.chunkers.table_records import NOTE

_MAX_CHARS: Final = 60
_FACT: Final = re.compile(
    r"^[(（]?(?:第?[\d.]+版|(?:版|版数|ver(?:sion)?|rev|更新|最終更新|作成|改訂|改定|発行|承認|担当|所管|日付|単位|updated|author|date|unit)"
    r"[^:：\s]{0,6}\s*[:：.])",
    re.IGNORECASE,
)
"""How a line begins that says who wrote the sheet, and when."""
_NEAR: Final = 30
_MAX_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sheet under its titles, outermost first. A text that is nothing but titles is no part."""

    titles: tuple[str, ...]
    unit: Table | Form | tuple[Text, ...]


def titled(units: Sequence[Unit]) -> Iterator[Part]:
    """Yield the parts of a sheet in reading order, texts that follow each other as one."""
    titles, used = _titles(units)
    first = next((place for place, unit in enumerate(units) if not isinstance(unit, Text)), len(units))
    heads = [head for unit in units[:first] if isinstance(unit, Text) and (head := _head(unit.lines[0], None))]
    sheet = ""
    if len(heads) > 1:
        # The first of several texts above the first table is over the whole sheet.
        sheet = heads[0].text
        used |= {slot.area for slot in heads[:1]}
    texts: list[Text] = []
    title = ""
    for place, unit in enumerate(units):
        if isinstance(unit, Text):
            if _is_remark(unit):
                yield Part((sheet, title), (unit,))
            elif not all(slot.area in used for line in unit.lines for slot in line.slots) or _has_more(unit):
                texts.append(unit)
            continue
        title = titles[place]
        if texts:
            yield Part((sheet, title), tuple(texts))
            texts = []
        yield Part((sheet, title), unit)
    if texts:
        lines = sum(len(text.lines) for text in texts)
        yield Part((sheet, title or (heads[0].text if heads and lines > 1 else "")), tuple(texts))


def _titles(units: Sequence[Unit]) -> tuple[dict[int, str], set[Area]]:
    """Return the title of each table and form, and the areas of all that is a title; without its own, the last one."""
    titles: dict[int, str] = {}
    used: set[Area] = set()
    last = ""
    for place, unit in enumerate(units):
        if isinstance(unit, Text):
            continue
        slots = _title_above(units, place)
        if slots:
            last = " ".join(slot.text for slot in slots)
            used |= {slot.area for slot in slots}
        titles[place] = last
    return titles, used


def _title_above(units: Sequence[Unit], place: int) -> tuple[Slot, ...]:
    """Return the text that names a table: the nearest above it that shares columns with it, else the nearest."""
    area = units[place].area
    nearest: tuple[Slot, ...] = ()
    alone = True
    for unit in reversed(units[max(0, place - _NEAR) : place]):
        if not isinstance(unit, Text):
            if overlap(unit.area, area):
                break
            alone = False
        elif unit.area.bottom <= area.top and not _is_remark(unit):
            if overlap(unit.area, area) and (slots := _heading(unit, area)):
                return slots
            nearest = nearest or (_heading(unit, None) if alone else ())
    return nearest


def _heading(unit: Text, area: Area | None) -> tuple[Slot, ...]:
    """Return the slots of a text that are a title over an area: the first over it, with the number before that."""
    line = unit.lines[0]
    head = _head(line, area)
    if head is None or (len(unit.lines) > _MAX_LINES and len(line.slots) > 1):
        return ()
    before = line.slots[: line.slots.index(head)]
    return (*(slot for slot in before[-1:] if MARKER.match(slot.text)), head)


def _head(line: Line, area: Area | None) -> Slot | None:
    for slot in line.slots:
        text = slot.text
        if area is not None and not overlap(slot.area, area):
            continue
        if MARKER.match(text):
            continue
        if len(text) > _MAX_CHARS or text.endswith("。") or slot.is_value or NOTE.match(text) or _FACT.match(text):
            return None
        return slot
    return None


def _has_more(unit: Text) -> bool:
    return any(slot.cell.note or slot.cell.link for line in unit.lines for slot in line.slots)


def _is_remark(unit: Text) -> bool:
    return NOTE.match(unit.lines[0].text.strip()) is not None
