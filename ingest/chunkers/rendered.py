"""Documents that are not lines of text (PDF, Office, HTML) into sections: they are read in the sandbox and rendered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ingest import media_types, sandbox
from ingest.chunkers.blocks import Block, Heading
from ingest.chunkers.draft import Drafts
from ingest.chunkers.sections import Page, first_title
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter
from shirabe.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class _Format:
    """The function that reads a format, and what it counts places in (empty: headings have anchors)."""

    reader: str
    counted: str = ""


FORMATS: Final[Mapping[str, _Format]] = {
    media_types.HTML: _Format("ingest.parsers.html:read_html"),
    media_types.PDF: _Format("ingest.parsers.pdf:read_pdf", "page"),
    media_types.DOCX: _Format("ingest.parsers.docx:read_docx", "paragraph"),
    media_types.PPTX: _Format("ingest.parsers.pptx:read_pptx", "slide"),
    media_types.ODT: _Format("ingest.parsers.odf:read_odt", "paragraph"),
    media_types.ODP: _Format("ingest.parsers.odf:read_odp", "slide"),
}


@dataclass(slots=True)
class _Rendered:
    """A document's text, its blocks by lines of that text, and the places that the lines are at."""

    lines: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _places: list[tuple[int, int]] = field(default_factory=list)

    def add(self, block: Mapping[str, Any]) -> None:
        kind, head, place = block["kind"], int(block.get("head", 0)), int(block["place"])
        if self.lines:
            self.lines.append("")
        first = len(self.lines) + 1
        self.lines += clean_text(block["text"]).split("\n")
        last = len(self.lines)
        heading = None
        if kind == "heading":
            heading = Heading(int(block["level"]), self.lines[first - 1], clean_text(block["anchor"]))
        parts = range(first + max(head, 1), last + 1)
        self.blocks.append(Block(kind, first, last, tuple(parts), heading, head))
        self._starts.append(first)
        self._places.append((place, int(block.get("last_place", 0)) or place))

    def places(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last place that some lines are at."""
        begin, end = bisect_right(self._starts, first) - 1, bisect_right(self._starts, last) - 1
        return self._places[max(begin, 0)][0], self._places[max(end, 0)][1]


def chunk_rendered(path: str, fallback_title: str, content: bytes, media_type: str, splitter: Splitter) -> Drafts:
    """Return the sections of a document; the title is its own, else its one heading of level 1, else `fallback_title`.

    `start_page` and `end_page` (or `_slide`, `_paragraph`) in a chunk's meta say where it is; its locator names the
    first of them, or the anchor of its heading.

    Raises: InvalidInput with the place in the file, Unavailable.
    """
    format_ = FORMATS[media_type]
    found = sandbox.parse(format_.reader, content, place=path)
    if not found["blocks"] and format_.counted:
        raise InvalidInput("no text in it", path)
    rendered = _Rendered()
    for block in found["blocks"]:
        rendered.add(block)
    tops = sum(block.heading is not None and block.heading.level == 1 for block in rendered.blocks)
    title = clean_text(found["title"]) or (first_title(rendered.blocks) if tops == 1 else "") or fallback_title

    def locate(heading: Heading | None, place: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        if not format_.counted:
            return f"{path}#{heading.anchor}" if heading and heading.anchor else path, {}
        first, last = rendered.places(place["start_line"], place["end_line"])
        return f"{path}#{format_.counted}={first}", {f"start_{format_.counted}": first, f"end_{format_.counted}": last}

    page = Page(title, "", splitter.read("\n".join(rendered.lines)), splitter, locate)
    return Drafts(title, tuple(page.drafts(rendered.blocks, 1, len(rendered.lines))))
