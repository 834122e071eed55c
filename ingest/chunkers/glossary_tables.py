"""The tables of a Markdown page, cell by cell, with the lines of their rows and the headings they stand under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN: Final = MarkdownIt("commonmark").enable("table").disable("inline")
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS: Final = re.compile(r"`+|\*\*|__|<br\s*/?>", re.IGNORECASE)
_ATTRIBUTES: Final = re.compile(r"\s*\{[#.:][^{}]*\}\s*$")


@dataclass(frozen=True, slots=True)
class PageRow:
    """A row of a table on its line (1-based), a text for each cell."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table on the lines `first` to `last` (1-based, inclusive), under `headings`, outermost first."""

    first: int
    last: int
    headings: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[PageRow, ...]


@dataclass(frozen=True, slots=True)
class PageHeading:
    """A heading on a line (1-based)."""

    line: int
    level: int
    text: str


def read_page(text: str) -> tuple[list[PageHeading], list[PageTable]]:
    """Return the headings and the tables of a page whose front matter is blanked out."""
    tokens = _MARKDOWN.parse(text)
    headings: list[PageHeading] = []
    tables: list[PageTable] = []
    path: list[PageHeading] = []
    for index, token in enumerate(tokens):
        if token.map is None or token.level:
            continue
        if token.type == "heading_open":
            heading = PageHeading(token.map[0] + 1, int(token.tag[1]), _plain(tokens[index + 1].content))
            headings.append(heading)
            path = [*(above for above in path if above.level < heading.level), heading]
        elif token.type == "table_open":
            rows = list(_rows(tokens, index))
            names = tuple(heading.text for heading in path)
            tables.append(PageTable(token.map[0] + 1, token.map[1], names, rows[0].cells, tuple(rows[1:])))
    return headings, tables


def _rows(tokens: list[Token], start: int) -> Iterator[PageRow]:
    line, cells = 0, list[str]()
    for token in tokens[start:]:
        if token.type == "table_close":
            return
        if token.type == "tr_open" and token.map is not None:
            line, cells = token.map[0] + 1, []
        elif token.type == "inline":
            cells.append(_plain(token.content))
        elif token.type == "tr_close":
            yield PageRow(line, tuple(cells))


def _plain(text: str) -> str:
    """Return inline Markdown as text: what a link says, nothing emphasised."""
    return _MARKS.sub(
        lambda mark: "\n" if mark[0].startswith("<") else "", _LINK.sub(r"\1", _ATTRIBUTES.sub("", text))
    ).strip()
