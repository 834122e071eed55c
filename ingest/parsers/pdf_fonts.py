"""A font in place of those that a PDF file names and does not bring: every character of it is a box.

Japanese files often name a font that each office machine has. Where it is not found, PDFium takes a character that
stands alone for one of no width and leaves it out of the text. A sandboxed parser finds no font of its host, and what
is read must not hang on the host.

The tables are those that TrueType asks for: https://learn.microsoft.com/typography/opentype/spec/otff
"""

from __future__ import annotations

import ctypes
import functools
import struct
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as pdfium

_EM: Final = 1000
_ASCENT: Final = 880
_FIRST_CHAR: Final = 0x20
_LAST_CHAR: Final = 0xFFFD
_FIRST_WIDE: Final = 0x250
_HALFWIDTH_KATAKANA: Final = range(0xFF61, 0xFFA0)
_CHARSETS: Final = frozenset(
    (
        pdfium.FXFONT_SHIFTJIS_CHARSET,
        pdfium.FXFONT_HANGEUL_CHARSET,
        pdfium.FXFONT_GB2312_CHARSET,
        pdfium.FXFONT_CHINESEBIG5_CHARSET,
    )
)
# Any number but zero: there is one font.
_HANDLE: Final = 1


class BoxFonts(pypdfium2.PdfSysfontBase):  # type: ignore[misc]
    """PDFium's fonts: one of boxes for Chinese, Japanese and Korean, PDFium's own for the rest, and no file."""

    def MapFont(self, *asked: Any) -> int | None:
        """Return the font for a character set, None to leave it to PDFium."""
        _, _, _, charset, *_ = asked
        return _HANDLE if charset in _CHARSETS else None

    def GetFont(self, *_: Any) -> None:
        """Return no font for a name alone."""

    def GetFontData(self, _: Any, __: Any, table: int, buffer: Any, size: int) -> int:
        """Return the length of the font (table 0) or of one table, and copy it where there is room."""
        data = box_font() if not table else _tables().get(table.to_bytes(4, "big"), b"")
        if size >= len(data):
            ctypes.memmove(buffer, data, len(data))
        return len(data)

    def GetFaceName(self, *_: Any) -> int:
        """Return the length of the name, which is none."""
        return 0

    def GetFontCharset(self, *_: Any) -> int:
        """Return the character set of the font."""
        return int(pdfium.FXFONT_SHIFTJIS_CHARSET)

    def DeleteFont(self, *_: Any) -> None:
        """Keep the font."""

    def EnumFonts(self, *_: Any) -> None:
        """List nothing of the host's."""


@functools.cache
def use_box_fonts() -> None:
    """Have PDFium ask for fonts here, from now on in this process."""
    BoxFonts().setup()


@functools.cache
def box_font() -> bytes:
    """Return a TrueType font that draws each character of the Basic Multilingual Plane as a box of its width."""
    tables = _tables()
    offset = 12 + 16 * len(tables)
    directory, body = b"", b""
    for tag, data in sorted(tables.items()):
        directory += struct.pack(">4sIII", tag, _checksum(data), offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    power = 1 << (len(tables).bit_length() - 1)
    head = struct.pack(
        ">IHHHH", 0x00010000, len(tables), power * 16, power.bit_length() - 1, (len(tables) - power) * 16
    )
    return head + directory + body


@functools.cache
def _tables() -> dict[bytes, bytes]:
    bottom = _ASCENT - _EM
    # What stands for a missing character, the narrow ones and the wide ones.
    widths = (_EM, _EM // 2, _EM)
    outlines = [_box(width, bottom) for width in widths]
    offsets = [sum(map(len, outlines[:index])) for index in range(len(outlines) + 1)]
    count = len(widths)
    return {
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x00010000, 0x00010000, 0, 0x5F0F3CF5, 0, _EM, 0, 0),
            *(0, bottom, _EM, _ASCENT, 0, 8, 2, 1, 0),
        ),
        b"hhea": struct.pack(">I3hH11hH", 0x00010000, _ASCENT, bottom, 0, _EM, 0, 0, _EM, 1, *([0] * 7), count),
        b"maxp": struct.pack(">I14H", 0x00010000, count, 4, 1, 0, 0, 1, *([0] * 8)),
        b"hmtx": b"".join(struct.pack(">Hh", width, 0) for width in widths),
        b"loca": struct.pack(f">{len(offsets)}I", *offsets),
        b"glyf": b"".join(outlines),
        b"cmap": _cmap(),
        b"post": struct.pack(">IIhhIIIII", 0x00030000, 0, 0, 0, 1, 0, 0, 0, 0),
    }


def _box(width: int, bottom: int) -> bytes:
    """Return an outline of one contour with four points, a step in x and one in y for each."""
    outline = struct.pack(">5hHH", 1, 0, bottom, width, _ASCENT, 3, 0) + bytes([1] * 4)
    outline += struct.pack(">4h", 0, width, 0, -width) + struct.pack(">4h", bottom, 0, _EM, 0)
    return outline + bytes(-len(outline) % 4)


def _cmap() -> bytes:
    """Return the map (format 4) of characters to glyphs: one segment with a list, and the one that ends it."""
    chars = range(_FIRST_CHAR, _LAST_CHAR + 1)
    glyphs = [1 if char < _FIRST_WIDE or char in _HALFWIDTH_KATAKANA else 2 for char in chars]
    segments = struct.pack(">2HH2H2h2H", _LAST_CHAR, 0xFFFF, 0, _FIRST_CHAR, 0xFFFF, 0, 1, 4, 0)
    listed = segments + struct.pack(f">{len(glyphs)}H", *glyphs)
    # The length has 16 bits, too few for the list: readers go by the end of the table.
    subtable = struct.pack(">7H", 4, min(0xFFFF, 14 + len(listed)), 0, 4, 4, 1, 0) + listed
    return struct.pack(">HHHHI", 0, 1, 3, 1, 12) + subtable


def _checksum(data: bytes) -> int:
    padded = data + bytes(-len(data) % 4)
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF
