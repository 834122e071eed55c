"""Word documents: headings by their outline level, lists, tables with merged cells filled, footnotes, text boxes.

Read from the archive's XML: what a search needs (outline levels through styles, footnotes, text boxes, tracked changes
taken as accepted) is what libraries that write such documents leave out.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from ingest.archives import open_archive, read_xml
from ingest.parsers.ooxml import core_title, main_part, related_part
from ingest.parsers.rendering import Rendering
from shirabe.errors import InvalidInput

_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_PARAGRAPH, _TABLE, _BOX = f"{_W}p", f"{_W}tbl", f"{_W}txbxContent"
_VALUE: Final = f"{_W}val"
_TEXTS: Final = frozenset({f"{_W}t", _MATH_TEXT})
_MARKS: Final = {f"{_W}tab": " ", f"{_W}ptab": " ", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_NOTES: Final = {f"{_W}footnoteReference": "f", f"{_W}endnoteReference": "e"}
# What was deleted, the reading of ruby, field codes, the other version of a drawing, and text boxes, which stand apart.
_HIDDEN: Final = frozenset(
    {*(f"{_W}{name}" for name in ("del", "moveFrom", "rt", "instrText", "pPr", "rPr")), _FALLBACK, _BOX}
)
_HEADING_NAME: Final = re.compile(r"(?:heading|見出し) ?([1-9])$")
_TITLE_NAMES: Final = frozenset({"title", "表題"})
_CONTENTS_NAME: Final = re.compile(r"(?:toc|目次) ?\d|(?:toc|contents) heading|目次の見出し|table of figures|図表目次")
_CODE_NAME: Final = re.compile(r"code|preformatted|コード|ソース")
_MAX_STYLE_DEPTH: Final = 20


def read_docx(content: bytes) -> dict[str, Any]:
    """Return a document's title and blocks; a place is the number of a paragraph or table of its body.

    Raises: InvalidInput.
    """
    with open_archive(content) as archive:
        part = main_part(archive)
        root = read_xml(archive, part)
        body = root.find(f"{_W}body") if root is not None else None
        if body is None:
            raise InvalidInput("not a Word document")
        reader = _Reader(_Styles(_related(archive, part, "styles")), _notes(archive, part))
        reader.read(body)
        reader.out.title = reader.out.title or core_title(archive)
        return reader.out.answer()


def _related(archive: zipfile.ZipFile, part: str, kind: str) -> Element | None:
    name = related_part(archive, part, kind)
    return read_xml(archive, name) if name else None


def _notes(archive: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Return the text of every footnote (`f1`) and endnote (`e1`)."""
    notes = {}
    for kind in ("footnote", "endnote"):
        root = _related(archive, part, f"{kind}s")
        for note in root.findall(f"{_W}{kind}") if root is not None else ():
            text = " ".join(_text(paragraph, {}) for paragraph in note.iter(_PARAGRAPH))
            notes[f"{kind[0]}{note.get(f'{_W}id', '')}"] = " ".join(text.split())
    return notes


class _Styles:
    """What paragraph styles mean, through the styles that they are based on."""

    def __init__(self, root: Element | None) -> None:
        styles = root.findall(f"{_W}style") if root is not None else []
        self._styles = {style.get(f"{_W}styleId", ""): style for style in styles}

    def name(self, style_id: str) -> str:
        """Return a style's name, lower case."""
        name = self._styles[style_id].find(f"{_W}name") if style_id in self._styles else None
        return (name.get(_VALUE, "") if name is not None else style_id).lower()

    def level(self, style_id: str) -> int:
        """Return a style's outline level from 1; 0 for body text."""
        for one in self._lineage(style_id):
            if found := _HEADING_NAME.match(self.name(one)):
                return int(found[1])
            if level := outline_level(self._styles.get(one)):
                return level
        return 0

    def is_list(self, style_id: str) -> bool:
        """Tell whether paragraphs of a style have bullets or numbers."""
        styles = (self._styles.get(one) for one in self._lineage(style_id))
        return any(style is not None and style.find(f"{_W}pPr/{_W}numPr") is not None for style in styles)

    def _lineage(self, style_id: str) -> Iterator[str]:
        for _ in range(_MAX_STYLE_DEPTH):
            yield style_id
            style = self._styles.get(style_id)
            parent = style.find(f"{_W}basedOn") if style is not None else None
            if parent is None:
                return
            style_id = parent.get(_VALUE, "")


def outline_level(owner: Element | None) -> int:
    """Return the outline level that a paragraph or a style sets itself, from 1; 0 for none, or body text."""
    outline = owner.find(f"{_W}pPr/{_W}outlineLvl") if owner is not None else None
    value = outline.get(_VALUE, "") if outline is not None else ""
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


class _Reader:
    def __init__(self, styles: _Styles, notes: Mapping[str, str]) -> None:
        self.out = Rendering()
        self._styles = styles
        self._notes = notes
        self._place = 0
        self._run: list[str] = []
        self._run_is_code = False
        self._run_places = (0, 0)

    def read(self, body: Element) -> None:
        """Read the paragraphs and tables of a body in order."""
        for element in _flattened(body):
            self._place += 1
            if element.tag == _TABLE:
                self._end_run()
                self._table(element)
            else:
                self._paragraph(element)
            for box in _boxes(element):
                self._end_run()
                self.out.text("\n".join(_text(one, self._notes) for one in box.iter(_PARAGRAPH)), self._place)
        self._end_run()

    def _paragraph(self, paragraph: Element) -> None:
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        style_id = style.get(_VALUE, "") if style is not None else ""
        name = self._styles.name(style_id)
        text = _text(paragraph, self._notes)
        if not text.strip() or _CONTENTS_NAME.match(name):
            return
        level = outline_level(paragraph) or self._styles.level(style_id)
        is_code = _CODE_NAME.search(name) is not None
        if level or name in _TITLE_NAMES:
            self._end_run()
            self.out.heading(level, text, self._place)
            if name in _TITLE_NAMES and not self.out.title:
                self.out.title = text
        elif is_code or paragraph.find(f"{_W}pPr/{_W}numPr") is not None or self._styles.is_list(style_id):
            self._add_to_run(text if is_code else f"- {' '.join(text.split())}", is_code)
        else:
            self._end_run()
            self.out.text(text, self._place)

    def _add_to_run(self, line: str, is_code: bool) -> None:
        """Keep a list item or a line of code for the block of those that stand together."""
        if self._run and is_code != self._run_is_code:
            self._end_run()
        first = self._run_places[0] if self._run else self._place
        self._run_places = first, self._place
        self._run_is_code = is_code
        self._run.append(line)

    def _end_run(self) -> None:
        add = self.out.code if self._run_is_code else self.out.text
        add("\n".join(self._run), *self._run_places)
        self._run = []

    def _table(self, table: Element) -> None:
        rows: list[list[str]] = []
        above: dict[int, str] = {}
        headers = 0
        for row in _rows(table):
            cells, column = list[str](), 0
            for cell in _inside(row, f"{_W}tc"):
                text = "\n".join(_text(one, self._notes) for one in cell.iter(_PARAGRAPH))
                if (merged := cell.find(f"{_W}tcPr/{_W}vMerge")) is not None:
                    goes_on = merged.get(_VALUE, "continue") == "continue"
                    text = above.get(column, "") if goes_on else text
                    above[column] = text
                cells.append(text)
                span = cell.find(f"{_W}tcPr/{_W}gridSpan")
                column += int(span.get(_VALUE, "1")) if span is not None and span.get(_VALUE, "").isdecimal() else 1
            headers += row.find(f"{_W}trPr/{_W}tblHeader") is not None and headers == len(rows)
            rows.append(cells)
        self.out.table(rows, headers or 1, self._place)


def _flattened(parent: Element) -> Iterator[Element]:
    """Yield paragraphs and tables, those inside content controls and tracked insertions too."""
    for child in parent:
        if child.tag in (_PARAGRAPH, _TABLE):
            yield child
        elif child.tag not in _HIDDEN:
            yield from _flattened(child)


def _rows(table: Element) -> Iterator[Element]:
    return _inside(table, f"{_W}tr")


def _inside(parent: Element, tag: str) -> Iterator[Element]:
    """Yield the children of a kind, those inside content controls too, and none of nested tables."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins"):
            yield from _inside(child, tag)


def _boxes(element: Element) -> Iterator[Element]:
    for child in element:
        if child.tag == _BOX:
            yield child
        elif child.tag != _FALLBACK:
            yield from _boxes(child)


def _text(element: Element, notes: Mapping[str, str]) -> str:
    return "".join(_pieces(element, notes))


def _pieces(element: Element, notes: Mapping[str, str]) -> Iterator[str]:
    for child in element:
        tag = child.tag
        if tag in _TEXTS:
            yield child.text or ""
        elif tag in _MARKS:
            yield _MARKS[tag]
        elif tag in _NOTES:
            note = notes.get(f"{_NOTES[tag]}{child.get(f'{_W}id', '')}")
            yield f" [{note}]" if note else ""
        elif tag not in _HIDDEN:
            yield from _pieces(child, notes)
