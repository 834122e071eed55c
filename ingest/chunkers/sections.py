"""Blocks into sections: one chunk per heading and what stands under it, tables and code kept whole where they fit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ingest.chunkers.blocks import Block, Heading
from ingest.chunkers.draft import Draft, trail
from ingest.chunkers.language import language_of
from ingest.chunkers.source import SourceText, Span
from ingest.chunkers.split import Boundaries, Splitter

_ALONE_KINDS: Final = {"table": "table", "fence": "code_block", "code_block": "code_block"}

Locate = Callable[[Heading | None, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]
"""From the heading above a piece and its place in the text to its locator and what its chunk says of its place."""


@dataclass(slots=True)
class _Section:
    """A heading path and the blocks under it, from line `first` to `last`."""

    first: int
    last: int
    path: tuple[Heading, ...] = ()
    blocks: list[Block] = field(default_factory=list)

    @property
    def has_body(self) -> bool:
        return any(block.heading is None for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Page:
    """A page that is to become chunks; `searched` is what its first chunk is also found by (a line, may be empty)."""

    title: str
    searched: str
    source: SourceText
    splitter: Splitter
    locate: Locate

    def drafts(self, blocks: Sequence[Block], first_line: int, last_line: int) -> Iterator[Draft]:
        """Yield the chunks of lines `first_line` to `last_line`, where the blocks lie; without blocks all is one."""
        lang = language_of(self.source.text)
        if whole := self._whole(lang, first_line, last_line):
            yield whole
            return
        sections = _join_bodiless(_sections(blocks, first_line, last_line)) or [_Section(first_line, last_line)]
        first = True
        for section in sections:
            for draft in self._section(section, lang, first=first):
                yield draft
                first = False

    def _whole(self, lang: str, first_line: int, last_line: int) -> Draft | None:
        """Return the whole page as one chunk, if that is what it is to be."""
        context = self.splitter.shorten("\n".join(filter(None, (trail(self.title), self.searched))))
        piece = self.source.trimmed(self.source.lines_span(first_line, last_line))
        if piece is None or not self.splitter.takes_whole(context, self.source):
            return None
        locator, meta = self.locate(None, self.source.place(piece))
        return Draft("document", self.source.slice(piece), context, locator, lang=lang, meta=meta)

    def _section(self, section: _Section, lang: str, *, first: bool) -> Iterator[Draft]:
        headings = tuple(heading.text for heading in section.path if heading.text)
        context = trail(self.title, *headings)
        if first and self.searched:
            context = f"{context}\n{self.searched}"
        context = self.splitter.shorten(context)
        section.blocks = list(self._unpacked(section.blocks, context))
        for span, table in self._runs(section, context):
            head = self._table_head(table, context) if table else ""
            repeated = f"{context}\n{head}" if head else context
            for piece in self.splitter.pieces(self.source, span, repeated, self._boundaries(section)):
                text = self.source.slice(piece)
                place = self.source.place(piece)
                goes_on = table is not None and place["start_line"] >= table.first + table.head
                shown = repeated if goes_on else context
                locator, meta = self.locate(section.path[-1] if section.path else None, place)
                yield Draft(
                    kind=_kind(section, place["start_line"], place["end_line"]),
                    text=text,
                    context=shown,
                    locator=locator,
                    headings=headings,
                    lang=language_of(f"{shown}\n{text}", lang),
                    meta=meta,
                )

    def _unpacked(self, blocks: Sequence[Block], context: str) -> Iterator[Block]:
        for block in blocks:
            if block.inner and self._is_too_large(block, context):
                yield from block.inner
            else:
                yield block

    def _runs(self, section: _Section, context: str) -> Iterator[tuple[Span, Block | None]]:
        """Yield the section in runs: each table too large for one chunk by itself, and what is between them."""
        first = section.first
        for block in section.blocks:
            if block.kind == "table" and self._is_too_large(block, context):
                yield self.source.lines_span(first, block.first - 1), None
                yield self.source.lines_span(block.first, block.last), block
                first = block.last + 1
        yield self.source.lines_span(first, section.last), None

    def _is_too_large(self, block: Block, context: str) -> bool:
        """Tell whether a block is no chunk by itself."""
        cost = self.source.cost(self.source.lines_span(block.first, block.last))
        return cost > self.splitter.room(context)

    def _table_head(self, table: Block, context: str) -> str:
        """Return the header rows to repeat with every part of a table; none where they would take half the room."""
        head = self.source.slice(self.source.lines_span(table.first, table.first + table.head - 1)).strip("\n")
        return head if self.splitter.tokens.count(head) * 2 <= self.splitter.room(context) else ""

    def _boundaries(self, section: _Section) -> Boundaries:
        blocks: list[int] = []
        parts: list[int] = []
        after_heading = False
        for block in section.blocks:
            # A heading is never parted from what it heads, if it can be helped.
            (parts if after_heading else blocks).append(self.source.line_start(block.first))
            parts.extend(self.source.line_start(line) for line in block.parts)
            after_heading = block.heading is not None
        return Boundaries(blocks, parts)


def at_anchors(path: str) -> Locate:
    """Return how a piece is located by its heading's anchor; by the page alone where there is none."""

    def locate(heading: Heading | None, place: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        return f"{path}#{heading.anchor}" if heading and heading.anchor else path, place

    return locate


def first_title(blocks: Sequence[Block]) -> str:
    """Return the first heading of level 1, or an empty string."""
    return next((block.heading.text for block in blocks if block.heading and block.heading.level == 1), "")


def _sections(blocks: Sequence[Block], first_line: int, last_line: int) -> list[_Section]:
    """Return one section per heading, and one for what stands before the first; lines between blocks belong to them."""
    sections: list[_Section] = []
    path: list[Heading] = []
    for index, block in enumerate(blocks):
        if block.heading is not None:
            while path and path[-1].level >= block.heading.level:
                path.pop()
            path.append(block.heading)
        if block.heading is not None or not sections:
            first = block.first if index else first_line
            if sections:
                sections[-1].last = first - 1
            sections.append(_Section(first, last_line, tuple(path)))
        sections[-1].blocks.append(block)
    return sections


def _join_bodiless(sections: list[_Section]) -> list[_Section]:
    """Give headings with nothing under them to the section that follows, the last ones to the section before."""
    joined: list[_Section] = []
    waiting: _Section | None = None
    for section in sections:
        if waiting is not None:
            waiting.blocks += section.blocks
            waiting.last, waiting.path = section.last, section.path
        one, has_body = waiting or section, section.has_body
        waiting = None if has_body else one
        if has_body:
            joined.append(one)
    if waiting is not None and joined:
        joined[-1].last = waiting.last
        joined[-1].blocks += waiting.blocks
    elif waiting is not None:
        joined.append(waiting)
    return joined


def _kind(section: _Section, first: int, last: int) -> str:
    index = max(0, bisect_left(section.blocks, first, key=lambda block: block.last))
    touched = [block for block in section.blocks[index : index + 2] if block.first <= last]
    return _ALONE_KINDS.get(touched[0].kind, "section") if len(touched) == 1 else "section"
