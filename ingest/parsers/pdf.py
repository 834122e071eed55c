"""PDF files: paragraphs in reading order under the headings that the outline or the type's size gives, by page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from ingest.parsers.pdf_headings import headings, largest
from ingest.parsers.pdf_layout import Line, lines_in_order, paragraphs
from ingest.parsers.pdf_text import PdfFile, readable
from ingest.parsers.rendering import Rendering
from shirabe.errors import InvalidInput

_MAX_PAGES: Final = 5_000
_EDGE_LINES: Final = 2
_MIN_REPEATED: Final = 3
_MIN_NUMBERED: Final = 2
_NUMBERED: Final = re.compile(r"^\d{1,4}\s|\s\d{1,4}$")
_REPEATED_SHARE: Final = 0.4
_DIGITS: Final = re.compile(r"\d+")
_PAGE_NUMBER: Final = re.compile(
    r"[-–—\s]*(?:(?:page|p\.?)\s*)?(?:\d{1,4}|[ivxlc]{1,6})\s*(?:(?:of|/|／)\s*\d{1,4})?(?:\s*(?:ページ|頁))?[-–—\s]*$",
    re.IGNORECASE,
)
_LEADERS: Final = re.compile(r"(?:\s?[.．·…‥・]){4,}")
_NO_TITLE: Final = re.compile(
    r"untitled\b|無題|microsoft (?:word|powerpoint|excel)\b|.*\.(?:docx?|xlsx?|pptx?|indd|tex|dvi|pdf)$", re.IGNORECASE
)


def read_pdf(content: bytes) -> dict[str, Any]:
    """Return a document's title and blocks; a place is the number of a page.

    Raises: InvalidInput when it is protected, damaged, too long or without any text.
    """
    file = PdfFile(content)
    if file.page_count > _MAX_PAGES:
        raise InvalidInput(f"{file.page_count} pages, more than {_MAX_PAGES}")
    pages = _without_edges([lines_in_order(file.fragments(page)) for page in range(file.page_count)])
    if not any(pages):
        count = f"{len(pages)} page{'s' * (len(pages) != 1)}"
        raise InvalidInput(f"no text in its {count}: images of text are read only after text recognition (OCR)")
    out = Rendering()
    out.title = "" if _NO_TITLE.match(file.title) else readable(file.title)
    out.title = out.title or largest(pages)
    found = headings(pages, file.outline())
    for page, lines in enumerate(pages):
        start = 0
        for at in range(len(lines) + 1):
            for level, text, taken in found.get((page, at), ()):
                _add(lines[start:at], page, out)
                out.heading(level, text, page + 1)
                start = max(start, at + taken)
        _add(lines[start:], page, out)
    return out.answer()


def _add(lines: Sequence[Line], page: int, out: Rendering) -> None:
    for text in paragraphs(lines):
        out.text(_LEADERS.sub(" … ", text), page + 1)


def _without_edges(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Return the pages without what they repeat at their upper and lower edges, and without their numbers."""
    edges = [_edges(lines) for lines in pages]
    counts = Counter(key for edge in edges for key in {_repeated_key(line) for line in edge})
    least = max(_MIN_REPEATED, _REPEATED_SHARE * len(pages) / 2)
    kept = []
    for lines, edge in zip(pages, edges, strict=True):
        gone = {
            id(line)
            for line in edge
            if counts[_repeated_key(line)] >= (_MIN_NUMBERED if _NUMBERED.search(line.text) else least)
            or (len(pages) > 1 and _PAGE_NUMBER.match(line.text))
        }
        kept.append([line for line in lines if id(line) not in gone])
    return kept


def _edges(lines: Sequence[Line]) -> list[Line]:
    by_height = sorted(lines, key=lambda line: line.bottom)
    return [*by_height[:_EDGE_LINES], *by_height[_EDGE_LINES:][-_EDGE_LINES:]]


def _repeated_key(line: Line) -> tuple[str, int]:
    """Return what the same header of another page has too: its words with numbers alike, and its height."""
    return _DIGITS.sub("0", line.text), round(line.bottom / 4)
