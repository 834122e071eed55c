"""Markdown into sections: one chunk per heading and what stands under it, tables and code kept whole where they fit."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.front_matter import FrontMatter, read_front_matter
from ingest.chunkers.language import language_of
from ingest.chunkers.markdown_blocks import Block, Heading, read_blocks
from ingest.chunkers.source import SourceText, Span
from ingest.chunkers.split import Boundaries, Splitter

_ALONE_KINDS: Final = {"table": "table", "fence": "code_block", "code_block": "code_block"}
_TABLE_HEAD_LINES: Final = 2


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


def chunk_markdown(path: str, fallback_title: str, text: str, splitter: Splitter) -> Drafts:
    """Return the sections of a page; the title is the front matter's, else the first H1, else `fallback_title`."""
    source = splitter.read(text)
    matter = read_front_matter(source.text, path)
    # Blank lines in place of the front matter keep the line numbers true.
    body_start = source.line_start(matter.lines + 1)
    blocks = read_blocks("\n" * matter.lines + source.text[body_start:])
    title = matter.title or _first_h1(blocks) or fallback_title
    page = _Page(path, title, matter, source, splitter, language_of(source.text))
    sections = _join_bodiless(_sections(blocks, matter.lines + 1, source.line_count))
    if not sections:
        # Link definitions alone make no block; a page of metadata alone is found by it.
        only_matter = not source.text[body_start:].strip()
        sections = [_Section(2, matter.lines - 1) if only_matter else _Section(matter.lines + 1, source.line_count)]
    drafts: list[Draft] = []
    for section in sections:
        drafts.extend(page.section(section, first=not drafts))
    return Drafts(title, tuple(drafts))


def _first_h1(blocks: list[Block]) -> str:
    return next((block.heading.text for block in blocks if block.heading and block.heading.level == 1), "")


def _sections(blocks: list[Block], first_line: int, last_line: int) -> list[_Section]:
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
            section.first = waiting.first
            section.blocks = waiting.blocks + section.blocks
            waiting = None
        if section.has_body:
            joined.append(section)
        else:
            waiting = section
    if waiting is not None and joined:
        joined[-1].last = waiting.last
        joined[-1].blocks += waiting.blocks
    elif waiting is not None:
        joined.append(waiting)
    return joined


@dataclass(frozen=True, slots=True)
class _Page:
    path: str
    title: str
    matter: FrontMatter
    source: SourceText
    splitter: Splitter
    lang: str

    def section(self, section: _Section, *, first: bool) -> Iterator[Draft]:
        headings = tuple(heading.text for heading in section.path)
        context = trail(self.title, *headings)
        if first and self.matter.searched:
            context = f"{context}\n{self.matter.searched}"
        context = self.splitter.shorten(context)
        anchor = section.path[-1].anchor if section.path else ""
        for span, table in self._runs(section, context):
            head = self._table_head(table, context) if table else ""
            repeated = f"{context}\n{head}" if head else context
            for piece in self.splitter.pieces(self.source, span, repeated, self._boundaries(section)):
                text = self.source.slice(piece)
                place = self.source.place(piece)
                goes_on = table is not None and place["start_line"] >= table.first + _TABLE_HEAD_LINES
                shown = repeated if goes_on else context
                yield Draft(
                    kind=_kind(section, place["start_line"], place["end_line"]),
                    text=text,
                    context=shown,
                    locator=f"{self.path}#{anchor}" if anchor else self.path,
                    headings=headings,
                    lang=language_of(f"{shown}\n{text}", self.lang),
                    meta=place,
                )

    def _runs(self, section: _Section, context: str) -> Iterator[tuple[Span, Block | None]]:
        """Yield the section in runs: each table too large for one chunk by itself, and what is between them."""
        first = section.first
        room = self.splitter.room(context)
        for block in section.blocks:
            if block.kind == "table" and self.source.cost(self.source.lines_span(block.first, block.last)) > room:
                yield self.source.lines_span(first, block.first - 1), None
                yield self.source.lines_span(block.first, block.last), block
                first = block.last + 1
        yield self.source.lines_span(first, section.last), None

    def _table_head(self, table: Block, context: str) -> str:
        """Return the header rows to repeat with every part of a table; none where they would take half the room."""
        head = self.source.slice(self.source.lines_span(table.first, table.first + _TABLE_HEAD_LINES - 1)).rstrip("\n")
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


def _kind(section: _Section, first: int, last: int) -> str:
    index = max(0, bisect_left(section.blocks, first, key=lambda block: block.last))
    touched = [block for block in section.blocks[index : index + 2] if block.first <= last]
    return _ALONE_KINDS.get(touched[0].kind, "section") if len(touched) == 1 else "section"
