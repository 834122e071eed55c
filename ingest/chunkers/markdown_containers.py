"""The containers that Markdown's site generators add: admonitions, tabs, details and paired shortcodes.

CommonMark sees an ordinary paragraph in `/// note`, `:::tip` and `{{% alert %}}`, and code in what is indented under
`!!! note`. A container is kept whole where it fits, and cut between the blocks inside it where it does not.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from ingest.chunkers.blocks import Block

_INDENTED: Final = re.compile(r"(?:!!!|\?\?\?\+?|===[!+]?) +[\"'\w]")
_DETAILS: Final = re.compile(r"</?details\b", re.IGNORECASE)
# A fence of `///` or `:::` with words opens, one without closes; shortcodes open and close by name.
_FENCE: Final = re.compile(r"(/{3,}|:{3,})[ \t]*(\S?)")
_SHORTCODE: Final = re.compile(r"\{\{[%<]-?[ \t]*(/?)[ \t]*([\w/-]{1,60})")
_VERBATIM: Final = ("fence", "code_block")
_HIGHLIGHTED: Final = re.compile(r"\{\{[%<]-?[ \t]*highlight\b")


def join_containers(blocks: Sequence[Block], lines: Sequence[str]) -> list[Block]:
    """Return the blocks of a page with those of each container as one; one with a heading inside stays apart."""
    joined: list[Block] = []
    index = 0
    for first, last in _outermost(_containers(blocks, lines)):
        start = bisect_left(blocks, first, lo=index, key=lambda block: block.last)
        end = bisect_right(blocks, last, lo=start, key=lambda block: block.first)
        inside = blocks[start:end]
        if not inside or inside[0].first != first:
            continue
        code = _HIGHLIGHTED.match(lines[first - 1]) is not None
        if not code and any(block.heading for block in inside):
            continue
        joined += blocks[index:start]
        parts = tuple(block.first for block in inside[1:])
        # What looks like a heading within code is a comment.
        kind, inner = ("code_block", ()) if code else ("container", tuple(inside))
        joined.append(Block(kind, first, inside[-1].last, parts, inner=inner))
        index = end
    return joined + list(blocks[index:])


def _containers(blocks: Sequence[Block], lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of every container that ends."""
    opened: list[tuple[str, int]] = []
    for number in _lines_of_prose(blocks):
        line = lines[number - 1]
        if not line or line[0] not in "!?=</:{":
            continue
        if _INDENTED.match(line):
            yield number, _last_indented(lines, number)
            continue
        name, opens = _mark(line)
        if name and opens:
            opened.append((name, number))
        elif name and any(one == name for one, _ in opened):
            # What was opened within and never closed was no container (`::: module` of mkdocstrings).
            while opened[-1][0] != name:
                opened.pop()
            yield opened.pop()[1], number


def _mark(line: str) -> tuple[str, bool]:
    """Return what a line opens or closes (empty: nothing), and whether it opens it."""
    if fence := _FENCE.match(line):
        return fence[1], bool(fence[2])
    if _DETAILS.match(line):
        closed_at_once = "</details" in line[2:].lower()
        return ("" if closed_at_once else "details"), line[1] != "/"
    if shortcode := _SHORTCODE.match(line):
        return f"{{{shortcode[2]}", not shortcode[1]
    return "", False


def _lines_of_prose(blocks: Sequence[Block]) -> Iterator[int]:
    """Yield the lines of all blocks but code."""
    for block in blocks:
        if block.kind not in _VERBATIM:
            yield from range(block.first, block.last + 1)


def _last_indented(lines: Sequence[str], number: int) -> int:
    last = number
    for following in range(number + 1, len(lines) + 1):
        line = lines[following - 1]
        if line.startswith(("    ", "\t")) and line.strip():
            last = following
        elif line.strip():
            break
    return last


def _outermost(found: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    end = 0
    for first, last in sorted(found, key=lambda one: (one[0], -one[1])):
        if first > end:
            yield first, last
            end = last
