"""HTML into text: the words of a page with its headings, scripts and markup left out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

_HIDDEN: Final = frozenset({"script", "style", "template", "noscript", "svg"})
_INLINE: Final = frozenset(
    {"a", "abbr", "b", "bdi", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "rp", "rt", "ruby", "s", "samp"}
    | {"small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"}
)
_HEADING: Final = re.compile(r"h([1-6])$")
_BLANKS: Final = re.compile(r"[ \t\r\f\v]*\n[\s]*")
_SPACES: Final = re.compile(r"[ \t\r\f\v]+")
_TAG: Final = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|code|dd|del|details|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|ol|p|pre|s|small|span"
    r"|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul)(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)


@dataclass(slots=True)
class HtmlSection:
    """What stands under one heading: level 0 is what stands before the first."""

    level: int
    heading: str = ""
    anchor: str = ""
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The words, one block a line."""
        return _tidy("".join(self.parts))


def strip_tags(text: str) -> str:
    """Return a description without the HTML tags that authors mix into it; `<order_id>` and the like stay."""
    return _tidy(_TAG.sub(lambda tag: " " if tag[0][1:].strip("/> ").split(" ")[0].lower() in _INLINE else "\n", text))


def read_html(text: str) -> tuple[str, list[HtmlSection]]:
    """Return a page's `title` (may be empty) and its sections in order."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return _tidy(reader.title).replace("\n", " "), reader.sections


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.sections = [HtmlSection(0)]
        self._hidden = 0
        self._in_title = False
        self._in_heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag == "title":
            self._in_title = True
        elif heading := _HEADING.match(tag):
            self.sections.append(HtmlSection(int(heading[1]), anchor=dict(attrs).get("id") or ""))
            self._in_heading = True
        elif tag not in _INLINE:
            self._break()

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag == "title":
            self._in_title = False
        elif _HEADING.match(tag):
            self._in_heading = False
        elif tag not in _INLINE:
            self._break()

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._in_title:
            self.title += data
        elif self._in_heading:
            self.sections[-1].heading += data
        else:
            self.sections[-1].parts.append(data)

    def _break(self) -> None:
        self.sections[-1].parts.append("\n")


def _tidy(text: str) -> str:
    return _BLANKS.sub("\n", _SPACES.sub(" ", text)).strip()
