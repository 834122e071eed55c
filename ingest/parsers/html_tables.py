"""The rows of an HTML table as its tags go by: merged cells filled, tables inside cells as part of the cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MAX_SPAN: Final = 1_000
_GROUPS: Final = frozenset({"thead", "tbody", "tfoot"})
_PARTS: Final = _GROUPS | {"tr", "td", "th", "caption"}


class TableRows:
    """One table, open from the start; `depth` is 0 when it has ended."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.caption = ""
        self.depth = 1
        self._head: list[bool] = []
        self._spans = (1, 1)
        self._open = ""
        self._in_head = False
        # Column -> text that goes on downwards, and for how many rows yet.
        self._down: dict[int, tuple[str, int]] = {}

    @property
    def head_rows(self) -> int:
        """How many of the first rows are the header: those of `thead`, else those of header cells alone."""
        return next((index for index, is_head in enumerate(self._head) if not is_head), len(self._head))

    def start(self, tag: str, named: Mapping[str, str], text: str) -> bool:
        """Take a start tag in, and the text since the last one; False: the text goes on."""
        if tag == "table":
            self.depth += 1
        if self.depth > 1 or tag not in _PARTS:
            return False
        self._end_cell(text)
        if tag in _GROUPS:
            self._in_head = tag == "thead"
        elif tag == "tr":
            self._begin_row()
        else:
            self._open = tag
            self._spans = _span(named, "colspan"), _span(named, "rowspan")
        return True

    def end(self, tag: str, text: str) -> bool:
        """Take an end tag in, and the text since the last start; False: the text goes on."""
        if self.depth > 1:
            self.depth -= tag == "table"
            return False
        if tag == "table" or tag in _PARTS:
            self._end_cell(text)
        self._in_head = self._in_head and tag not in _GROUPS
        if tag == "table":
            self.leave("")
        return tag == "table" or tag in _PARTS

    def leave(self, text: str) -> None:
        """End the table, and the cell that is open with the text since it began."""
        self._end_cell(text)
        self._end_row()
        self.depth = 0

    def _begin_row(self) -> None:
        self._end_row()
        self.rows.append([])
        self._head.append(True)

    def _end_cell(self, text: str) -> None:
        tag, self._open = self._open, ""
        if tag == "caption":
            self.caption = text
        elif tag:
            if not self.rows:
                self._begin_row()
            self._fill()
            across, down = self._spans
            column = len(self.rows[-1])
            self.rows[-1] += [text, *[""] * (across - 1)]
            if down > 1:
                self._down[column] = text, down - 1
            self._head[-1] = self._head[-1] and (tag == "th" or self._in_head)

    def _fill(self) -> None:
        """Repeat what goes on from the rows above up to the next free column."""
        row = self.rows[-1]
        while len(row) in self._down:
            text, left = self._down.pop(len(row))
            if left > 1:
                self._down[len(row)] = text, left - 1
            row.append(text)

    def _end_row(self) -> None:
        if self.rows:
            self._fill()
            self._head[-1] = self._head[-1] and bool(self.rows[-1])


def _span(named: Mapping[str, str], name: str) -> int:
    value = named.get(name, "1").strip()
    return min(max(int(value), 1), _MAX_SPAN) if value.isdecimal() and len(value) < 8 else 1
