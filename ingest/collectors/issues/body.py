"""What people write into an issue, made to stand inside a larger page: it ends where it ends, and keeps its level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.blocks import Block
from ingest.chunkers.markdown_blocks import read_blocks
from ingest.collectors.markdown_lines import fence, heading_line

_DEEPEST: Final = 6
_END: Final = "end"
_SPACES: Final = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Body:
    """Markdown, and the texts of its headings in order."""

    text: str
    headings: tuple[str, ...]


def read_body(written: str, below: int) -> Body:
    """Return what was written with its headings so many levels lower; what a form left in comments is left out.

    A text that would not end where it ends, such as one with an open fence, is shown as it was typed.
    """
    text = written.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip("\n")
    if not text.strip():
        return Body("", ())
    lines = text.split("\n")
    blocks = read_blocks(f"{text}\n\n{_END}")
    if not blocks or blocks[-1].kind != "paragraph" or blocks[-1].first != len(lines) + 2:
        return Body(fence(text, "text"), ())
    shown = "\n".join(_lines(lines, blocks[:-1], below)).strip("\n")
    return Body(shown, tuple(block.heading.text for block in blocks if block.heading is not None))


def _lines(lines: list[str], blocks: list[Block], below: int) -> Iterator[str]:
    done = 0
    for block in blocks:
        yield from lines[done : block.first - 1]
        done = block.last
        own = lines[block.first - 1 : block.last]
        if block.heading is not None:
            yield heading_line(min(block.heading.level + below, _DEEPEST), block.heading.text)
        elif block.kind != "html_block" or not _is_remark("\n".join(own)):
            yield from own
    yield from lines[done:]


def _is_remark(html: str) -> bool:
    """Tell whether there is nothing but comments."""
    place = _end_of_blank(html, 0)
    while html.startswith("<!--", place):
        end = html.find("-->", place)
        if end < 0:
            return False
        place = _end_of_blank(html, end + len("-->"))
    return place == len(html)


def _end_of_blank(text: str, place: int) -> int:
    blank = _SPACES.match(text, place)
    return blank.end() if blank else place
