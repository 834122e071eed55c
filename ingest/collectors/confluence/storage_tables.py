"""Tables of storage format into Markdown: merged cells filled, header rows joined to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

_MAX_SPAN: Final = 200
_MAX_FILLED_CHARS: Final = 1_000_000
_MAX_CELLS: Final = 200_000
_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as written: its words on one line, and how many columns and rows it says it takes."""

    text: str
    heading: bool
    columns: str = ""
    rows: str = ""


def render_table(rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return a table as blocks of Markdown.

    A table of two columns whose first are headings is a list of `heading: value`; a table without header rows has an
    empty header, because nobody knows whether its first row is one.
    """
    grid = [row for row in _filled(rows) if any(cell.text for cell in row)]
    if not grid:
        return []
    width = max(map(len, grid))
    grid = [[*row, *[Cell("", heading=False)] * (width - len(row))] for row in grid]
    head = list(takewhile(lambda row: all(cell.heading or not cell.text for cell in row), grid))
    if len(head) == len(grid):
        head = grid[:1]
    if not head and width == _PAIR and all(row[0].heading for row in grid):
        return ["\n".join(f"- {row[0].text}: {row[1].text}" for row in grid)]
    names = [" / ".join(dict.fromkeys(row[column].text for row in head if row[column].text)) for column in range(width)]
    lines = [_line(names), _line(["---"] * width), *(_line([cell.text for cell in row]) for row in grid[len(head) :])]
    return ["\n".join(lines)]


def _filled(rows: Sequence[Sequence[Cell]]) -> list[list[Cell]]:
    """Return the table as a grid in which every place that a merged cell covers has its words."""
    grid: list[list[Cell]] = []
    below: dict[int, tuple[Cell, int]] = {}
    cells, chars = 0, 0
    for row in rows:
        line: list[Cell] = []
        waiting = list(reversed(row))
        held, below = below, {}
        while waiting or any(column >= len(line) for column in held):
            column = len(line)
            if column in held:
                cell, left = held[column]
                line.append(cell)
                if left > 1:
                    below[column] = (cell, left - 1)
            elif waiting:
                cell = waiting.pop()
                across, down = _span(cell.columns), _span(cell.rows)
                # A span may say any number; what it fills is bounded.
                more = across * down - 1
                if cells + more > _MAX_CELLS or chars + more * len(cell.text) > _MAX_FILLED_CHARS:
                    across = down = 1
                cells, chars = cells + across * down, chars + (across * down - 1) * len(cell.text)
                for place in range(column, column + across):
                    line.append(cell)
                    if down > 1:
                        below[place] = (cell, down - 1)
            else:
                line.append(Cell("", heading=False))
        grid.append(line)
    return grid


def _span(text: str) -> int:
    return min(max(int(text), 1), _MAX_SPAN) if text.isdigit() and len(text) < 10 else 1


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"
