"""OpenDocument texts and slide decks: headings, lists, tables, footnotes, text boxes, slides and their notes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

from ingest.archives import open_archive, read_xml
from ingest.parsers.pptx import NOTES
from ingest.parsers.rendering import Rendering
from shirabe.errors import InvalidInput

_NAMESPACE: Final = "urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TEXT, _TABLE, _DRAW, _STYLE, _SHOW = (
    f"{{{_NAMESPACE}{name}:1.0}}" for name in ("office", "text", "table", "drawing", "style", "presentation")
)
_TOP: Final = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}y"
_LEFT: Final = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}x"
_DUBLIN_TITLE: Final = "{http://purl.org/dc/elements/1.1/}title"
_SKIPPED: Final = re.compile(
    r"\}(?:tracked-changes|table-of-content|[a-z]+-index|bibliography|annotation|ruby-text|note-citation|forms)$"
)
_LENGTH: Final = re.compile(r"-?\d+(?:\.\d+)?")
_MAX_REPEATED: Final = 1_000
_MARKS: Final = {f"{_TEXT}tab": " ", f"{_TEXT}line-break": "\n", f"{_TEXT}s": " "}
_BLOCKS: Final = frozenset({f"{_DRAW}frame", f"{_DRAW}text-box", f"{_TABLE}table"})


def read_odt(content: bytes) -> dict[str, Any]:
    """Return a document's title and blocks; a place is the number of a block of its body.

    Raises: InvalidInput.
    """
    root, out = _open(content)
    body = root.find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        raise InvalidInput("not an OpenDocument text")
    titles = {
        style.get(f"{_STYLE}name")
        for style in root.iter(f"{_STYLE}style")
        if style.get(f"{_STYLE}parent-style-name") == "Title"
    } | {"Title"}
    for place, element in enumerate(_blocks(body), start=1):
        if element.tag == f"{_TEXT}p" and element.get(f"{_TEXT}style-name") in titles:
            out.heading(0, _text(element), place)
            out.title = out.title or _text(element)
        else:
            _read(element, place, out)
    return out.answer()


def read_odp(content: bytes) -> dict[str, Any]:
    """Return a deck's title and blocks; a place is the number of a slide.

    Raises: InvalidInput.
    """
    root, out = _open(content)
    body = root.find(f"{_OFFICE}body/{_OFFICE}presentation")
    if body is None:
        raise InvalidInput("not an OpenDocument slide deck")
    for number, slide in enumerate(body.findall(f"{_DRAW}page"), start=1):
        if not any(_lines(slide)):
            continue
        shapes = sorted((child for child in slide if child.tag != f"{_SHOW}notes"), key=_position)
        titles = [shape for shape in shapes if shape.get(f"{_SHOW}class") == "title"]
        out.heading(1, " ".join(_lines(titles[0])) if titles else f"Slide {number}", number)
        for shape in shapes:
            if shape not in titles:
                _read(shape, number, out)
        for notes in slide.findall(f"{_SHOW}notes"):
            if lines := "\n".join(_lines(notes)):
                out.text(f"{NOTES}{lines}", number)
    return out.answer()


def _open(content: bytes) -> tuple[Element, Rendering]:
    out = Rendering()
    with open_archive(content) as archive:
        root = read_xml(archive, "content.xml")
        if root is None:
            raise InvalidInput("not an OpenDocument file")
        meta = read_xml(archive, "meta.xml")
    title = next(meta.iter(_DUBLIN_TITLE), None) if meta is not None else None
    out.title = (title.text or "") if title is not None else ""
    return root, out


def _blocks(parent: Element) -> Iterator[Element]:
    for child in parent:
        if child.tag == f"{_TEXT}section":
            yield from _blocks(child)
        elif not _SKIPPED.search(child.tag):
            yield child


def _read(element: Element, place: int, out: Rendering) -> None:
    tag = element.tag
    if tag == f"{_TEXT}h":
        level = element.get(f"{_TEXT}outline-level", "1")
        out.heading(int(level) if level.isdecimal() else 1, _text(element), place)
    elif tag == f"{_TEXT}p":
        out.text(_text(element), place)
    elif tag == f"{_TEXT}list":
        out.text("\n".join(f"- {line}" for line in _lines(element)), place)
    elif tag == f"{_TABLE}table":
        head = sum(1 for rows in element.iter(f"{_TABLE}table-header-rows") for _ in rows)
        out.table(_rows(element), head or 1, place)
        return
    else:
        for child in element:
            _read(child, place, out)
        return
    for box in _boxes(element):
        _read(box, place, out)


def _boxes(element: Element) -> Iterator[Element]:
    for child in element:
        if child.tag in _BLOCKS:
            yield child
        else:
            yield from _boxes(child)


def _rows(table: Element) -> list[list[str]]:
    rows: list[list[str]] = []
    merged: dict[int, tuple[str, int]] = {}
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            column = len(cells)
            text = " ".join(_lines(cell))
            if cell.tag == f"{_TABLE}covered-table-cell":
                above, last = merged.get(column, ("", -1))
                text = above if len(rows) <= last else ""
            elif (spanned := _count(cell, "number-rows-spanned")) > 1:
                merged[column] = text, len(rows) + spanned - 1
            cells += [text] * min(_count(cell, "number-columns-repeated"), _MAX_REPEATED)
        while cells and not cells[-1]:
            cells.pop()
        rows.append(cells)
    return rows


def _count(cell: Element, name: str) -> int:
    value = cell.get(f"{_TABLE}{name}", "1")
    return int(value) if value.isdecimal() else 1


def _lines(parent: Element) -> Iterator[str]:
    """Yield the paragraphs somewhere inside, one line each."""
    for paragraph in parent.iter(
        f"{_TEXT}p",
    ):
        if text := " ".join(_text(paragraph).split()):
            yield text


def _text(element: Element) -> str:
    return "".join(_pieces(element))


def _pieces(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag in _MARKS:
            yield _MARKS[child.tag]
        elif child.tag == f"{_TEXT}note":
            yield f" [{' '.join(_lines(child))}]"
        elif child.tag not in _BLOCKS and not _SKIPPED.search(child.tag):
            yield from _pieces(child)
        yield child.tail or ""


def _position(shape: Element) -> tuple[float, float]:
    found = [_LENGTH.match(shape.get(name, "")) for name in (_TOP, _LEFT)]
    top, left = (float(one[0]) if one else -1.0 for one in found)
    return top, left
