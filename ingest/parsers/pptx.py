"""Slide decks: each slide's title, texts from top to bottom, tables, diagrams, and the speaker's notes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

from ingest.archives import open_archive, read_xml
from ingest.parsers.ooxml import core_title, main_part, relationships
from ingest.parsers.rendering import Rendering
from shirabe.errors import InvalidInput

_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_R: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DIAGRAM: Final = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_DECK_TITLE: Final = "ctrTitle"
_TITLES: Final = frozenset({"title", _DECK_TITLE})
# The number, date, header and footer that every slide repeats.
_REPEATED: Final = frozenset({"sldNum", "dt", "hdr", "ftr", "sldImg"})
_MAX_TITLE_CHARS: Final = 80
NOTES: Final = "Notes: "
"""What stands before a slide's notes."""


def read_pptx(content: bytes) -> dict[str, Any]:
    """Return a deck's title and blocks; a place is the number of a slide, hidden ones counted but left out.

    Raises: InvalidInput.
    """
    with open_archive(content) as archive:
        main = main_part(archive)
        root = read_xml(archive, main)
        if root is None or root.tag != f"{_P}presentation":
            raise InvalidInput("not a slide deck")
        out = Rendering()
        out.title = core_title(archive)
        targets = relationships(archive, main)
        for number, entry in enumerate(root.iter(f"{_P}sldId"), start=1):
            _, part = targets.get(entry.get(f"{_R}id", ""), ("", ""))
            slide = read_xml(archive, part) if part else None
            if slide is not None and slide.get("show", "1") not in ("0", "false"):
                _read_slide(archive, part, slide, number, out)
        return out.answer()


def _read_slide(archive: zipfile.ZipFile, part: str, slide: Element, number: int, out: Rendering) -> None:
    targets = relationships(archive, part)
    title, blocks = "", list[str | list[list[str]]]()
    for shape in _shapes(slide):
        kind = _placeholder(shape)
        if kind in _REPEATED:
            continue
        if (table := shape.find(f".//{_A}tbl")) is not None:
            blocks.append(_rows(table))
        elif (diagram := shape.find(f".//{_DIAGRAM}")) is not None:
            data = read_xml(archive, targets.get(diagram.get(f"{_R}dm", ""), ("", ""))[1])
            blocks.append("\n".join(_paragraphs(data)) if data is not None else "")
        elif kind in _TITLES and not title:
            title = " ".join(_paragraphs(shape))
            out.title = out.title or (title if kind == _DECK_TITLE else "")
        else:
            blocks.append("\n".join(_paragraphs(shape)))
    notes = "\n".join(_notes(archive, targets))
    if not (title or notes or any(blocks)):
        return
    if not title:
        title = _taken_title(blocks) or f"Slide {number}"
    out.heading(1, title, number)
    for block in blocks:
        if isinstance(block, str):
            out.text(block, number)
        else:
            out.table(block, 1, number)
    if notes:
        out.text(f"{NOTES}{notes}", number)


def _taken_title(blocks: list[str | list[list[str]]]) -> str:
    """Take the first line of a slide out of its text for its title: where no title was filled in, that is one."""
    for index, block in enumerate(blocks):
        if block:
            first, _, rest = block.partition("\n") if isinstance(block, str) else ("", "", "")
            if 0 < len(first) <= _MAX_TITLE_CHARS:
                blocks[index] = rest
                return first
            break
    return ""


def _notes(archive: zipfile.ZipFile, targets: dict[str, tuple[str, str]]) -> Iterator[str]:
    part = next((target for kind, target in targets.values() if kind == "notesSlide"), "")
    root = read_xml(archive, part) if part else None
    for shape in root.iter(f"{_P}sp") if root is not None else ():
        if _placeholder(shape) not in _REPEATED:
            yield from _paragraphs(shape)


def _shapes(slide: Element) -> list[Element]:
    """Return a slide's shapes from top to bottom, then from left to right; one with no place of its own comes first."""
    tree = slide.find(f"{_P}cSld/{_P}spTree")
    return sorted(_leaves(tree), key=_position) if tree is not None else []


def _leaves(parent: Element) -> Iterator[Element]:
    for child in parent:
        if child.tag in (f"{_P}sp", f"{_P}graphicFrame"):
            yield child
        elif child.tag != _FALLBACK and child.tag != f"{_P}pic":
            yield from _leaves(child)


def _position(shape: Element) -> tuple[int, int]:
    offset = shape.find(f"{_P}spPr/{_A}xfrm/{_A}off")
    if offset is None:
        offset = shape.find(f"{_P}xfrm/{_A}off")
    if offset is None:
        return -1, -1
    x, y = (int(offset.get(axis, "0")) if offset.get(axis, "0").lstrip("-").isdecimal() else 0 for axis in "xy")
    return y, x


def _placeholder(shape: Element) -> str:
    found = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return found.get("type", "body") if found is not None else ""


def _rows(table: Element) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in table.findall(f"{_A}tr"):
        cells: list[str] = []
        for column, cell in enumerate(row.findall(f"{_A}tc")):
            goes_on = cell.get("vMerge") in ("1", "true") and rows and column < len(rows[-1])
            cells.append(rows[-1][column] if goes_on else " ".join(_paragraphs(cell)))
        rows.append(cells)
    return rows


def _paragraphs(parent: Element) -> Iterator[str]:
    """Yield the paragraphs of text, those under another with a dash."""
    for paragraph in parent.iter(f"{_A}p"):
        pieces = (
            "\n" if piece.tag == f"{_A}br" else piece.text or ""
            for piece in paragraph.iter()
            if piece.tag in (f"{_A}t", f"{_A}br")
        )
        text = " ".join("".join(pieces).split())
        settings = paragraph.find(f"{_A}pPr")
        below = settings is not None and settings.get("lvl", "0") != "0"
        if text:
            yield f"- {text}" if below else text
