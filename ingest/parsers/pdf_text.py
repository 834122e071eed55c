"""The text of PDF pages as fragments with their places; only this and `pdf_fonts` know the PDF library."""

from __future__ import annotations

import ctypes
import math
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from ingest.parsers.pdf_fonts import use_box_fonts
from ingest.parsers.pdf_layout import Fragment
from shirabe.errors import InvalidInput

_MAX_OUTLINE: Final = 5_000
_ANGLES_SEEN: Final = 200
_SPACES: Final = frozenset(" \t\xa0\u3000")
_BREAKS: Final = frozenset("\r\n")
# A gap within a line that is wider than this many times the font's size parts columns or cells.
_CELL_GAP: Final = 1.0
_SHIFT: Final = 0.5
_MARK_CHARS: Final = 3
_COMPATIBLE: Final = (("\u2e80", "\u2fdf"), ("\ufb00", "\ufb06"))
_FONT_NAME_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """An entry of a document's outline: level from 1, and the page (from 0) that it opens, None when unknown."""

    level: int
    title: str
    page: int | None


class PdfFile:
    """An open PDF file."""

    def __init__(self, content: bytes) -> None:
        """Open a file. Raises: InvalidInput when it is protected or damaged."""
        use_box_fonts()
        try:
            self._document = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pdfium.FPDF_ERR_PASSWORD:
                raise InvalidInput("protected by a password") from None
            raise InvalidInput(f"not a readable PDF ({error})") from None

    @property
    def title(self) -> str:
        """The title among the file's properties; may be empty."""
        return str(self._document.get_metadata_value("Title")).strip("\x00 ")

    @property
    def page_count(self) -> int:
        """The number of pages that the file says it has."""
        return len(self._document)

    def fragments(self, page: int) -> list[Fragment]:
        """Return the fragments of text of a page (from 0), in the order they are drawn in; none for a damaged page."""
        try:
            opened = self._document[page]
            text = opened.get_textpage()
        except pypdfium2.PdfiumError:
            return []
        found = list(_Reader(text.raw).fragments())
        text.close()
        opened.close()
        return found

    def outline(self) -> list[OutlineEntry]:
        """Return the entries of the outline, in order."""
        entries: list[OutlineEntry] = []
        for bookmark in self._document.get_toc():
            if len(entries) == _MAX_OUTLINE:
                break
            destination = bookmark.get_dest()
            page = destination.get_index() if destination is not None else None
            entries.append(OutlineEntry(bookmark.level + 1, readable(bookmark.get_title()), page))
        return entries


def readable(text: str) -> str:
    """Return text as people write it: radicals and ligatures that fonts put in place of characters mapped back."""
    return "".join(
        unicodedata.normalize("NFKC", char) if any(first <= char <= last for first, last in _COMPATIBLE) else char
        for char in text
        if char.isprintable() or char in "\u3000\xad\x02"
    )


class _Reader:
    """Reads one page: characters that follow each other on a line, in one direction, are a fragment."""

    def __init__(self, text_page: object) -> None:
        self._page = text_page
        self._box = [ctypes.c_double() for _ in range(4)]
        self._origin = [ctypes.c_double() for _ in range(2)]
        self._matrix = pdfium.FS_MATRIX()
        self._name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
        self._flags = ctypes.c_int()
        self._count = max(0, pdfium.FPDFText_CountChars(text_page))
        # Whole pages are drawn sideways; what is at another angle than the most is a stamp or a watermark.
        step = max(1, self._count // _ANGLES_SEEN)
        angles = Counter(self._angle(index) for index in range(0, self._count, step))
        self._turn = next((angle for angle, _ in angles.most_common() if angle is not None), 0)

    def fragments(self) -> Iterator[Fragment]:
        """Yield the fragments in the order in which they are drawn."""
        run: _Run | None = None
        blank = False
        for index in range(self._count):
            char = chr(pdfium.FPDFText_GetUnicode(self._page, index))
            if char in _SPACES:
                blank = True
                continue
            if char in _BREAKS:
                if run:
                    yield run.fragment()
                run, blank = None, False
                continue
            x, y, left, right = self._place(index)
            if run is not None and not run.takes(x, y, left, blank=blank):
                yield run.fragment()
                run = None
            if run is None:
                if self._angle(index) != self._turn:
                    continue
                run = _Run(x, y, left, self._size(index), self._font(index))
                blank = False
            run.add(f" {char}" if blank else char, x, y, right)
            if run.text[_MARK_CHARS:] and len(run.text) <= _MARK_CHARS + 2:
                # A bullet or a mark before the words has a size of its own.
                run.size, run.font = self._size(index), self._font(index)
            blank = False
        if run:
            yield run.fragment()

    def _place(self, index: int) -> tuple[float, float, float, float]:
        """Return a character's origin (x, y), and its left and right edge, with the page turned upright."""
        pdfium.FPDFText_GetCharOrigin(self._page, index, *self._origin)
        pdfium.FPDFText_GetCharBox(self._page, index, *self._box)
        left, right, bottom, top = (value.value for value in self._box)
        x, y = (value.value for value in self._origin)
        match self._turn:
            case 1:
                return y, -x, bottom, top
            case 2:
                return -x, -y, -right, -left
            case 3:
                return -y, x, -top, -bottom
        return x, y, left, right

    def _angle(self, index: int) -> int | None:
        """Return how many quarters of a turn a character is turned against the clock; None for other angles."""
        if not pdfium.FPDFText_GetMatrix(self._page, index, self._matrix):
            return 0
        quarters = math.atan2(self._matrix.b, self._matrix.a) / (math.pi / 2)
        nearest = round(quarters)
        return nearest % 4 if abs(quarters - nearest) < 0.1 else None

    def _size(self, index: int) -> float:
        size = float(pdfium.FPDFText_GetFontSize(self._page, index))
        if pdfium.FPDFText_GetMatrix(self._page, index, self._matrix):
            size *= math.hypot(self._matrix.c, self._matrix.d)
        return size if 0 < size < math.inf else 1.0

    def _font(self, index: int) -> str:
        length = pdfium.FPDFText_GetFontInfo(self._page, index, self._name, _FONT_NAME_BYTES, self._flags)
        return self._name.raw[: max(0, min(length, _FONT_NAME_BYTES) - 1)].decode("utf-8", "replace")


@dataclass(slots=True)
class _Run:
    """A fragment as far as it is read; `last_x`, `last_y` and `right` are of its last character."""

    x: float
    y: float
    left: float
    size: float
    font: str
    text: str = ""
    last_x: float = 0.0
    last_y: float = 0.0
    right: float = 0.0
    vertical: bool = False

    def takes(self, x: float, y: float, left: float, *, blank: bool) -> bool:
        """Tell whether a character goes on with this fragment."""
        down = self.last_y - y
        if self.vertical or (len(self.text) == 1 and down > _SHIFT * self.size):
            below = _SHIFT * self.size < down < 2 * (1 + blank) * self.size
            return below and abs(x - self.last_x) < _SHIFT * self.size
        gap = left - self.right
        return abs(down) < _SHIFT * self.size and -self.size < gap < (_CELL_GAP if blank else 2 * _CELL_GAP) * self.size

    def add(self, text: str, x: float, y: float, right: float) -> None:
        """Take a character in."""
        if self.text:
            self.vertical = self.vertical or (len(self.text) == 1 and self.last_y - y > _SHIFT * self.size)
        self.text += text
        self.last_x, self.last_y, self.right = x, y, right

    def fragment(self) -> Fragment:
        """Return the fragment; one of a vertical line lies on its side, so that lines begin at the right edge."""
        size = self.size
        if self.vertical:
            top = self.x + size
            return Fragment(readable(self.text), -self.y - size, top - size, -self.last_y, top, size, self.font, True)
        bottom = self.y - 0.2 * size
        return Fragment(readable(self.text), self.left, bottom, self.right, bottom + size, size, self.font)
