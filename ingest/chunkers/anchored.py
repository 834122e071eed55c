"""What a collector made Markdown (a wiki page, a ticket) into sections, located by the anchors of its service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace

from ingest.chunkers.blocks import Block
from ingest.chunkers.draft import Drafts
from ingest.chunkers.front_matter import read_front_matter
from ingest.chunkers.markdown_blocks import read_blocks
from ingest.chunkers.sections import Page, at_anchors
from ingest.chunkers.split import Splitter
from shirabe.types import Document


def chunk_anchored(document: Document, text: str, splitter: Splitter) -> Drafts:
    """Return the sections of a page; `meta["anchors"]` pairs its headings with their anchors, in order."""
    source = splitter.read(text)
    matter = read_front_matter(source.text, document.path)
    body_start = source.line_start(matter.lines + 1)
    anchors: Sequence[tuple[str, str]] = document.meta.get("anchors", ())
    blocks = list(_anchored(read_blocks("\n" * matter.lines + source.text[body_start:]), anchors))
    page = Page(document.title, matter.searched, source, splitter, at_anchors(document.path))
    only_matter = not source.text[body_start:].strip()
    lines = (2, matter.lines - 1) if only_matter else (matter.lines + 1, source.line_count)
    return Drafts(document.title, tuple(page.drafts(blocks, *lines)))


def _anchored(blocks: Iterable[Block], anchors: Sequence[tuple[str, str]]) -> Iterable[Block]:
    """Yield the blocks with the headings' own anchors; headings inside lists and quotations are no blocks."""
    names = [name for name, _ in anchors]
    place = 0
    for block in blocks:
        if block.heading is None:
            yield block
            continue
        anchor = ""
        with suppress(ValueError):
            found = names.index(block.heading.text, place)
            anchor, place = anchors[found][1], found + 1
        yield replace(block, heading=replace(block.heading, anchor=anchor))
