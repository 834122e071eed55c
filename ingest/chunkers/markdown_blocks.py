"""The blocks of a Markdown page with the lines they take: headings, and where a long section may be cut."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.chunkers.blocks import Block, Heading
from ingest.chunkers.markdown_containers import join_containers

_MAX_HEADING_CHARS: Final = 500
_TABLE_HEAD_LINES: Final = 2
_ATTRIBUTES: Final = re.compile(r"\s*\{:?\s*([^{}]*[#.=][^{}]*)\}\s*$")
_EXPLICIT_ID: Final = re.compile(r"#([^\s#}]+)")
_SHORTCODE: Final = re.compile(r"\{\{[<%].{0,200}?[%>]\}\}|\{\*.{0,200}?\*\}")
_SLUG_DROPS: Final = re.compile(r"[^\w\- ]")

# Inline parsing is left out: it is needed for headings only, and costs more than the rest together.
_BLOCKS: Final = MarkdownIt("commonmark").enable("table").disable("inline")
_INLINE: Final = MarkdownIt("commonmark")


def read_blocks(text: str) -> list[Block]:
    """Return the top-level blocks of a page, in order, what a container holds as one."""
    lines = text.split("\n")
    anchors = _Anchors()
    blocks: list[Block] = []
    for group in _top_level(_BLOCKS.parse(text)):
        head = group[0]
        if head.map is None:
            continue
        first, last = head.map[0] + 1, _without_blank_end(lines, head.map[0] + 1, head.map[1])
        kind = head.type.removesuffix("_open")
        heading = None
        if kind == "heading":
            heading = anchors.heading(int(head.tag[1]), group[1].content)
        parts = tuple(_parts(kind, group, lines, first, last))
        blocks.append(Block(kind, first, last, parts, heading, _TABLE_HEAD_LINES if kind == "table" else 0))
    return join_containers(blocks, lines)


def _top_level(tokens: Iterable[Token]) -> Iterable[list[Token]]:
    group: list[Token] = []
    for token in tokens:
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield group
            group = []


def _without_blank_end(lines: list[str], first: int, last: int) -> int:
    last = min(last, len(lines))
    while last > first and not lines[last - 1].strip():
        last -= 1
    return last


def _parts(kind: str, group: list[Token], lines: list[str], first: int, last: int) -> Iterable[int]:
    if kind in ("fence", "code_block"):
        return (line + 1 for line in range(first, last) if not lines[line - 1].strip())
    if kind == "table":
        return range(first + _TABLE_HEAD_LINES + 1, last + 1)
    starts = {token.map[0] + 1 for token in group if token.map and token.nesting >= 0 and token.type != "inline"}
    return sorted(line for line in starts if line > first)


class _Anchors:
    """Gives headings their anchors as GitHub does: explicit ids as they are, repeated slugs numbered."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def heading(self, level: int, content: str) -> Heading:
        content = _SHORTCODE.sub("", content[:_MAX_HEADING_CHARS])
        explicit = ""
        attributes = _ATTRIBUTES.search(content)
        if attributes is not None:
            content = content[: attributes.start()]
            named = _EXPLICIT_ID.search(attributes[1])
            explicit = named[1] if named else ""
        text = _plain(content)
        return Heading(level, text, explicit or self._numbered(_slug(text)))

    def _numbered(self, slug: str) -> str:
        if slug not in self._seen:
            self._seen[slug] = 0
            return slug
        self._seen[slug] += 1
        numbered = f"{slug}-{self._seen[slug]}" if slug else ""
        self._seen.setdefault(numbered, 0)
        return numbered


def _plain(content: str) -> str:
    """Return the text of a line of Markdown without its markup."""
    inline = _INLINE.parseInline(content)[0].children or []
    shown = (
        "" if token.type == "html_inline" else token.content or " " * (token.type == "softbreak") for token in inline
    )
    return " ".join("".join(shown).split())


def _slug(text: str) -> str:
    return _SLUG_DROPS.sub("", text.lower()).strip().replace(" ", "-")
