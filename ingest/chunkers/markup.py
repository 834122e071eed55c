"""reStructuredText and AsciiDoc into sections, like Markdown: the text of a chunk is the lines of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ingest import media_types
from ingest.chunkers.asciidoc_blocks import read_asciidoc_blocks
from ingest.chunkers.blocks import Block, Heading
from ingest.chunkers.draft import Drafts
from ingest.chunkers.rst_blocks import read_rst_blocks
from ingest.chunkers.sections import Locate, Page, first_title
from ingest.chunkers.split import Splitter

_READERS: Final[Mapping[str, Callable[[str], Sequence[Block]]]] = {
    media_types.RST: read_rst_blocks,
    media_types.ASCIIDOC: read_asciidoc_blocks,
}


def chunk_markup(path: str, fallback_title: str, text: str, media_type: str, splitter: Splitter) -> Drafts:
    """Return the sections of a page; the title is its first heading, else `fallback_title`."""
    source = splitter.read(text)
    blocks = _READERS[media_type](source.text)
    title = first_title(blocks) or fallback_title
    page = Page(title, "", source, splitter, _at_anchors_or_lines(path))
    return Drafts(title, tuple(page.drafts(blocks, 1, source.line_count)))


def _at_anchors_or_lines(path: str) -> Locate:
    def locate(heading: Heading | None, place: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        fragment = heading.anchor if heading else ""
        return f"{path}#{fragment or 'L{start_line}-L{end_line}'.format(**place)}", place

    return locate
