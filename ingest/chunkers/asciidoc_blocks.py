"""The blocks of an AsciiDoc page with the lines they take, from its layout alone: nothing is run or included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.chunkers.blocks import Block, Heading

_TITLE: Final = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_UNDERLINES: Final = "=-~^+"
_UNDERLINE: Final = re.compile(r"([-=~^+])\1{3,}[ \t]*$")
_DELIMITER: Final = re.compile(
    r"(?:(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,})|(--|```\w*|~~~\w*)|([|,:!]===+))[ \t]*$"
)
_ATTRIBUTE: Final = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?$")
_REFERENCE: Final = re.compile(r"\{([\w-]+)\}")
_ATTRIBUTES: Final = re.compile(r"\[(.*)\][ \t]*$")
_BLOCK_ANCHOR: Final = re.compile(r"\[\[([^\],]+)(?:,[^\]]*)?\]\]$|\[[^\]]*?(?:#([\w:.-]+)|\bid=\"?([\w:.-]+))")
_INLINE_ANCHOR: Final = re.compile(r"[ \t]*\[\[([^\],]+)(?:,[^\]]*)?\]\][ \t]*")
_LABEL: Final = re.compile(r"\.[^\s.]")
_ITEM: Final = re.compile(r"(?:\*{1,5}|-|\.{1,5}|\d+\.) |.{1,200}?(?:::|;;)(?: |$)")
_HEADER: Final = re.compile(r"\bheader\b")
_CODE: Final = re.compile(r"[-.`~+]")
_NOT_ID: Final = re.compile(r"[^\w\-. ]")
_ID_GAPS: Final = re.compile(r"[ .\-_]+")
_INLINE: Final = re.compile(
    r"(?:link|xref|https?):\S*?\[([^\]]*)\]|<<[^,>]+,([^>]*)>>|[`*_#+^~]{1,2}(?=\S)|(?<=\S)[`*_#+^~]{1,2}"
)
_MAX_HEADING_CHARS: Final = 500
_MAX_NAME_DEPTH: Final = 5


def read_asciidoc_blocks(text: str) -> list[Block]:
    """Return the top-level blocks of a page, in order; attributes are filled in within headings."""
    return list(_Reader(text.split("\n")).blocks())


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        entries = filter(None, map(_ATTRIBUTE.match, reversed(lines)))
        self._attributes = {entry[1]: (entry[2] or "").strip() for entry in entries}
        self._anchors: dict[str, int] = {}

    def blocks(self) -> Iterator[Block]:
        index = 0
        while index < len(self._lines):
            if not self._lines[index].strip():
                index += 1
                continue
            start = index
            index = self._attributes_end(index)
            if index == len(self._lines) or not self._lines[index].strip():
                # Attributes with nothing under them.
                yield Block("text", start + 1, index)
            elif title := self._title(index):
                level, text, index = title
                yield Block("heading", start + 1, index, heading=self._heading(level, text, self._lines[start:index]))
            else:
                end = self._end(index)
                yield self._block(start, index, end)
                index = end

    def _attributes_end(self, index: int) -> int:
        """Return the first line at or after one that is no block attribute, anchor or block title."""
        while index < len(self._lines):
            line = self._lines[index]
            if not (_ATTRIBUTES.match(line) or (_LABEL.match(line) and not _DELIMITER.match(line))):
                break
            index += 1
        return index

    def _title(self, index: int) -> tuple[int, str, int] | None:
        line = self._lines[index]
        if found := _TITLE.match(line):
            return len(found[1]), found[2], index + 1
        under = _UNDERLINE.match(self._lines[index + 1]) if index + 1 < len(self._lines) else None
        if under is None or line[0].isspace() or _DELIMITER.match(line) or not any(char.isalnum() for char in line):
            return None
        # Old style: the line under a title is as long as the title, give or take two characters.
        if abs(len(self._lines[index + 1].rstrip()) - len(line.rstrip())) > 2:
            return None
        return _UNDERLINES.index(under[1]) + 1, line.strip(), index + 2

    def _heading(self, level: int, text: str, lines: Sequence[str]) -> Heading:
        text = text[:_MAX_HEADING_CHARS].rstrip()
        text = re.sub(r"[ \t]+=+$", "", text)
        explicit = ""
        for line in lines:
            if found := _BLOCK_ANCHOR.match(line):
                explicit = found[1] or found[2] or found[3] or ""
        if inline := _INLINE_ANCHOR.search(text):
            explicit, text = inline[1], text.replace(inline[0], " ")
        text = self._filled(text)
        text = " ".join(_INLINE.sub(lambda found: found[1] or found[2] or "", text).split())
        return Heading(level, text, explicit or self._numbered(text, level))

    def _numbered(self, text: str, level: int) -> str:
        """Return the id that Asciidoctor gives a section; its document title has none."""
        words = _ID_GAPS.sub("_", _NOT_ID.sub("", text.lower())).strip("_")
        if level == 1 or not words:
            return ""
        anchor = f"_{words}"
        self._anchors[anchor] = self._anchors.get(anchor, 0) + 1
        return anchor if self._anchors[anchor] == 1 else f"{anchor}_{self._anchors[anchor]}"

    def _filled(self, text: str) -> str:
        for _ in range(_MAX_NAME_DEPTH):
            filled = _REFERENCE.sub(lambda name: self._attributes.get(name[1], name[0]), text)[:_MAX_HEADING_CHARS]
            if filled == text:
                break
            text = filled
        return text

    def _end(self, index: int) -> int:
        """Return the line after a block: a delimited one with its last line, any other at a blank line."""
        end = index
        while end < len(self._lines) and self._lines[end].strip():
            line = self._lines[end]
            if end > index and (_ATTRIBUTES.match(line) or _TITLE.match(line)):
                # A block's attributes begin it, and a title needs no blank line before it.
                return end
            if _DELIMITER.match(line):
                closing = self._closing(end)
                end = closing + 1 if closing else end + 1
                # A list item goes on after a `+` and the block under it.
                if end < len(self._lines) and self._lines[end].strip() == "+":
                    continue
                return end
            end += 1
        return end

    def _closing(self, index: int) -> int:
        """Return the line that closes the block that one opens; 0 when none does."""
        delimiter = self._lines[index].rstrip()
        closer = delimiter[:3] if delimiter.startswith(("```", "~~~")) else delimiter
        closes = (at for at in range(index + 1, len(self._lines)) if self._lines[at].rstrip() == closer)
        return next(closes, 0)

    def _block(self, start: int, index: int, end: int) -> Block:
        delimiter = _DELIMITER.match(self._lines[index])
        inside = range(index + 1, end)
        after_blank = {at for at in inside if self._lines[at].strip() and not self._lines[at - 1].strip()}
        if delimiter and delimiter[3]:
            head, rows = self._table(start, index, end)
            return Block("table", start + 1, end, tuple(at + 1 for at in rows), head=head - start)
        if delimiter and _CODE.match(delimiter[0]) and delimiter[0].strip() != "--":
            kind, parts = "code_block", after_blank
        else:
            kind, parts = "text", after_blank | {at for at in inside if _ITEM.match(self._lines[at])}
        return Block(kind, start + 1, end, tuple(at + 1 for at in sorted(parts)))

    def _table(self, start: int, index: int, end: int) -> tuple[int, list[int]]:
        """Return the line after a table's header (its first line: there is none), and where its other rows begin.

        The first row is the header where a blank line follows it, or where the attributes say so.
        """
        lines = self._lines
        first = next((at for at in range(index + 1, end - 1) if lines[at].strip()), end - 1)
        blank = next((at for at in range(first, end - 1) if not lines[at].strip()), None)
        named = any(_HEADER.search(lines[at]) for at in range(start, index))
        separator = lines[index][0]
        rows = [at for at in range(first, end - 1) if lines[at].startswith(separator) or separator in ",:"]
        if blank is not None and any(not lines[at].strip() for at in range(blank + 1, end - 1)):
            # A cell a line: what a blank line parts is a row.
            rows = [at for at in rows if not lines[at - 1].strip()]
        if blank is not None and blank < end - 2 and first == index + 1:
            return blank, [at for at in rows if at > blank]
        return first + 1 if named else start, [at for at in rows if at > first]
