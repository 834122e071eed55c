"""The blocks of a reStructuredText page with the lines they take, from its layout alone: nothing is run or included."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.chunkers.blocks import Block, Heading

_ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*$")
_SHORTEST_UNSURE: Final = 4
_TARGET: Final = re.compile(r"\.\. +_(`[^`]+`|[^:`]+):[ \t]*$")
_DIRECTIVE: Final = re.compile(r"\.\. +(?:\|[^|]+\| +)?([\w:.+-]+)::")
_CODE: Final = frozenset({"code", "code-block", "sourcecode", "literalinclude", "parsed-literal", "prompt", "doctest"})
_TABLES: Final = frozenset({"table", "list-table", "csv-table"})
_ITEM: Final = re.compile(r"(?:[-*+•]|(?:\d+|[A-Za-z]|#)[.)]|\((?:\d+|[A-Za-z]|#)\)) ")
_GRID: Final = re.compile(r"[ \t]*\+[-=+]+\+[ \t]*$")
_SIMPLE: Final = re.compile(r"[ \t]*=+(?: +=+)+[ \t]*$")
_ROW: Final = re.compile(r"[ \t]+\* +-")
_HEADER_ROWS: Final = re.compile(r"[ \t]+:header-rows:[ \t]*(\d{1,2})")
_ROLE: Final = re.compile(r"(?::[\w:.+-]+:)?`([^`<]*?)(?:\s*<[^<>`]*>)?`_{0,2}")
_EMPHASIS: Final = re.compile(r"(\*{1,2}|\|)(\S(?:[^*|]*\S)?)\1_?")
_ESCAPED: Final = re.compile(r"\\(.)")
_MAX_HEADING_CHARS: Final = 500


def read_rst_blocks(text: str) -> list[Block]:
    """Return the top-level blocks of a page, in order."""
    return list(_Reader(text.split("\n")).blocks())


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._styles: list[tuple[str, bool]] = []
        self._anchors: set[str] = set()

    def blocks(self) -> Iterator[Block]:
        index, target, target_at = 0, "", -1
        while index < len(self._lines):
            line = self._lines[index]
            if not line.strip():
                index += 1
            elif found := _TARGET.match(line):
                if target_at < 0:
                    target_at = index
                target = found[1].strip("`")
                index += 1
            else:
                start = index if target_at < 0 else target_at
                if title := self._title(index):
                    style, text, index = title
                    heading = Heading(self._level(style), _plain(text), self._anchor(target, text))
                    yield Block("heading", start + 1, index, heading=heading)
                else:
                    end = self._end(index)
                    yield self._block(start, index, end)
                    index = end
                target, target_at = "", -1
        if target_at >= 0:
            yield Block("target", target_at + 1, self._without_blanks(target_at, len(self._lines)))

    def _title(self, index: int) -> tuple[tuple[str, bool], str, int] | None:
        """Return a title's style, its text and the line after it, when one begins at a line."""
        first, second, third = (self._lines[at] if at < len(self._lines) else "" for at in range(index, index + 3))
        if over := _ADORNMENT.match(first):
            under = _ADORNMENT.match(third)
            if under and under[1] == over[1] and second.strip() and not _ADORNMENT.match(second):
                return (over[1], True), second.strip(), index + 3
            return None
        under = _ADORNMENT.match(second)
        if under is None or first[0].isspace() or first.startswith(".. "):
            return None
        if len(second.rstrip()) < min(_SHORTEST_UNSURE, _width(first.rstrip())):
            return None
        return (under[1], False), first.strip(), index + 2

    def _level(self, style: tuple[str, bool]) -> int:
        if style not in self._styles:
            self._styles.append(style)
        return self._styles.index(style) + 1

    def _anchor(self, target: str, title: str) -> str:
        """Return the id that docutils gives a section; empty where it counts sections instead of naming them."""
        anchor = _identifier(target) or _identifier(_plain(title))
        if anchor in self._anchors:
            return ""
        self._anchors.add(anchor)
        return anchor

    def _end(self, index: int) -> int:
        """Return the line after a block: what is indented belongs to what it stands under."""
        if _SIMPLE.match(self._lines[index]):
            return self._end_of_simple_table(index)
        end = index + 1
        while end < len(self._lines):
            if self._lines[end].strip():
                end += 1
                continue
            following = end
            while following < len(self._lines) and not self._lines[following].strip():
                following += 1
            if following == len(self._lines) or not self._lines[following][0].isspace():
                break
            end = following + 1
        return end

    def _end_of_simple_table(self, index: int) -> int:
        for at in range(index + 1, len(self._lines)):
            last = at + 1 == len(self._lines) or not self._lines[at + 1].strip()
            if last and _SIMPLE.match(self._lines[at]):
                return at + 1
        return index + 1

    def _block(self, start: int, index: int, end: int) -> Block:
        line = self._lines[index]
        directive = _DIRECTIVE.match(line)
        name = directive[1].lower() if directive else ""
        inside = range(index + 1, end)
        after_blank = {at for at in inside if self._lines[at].strip() and not self._lines[at - 1].strip()}
        if name in _TABLES or _GRID.match(line) or _SIMPLE.match(line):
            head, rows = self._table(index, end)
            return Block("table", start + 1, end, tuple(at + 1 for at in rows), head=head - start)
        if name in _CODE or line.startswith(">>> "):
            kind, parts = "code_block", after_blank
        else:
            kind, parts = "text", after_blank | {at for at in inside if _ITEM.match(self._lines[at])}
        return Block(kind, start + 1, end, tuple(at + 1 for at in sorted(parts)))

    def _table(self, start: int, end: int) -> tuple[int, list[int]]:
        """Return the line after a table's header (its first line: there is none), and where its other rows begin."""
        lines = self._lines
        grid = [at for at in range(start, end) if _GRID.match(lines[at])]
        simple = [at for at in range(start, end) if _SIMPLE.match(lines[at])]
        if grid:
            head = next((at + 1 for at in grid if "=" in lines[at]), start)
            return head, [at + 1 for at in grid if max(head, start + 1) <= at < end - 1]
        if simple:
            head = simple[1] + 1 if len(simple) > 2 else start
            margin = len(lines[simple[0]]) - len(lines[simple[0]].lstrip())
            body = range(max(head, simple[0] + 1) + 1, simple[-1])
            return head, [at for at in body if lines[at][margin : margin + 1].strip()]
        rows = [at for at in range(start, end) if _ROW.match(lines[at])]
        if not rows:
            blank = next((at for at in range(start, end) if not lines[at].strip()), end - 1)
            rows = [at for at in range(blank + 1, end) if lines[at].strip()]
        counts = (_HEADER_ROWS.match(lines[at]) for at in range(start, end))
        header_rows = next((int(count[1]) for count in counts if count), 0)
        head = rows[header_rows] if 0 < header_rows < len(rows) else start
        return head, rows[header_rows + 1 :]

    def _without_blanks(self, start: int, end: int) -> int:
        while end > start + 1 and not self._lines[end - 1].strip():
            end -= 1
        return end


def _plain(title: str) -> str:
    text = _ROLE.sub(r"\1", title[:_MAX_HEADING_CHARS].replace("``", "`"))
    return " ".join(_ESCAPED.sub(r"\1", _EMPHASIS.sub(r"\2", text)).split())


def _identifier(name: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode("ascii")
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", ascii_only))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
