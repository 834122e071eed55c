"""What a reader makes of a document: its title and its blocks in reading order, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

CELL_SEPARATOR: Final = " | "


class Rendering:
    """Collects blocks. A place is a number that the format counts in (a page, a slide, a paragraph), from 1."""

    def __init__(self) -> None:
        self.title = ""
        self._blocks: list[dict[str, Any]] = []

    @property
    def has_text(self) -> bool:
        """Whether anything was added."""
        return bool(self._blocks)

    def heading(self, level: int, text: str, place: int = 0, anchor: str = "") -> None:
        """Add a heading: level 1 is the outermost."""
        if line := " ".join(text.split()):
            self._add("heading", line, place, level=level, anchor=anchor)

    def text(self, text: str, place: int = 0, last_place: int = 0) -> None:
        """Add a paragraph, its lines kept; `last_place` is where it ends, if not where it begins."""
        lines = (" ".join(line.split()) for line in text.split("\n"))
        self._add("text", "\n".join(filter(None, lines)), place, last_place=last_place)

    def code(self, text: str, place: int = 0, last_place: int = 0) -> None:
        """Add code, its blanks kept."""
        self._add("code_block", text.strip("\n").rstrip(), place, last_place=last_place)

    def table(self, rows: Sequence[Sequence[str]], head_rows: int, place: int = 0) -> None:
        """Add a table, one line a row; a table of one cell is a frame around a text."""
        filled = [(index, row) for index, row in enumerate(rows) if any(cell.strip() for cell in row)]
        if len(filled) == 1 and sum(bool(cell.strip()) for cell in filled[0][1]) == 1:
            self.text("\n".join(filled[0][1]), place)
            return
        lines = [_line(row) for _, row in filled]
        head = sum(index < head_rows for index, _ in filled)
        self._add("table", "\n".join(lines), place, head=head if head < len(lines) else 0)

    def answer(self) -> dict[str, Any]:
        """Return everything added."""
        return {"title": " ".join(self.title.split()), "blocks": self._blocks}

    def _add(self, kind: str, text: str, place: int, **more: Any) -> None:
        if text.strip():
            self._blocks.append({"kind": kind, "text": text, "place": place, **more})


def _line(row: Sequence[str]) -> str:
    cells = [" ".join(cell.split()) for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return CELL_SEPARATOR.join(cells)
