"""Markdown into sections, in the flavours of site generators: front matter, containers, shortcodes."""

from __future__ import annotations

from ingest.chunkers.draft import Drafts
from ingest.chunkers.front_matter import read_front_matter
from ingest.chunkers.markdown_blocks import read_blocks
from ingest.chunkers.sections import Page, at_anchors, first_title
from ingest.chunkers.split import Splitter


def chunk_markdown(path: str, fallback_title: str, text: str, splitter: Splitter) -> Drafts:
    """Return the sections of a page; the title is the front matter's, else the first H1, else `fallback_title`."""
    source = splitter.read(text)
    matter = read_front_matter(source.text, path)
    # Blank lines in place of the front matter keep the line numbers true.
    body_start = source.line_start(matter.lines + 1)
    blocks = read_blocks("\n" * matter.lines + source.text[body_start:])
    title = matter.title or first_title(blocks) or fallback_title
    page = Page(title, matter.searched, source, splitter, at_anchors(path))
    # Link definitions alone make no block; a page of metadata alone is found by it.
    only_matter = not source.text[body_start:].strip()
    lines = (2, matter.lines - 1) if only_matter else (matter.lines + 1, source.line_count)
    return Drafts(title, tuple(page.drafts(blocks, *lines)))
