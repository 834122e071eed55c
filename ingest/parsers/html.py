"""HTML pages: the main content's headings, paragraphs, lists, tables and code; navigation and scripts left out."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any, Final

from ingest.decoding import decode_text
from ingest.parsers.html_tables import TableRows
from ingest.parsers.rendering import Rendering

_DROPPED: Final = frozenset(
    {"script", "style", "template", "noscript", "svg", "rt", "rp", "select", "iframe", "object"}
)
_ASIDE_TAGS: Final = frozenset({"nav", "footer", "aside", "form", "button"})
_ASIDE_ROLES: Final = frozenset({"navigation", "banner", "contentinfo", "search", "complementary"})
_VOID: Final = frozenset({"br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base", "source", "track"})
_INLINE: Final = frozenset(
    {
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "label",
    }
    | {"mark", "q", "rb", "ruby", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr"}
)
_LISTS: Final = frozenset({"ul", "ol", "dl", "menu"})
_HEADING: Final = re.compile(r"h([1-6])$")
_LINE_NUMBERS: Final = re.compile(r"\b(?:linenos|lineno|line-numbers|gutter)\b")
_HEADING_LINK: Final = re.compile(r"\s*[¶#§🔗]\s*$")
_NOT_SHOWN: Final = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{1,40})""", re.IGNORECASE)
_DECLARED_WITHIN: Final = 2_048
_SPACES: Final = re.compile(r"[ \t\r\n\f\v]+")

_MAIN, _BODY, _ASIDE = 2, 1, 0


def read_html(content: bytes) -> dict[str, Any]:
    """Return a page's title and blocks; a heading's anchor is its id, or that of the section it begins."""
    reader = _Reader()
    reader.feed(_decoded(content))
    reader.close()
    return reader.rendering().answer()


def _decoded(content: bytes) -> str:
    """Return the text: UTF-8 if it is that, else in the encoding that the page declares, else in the likeliest."""
    found = decode_text(content)
    declared = _CHARSET.search(content, 0, _DECLARED_WITHIN)
    if declared is None or (found.encoding in ("utf-8", "utf-16") and not found.lossy):
        return found.text
    try:
        return content.decode(declared[1].decode("ascii"))
    except (LookupError, UnicodeDecodeError):
        return found.text


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._outs = {_MAIN: Rendering(), _BODY: Rendering(), _ASIDE: Rendering()}
        self._title: list[str] = []
        self._first_headings: list[str] = []
        self._lines: list[str] = [""]
        self._heading: int = 0
        self._anchor = ""
        self._lists = 0
        self._pre = 0
        self._table: TableRows | None = None
        self._in_title = False
        # Open elements of each kind that changes what becomes of the text inside: nested ones of a kind are counted.
        self._dropped: list[str] = []
        self._asides: list[str] = []
        self._mains: list[str] = []

    def rendering(self) -> Rendering:
        """Return the main content; the whole page where nothing is marked as that."""
        self._leave_table()
        self._end_block()
        out = next((self._outs[part] for part in (_MAIN, _BODY, _ASIDE) if self._outs[part].has_text), Rendering())
        title = " ".join("".join(self._title).split())
        # A site's name beside the page's own is of no use to anybody.
        shown = self._first_headings[0] if len(self._first_headings) == 1 else ""
        out.title = shown if shown and shown in title else title
        return out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if self._dropped:
            self._dropped += [tag] * (tag == self._dropped[0])
            return
        if _is_hidden(tag, named):
            self._dropped += [tag] * (tag not in _VOID)
            return
        self._enter(tag, named)
        if tag == "title" and not self._title:
            self._in_title = True
        elif tag == "br":
            self._break()
        elif tag == "img" and named.get("alt"):
            self.handle_data(f" {named['alt']} ")
        elif self._table is not None and self._table.start(tag, named, "\n".join(self._lines)):
            self._lines = [""]
        elif tag == "table" and self._table is None:
            self._end_block()
            self._table = TableRows()
        elif heading := _HEADING.match(tag):
            # A table with a heading inside is there for the layout.
            self._leave_table()
            self._end_block()
            self._heading = int(heading[1])
        elif tag == "pre" and self._table is None:
            self._end_block()
            self._pre += 1
        elif tag == "li":
            self._break()
            self._lines[-1] = "- "
        elif tag not in _INLINE:
            self._end_line()
        if tag in _LISTS:
            self._lists += 1

    def handle_endtag(self, tag: str) -> None:
        if self._dropped:
            if tag == self._dropped[0]:
                self._dropped.pop()
            return
        if tag == "title":
            self._in_title = False
        elif tag in _LISTS:
            self._lists = max(0, self._lists - 1)
            self._end_line()
        elif self._table is not None and self._table.end(tag, "\n".join(self._lines)):
            self._lines = [""]
            self._end_table()
        elif _HEADING.match(tag) or tag == "pre":
            self._end_block()
            self._pre = 0
        elif tag not in _INLINE:
            self._end_line()
        for opened in (self._asides, self._mains):
            if opened and tag == opened[0]:
                self._end_block()
                opened.pop()

    def handle_data(self, data: str) -> None:
        if self._dropped:
            return
        if self._in_title:
            self._title.append(data)
        elif self._pre:
            first, *rest = data.split("\n")
            self._lines[-1] += first
            self._lines += rest
        else:
            self._lines[-1] += _SPACES.sub(" ", data)

    def _enter(self, tag: str, named: dict[str, str]) -> None:
        """Note what an element means for the text inside it."""
        anchor = named.get("id") or (named.get("name", "") if tag == "a" else "")
        if anchor and tag not in _INLINE and not self._heading:
            self._end_line()
        if anchor and not any(line.strip() for line in self._lines):
            self._anchor = anchor
        role = named.get("role", "")
        for opened, is_one in (
            (self._asides, tag in _ASIDE_TAGS or role in _ASIDE_ROLES),
            (self._mains, tag in ("main", "article") or role == "main"),
        ):
            if opened:
                opened += [tag] * (tag == opened[0])
            elif is_one:
                self._end_block()
                opened.append(tag)

    @property
    def _out(self) -> Rendering:
        return self._outs[_ASIDE if self._asides else _MAIN if self._mains else _BODY]

    def _break(self) -> None:
        if self._lines[-1].strip():
            self._lines.append("")

    def _end_line(self) -> None:
        """End a paragraph; within a list, a heading or a table's cell it is only a line."""
        if self._lists or self._heading or self._table is not None or self._pre:
            if not self._lines[-1].startswith("- ") or self._lines[-1].strip() != "-":
                self._break()
        else:
            self._end_block()

    def _end_block(self) -> None:
        if self._table is not None:
            return
        text = "\n".join(self._lines)
        if self._heading:
            title = _HEADING_LINK.sub("", " ".join(text.split()))
            self._out.heading(self._heading, title, anchor=self._anchor)
            self._first_headings += [title] * (self._heading == 1)
            self._heading, self._anchor = 0, ""
        elif self._pre:
            self._out.code(text)
        else:
            self._out.text(text)
            self._anchor = self._anchor if not text.strip() else ""
        self._lines = [""]

    def _leave_table(self) -> None:
        if self._table is not None:
            self._table.leave("\n".join(self._lines))
            self._lines = [""]
            self._end_table()

    def _end_table(self) -> None:
        if self._table is not None and self._table.depth == 0:
            table, self._table = self._table, None
            self._out.text(table.caption)
            self._out.table(table.rows, table.head_rows)


def _is_hidden(tag: str, named: dict[str, str]) -> bool:
    classes = named.get("class", "")
    return (
        tag in _DROPPED
        or "hidden" in named
        or _NOT_SHOWN.search(named.get("style", "")) is not None
        or _LINE_NUMBERS.search(classes) is not None
        or (tag == "a" and ("headerlink" in classes.split() or "anchor" in classes.split()) and "id" not in named)
    )
