"""Confluence's storage format into Markdown: the words of a page and its structure, macros resolved or named.

Emphasis and colours are dropped, code, tables, lists, tasks and headings are kept. What a macro would show of another
page (include, excerpt-include) is named and not copied: who may see this page need not see that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element

from ingest.collectors.confluence.storage_tables import Cell, render_table
from ingest.collectors.confluence.storage_tree import attribute, name_of, parse_storage
from ingest.collectors.markdown_lines import (
    code_span,
    fence,
    heading_line,
    link,
    list_item,
    one_line,
    paragraph,
    quoted,
    without_markers,
)

_MAX_DEPTH: Final = 80
_HEADING: Final = re.compile(r"h([1-6])")

_TRANSPARENT: Final = frozenset(
    {"div", "section", "center", "storage", "ac:layout", "ac:layout-section", "ac:layout-cell", "ac:rich-text-body"}
    | {"ac:adf-content", "ac:adf-extension", "details", "figure", "dl", "fieldset"}
)
_DROPPED: Final = frozenset(
    {"ac:placeholder", "ac:parameter", "style", "script", "colgroup", "ac:task-id", "ac:task-uuid"}
)
_ALERTS: Final = {"info": "NOTE", "note": "IMPORTANT", "warning": "WARNING", "tip": "TIP", "panel": ""}
_CODE: Final = frozenset({"code", "noformat", "plantuml", "mermaid", "mermaid-cloud", "html", "sql", "markdown"})
_INCLUDES: Final = frozenset({"include", "excerpt-include"})
_FILES: Final = frozenset({"view-file", "viewpdf", "viewdoc", "viewxls", "viewppt", "multimedia"})
_DIAGRAMS: Final = frozenset({"drawio", "inc-drawio", "gliffy", "lucidchart"})
_INLINE_MACROS: Final = frozenset({"status", "jira", "anchor", "profile"})


@dataclass(frozen=True, slots=True)
class Rendered:
    """A body as Markdown, and the text of its headings in order."""

    text: str
    headings: tuple[str, ...]


def render_storage(storage: str, place: str, users: Mapping[str, str]) -> Rendered:
    """Return a body as Markdown. `users`: display names by the keys that mentions have.

    Raises: InvalidInput where it is not well-formed.
    """
    renderer = _Renderer(users)
    blocks = renderer.blocks(parse_storage(storage, place), 0)
    return Rendered("\n\n".join(blocks), tuple(renderer.headings))


@dataclass(slots=True)
class _Renderer:
    users: Mapping[str, str]
    headings: list[str] = field(default_factory=list)

    def blocks(self, element: Element, depth: int) -> list[str]:
        """Return what is in an element as blocks of Markdown; text between blocks is a paragraph of its own."""
        if depth > _MAX_DEPTH:
            return paragraph("".join(element.itertext()))
        done: list[str] = []
        line: list[str] = [element.text or ""]
        for child in element:
            if self._is_block(child):
                done += paragraph("".join(line))
                done += self._block(child, depth + 1)
                line = [child.tail or ""]
            else:
                line += [self.inline(child, depth + 1), child.tail or ""]
        return done + paragraph("".join(line))

    def inline(self, element: Element, depth: int) -> str:
        """Return an element as part of a line; line breaks are kept as such."""
        name = name_of(element)
        if depth > _MAX_DEPTH:
            return "".join(element.itertext())
        if name in _DROPPED or name == "ac:adf-fallback":
            return ""
        match name:
            case "br":
                return "\n"
            case "code" | "samp" | "kbd" | "tt":
                return code_span("".join(element.itertext()))
            case "a":
                return link(self._inside(element, depth), element.get("href", ""))
            case "time":
                return element.get("datetime", "") or self._inside(element, depth)
            case "ac:link":
                return self._ac_link(element, depth)
            case "ac:image":
                return self._image(element, depth)
            case "ac:emoticon":
                return attribute(element, "ac:emoji-fallback")
            case "ac:structured-macro" | "ac:macro":
                return self._inline_macro(element, depth)
        return self._inside(element, depth)

    def _inside(self, element: Element, depth: int) -> str:
        parts = [element.text or ""]
        for child in element:
            parts += [self.inline(child, depth + 1), child.tail or ""]
            if self._is_block(child):
                parts.append("\n")
        return "".join(parts)

    def _is_block(self, element: Element) -> bool:
        name = name_of(element)
        if name in ("ac:structured-macro", "ac:macro"):
            return attribute(element, "ac:name") not in _INLINE_MACROS
        return (
            name in _TRANSPARENT
            or _HEADING.fullmatch(name) is not None
            or name in ("p", "ul", "ol", "table", "pre", "blockquote", "hr", "ac:task-list", "ac:adf-node", "dt", "dd")
        )

    def _block(self, element: Element, depth: int) -> list[str]:
        name = name_of(element)
        if name in ("p", "dt", "dd") or name in _TRANSPARENT:
            return self.blocks(element, depth)
        if heading := _HEADING.fullmatch(name):
            text = one_line(self._inside(element, depth))
            if not text:
                return []
            self.headings.append(text)
            return [heading_line(int(heading[1]), text)]
        match name:
            case "ul" | "ol":
                return self._list(element, depth, ordered=name == "ol")
            case "table":
                rows = [[self._cell(cell, depth) for cell in row] for row in _rows(element)]
                return render_table(rows)
            case "pre":
                return [fence("".join(element.itertext()), "")]
            case "blockquote":
                return quoted(self.blocks(element, depth))
            case "ac:task-list":
                return self._tasks(element, depth)
            case "ac:adf-node":
                return self._adf_node(element, depth)
            case "ac:structured-macro" | "ac:macro":
                return self._macro(element, depth)
        return []

    def _list(self, element: Element, depth: int, *, ordered: bool) -> list[str]:
        lines: list[str] = []
        number = 0
        for item in element:
            number += 1
            if name_of(item) in ("ul", "ol"):  # lists right inside lists are what old editors wrote
                lines += [f"  {line}" for block in self._block(item, depth + 1) for line in block.split("\n")]
                continue
            marker = f"{number}. " if ordered else "- "
            lines += list_item(marker, self.blocks(item, depth + 1))
        return ["\n".join(lines)] if lines else []

    def _tasks(self, element: Element, depth: int) -> list[str]:
        lines: list[str] = []
        for task in element:
            parts = {name_of(part): part for part in task}
            status, body = parts.get("ac:task-status"), parts.get("ac:task-body")
            done = status is not None and (status.text or "").strip() == "complete"
            if body is not None:
                lines += list_item(f"- [{'x' if done else ' '}] ", self.blocks(body, depth + 2), indent="  ")
        return ["\n".join(lines)] if lines else []

    def _cell(self, cell: Element, depth: int) -> Cell:
        blocks = self.blocks(cell, depth + 3)
        return Cell(
            " / ".join(one_line(without_markers(block)) for block in blocks),
            heading=name_of(cell) == "th",
            columns=cell.get("colspan", ""),
            rows=cell.get("rowspan", ""),
        )

    def _macro(self, element: Element, depth: int) -> list[str]:
        kind = attribute(element, "ac:name")
        parameters = _parameters(element)
        rich, plain = _child(element, "ac:rich-text-body"), _child(element, "ac:plain-text-body")
        title = one_line(parameters.get("title", ""))
        if plain is not None and (kind in _CODE or rich is None):
            language = parameters.get("language", "") or ("" if kind in ("code", "noformat") else kind)
            body = "".join(plain.itertext())
            return [*paragraph(title), fence(body, language)] if body.strip() else []
        if kind in _INCLUDES:
            return [f"(include: {page})"] if (page := self._resource(element)) else []
        if kind in _FILES | _DIAGRAMS:
            named = self._resource(element) or parameters.get("diagramName", "") or parameters.get("name", "")
            return [f"({'diagram' if kind in _DIAGRAMS else 'file'}: {one_line(named)})"] if named.strip() else []
        if rich is None:
            # Lists of pages, searches, tables of contents: what they show is written elsewhere.
            return []
        body_blocks = self.blocks(rich, depth + 1)
        if kind in _ALERTS and body_blocks:
            first = f"[!{_ALERTS[kind]}]" if _ALERTS[kind] else ""
            return quoted([*([f"{first} {title}".strip()] if first or title else []), *body_blocks])
        return [*paragraph(title), *body_blocks]

    def _inline_macro(self, element: Element, depth: int) -> str:
        parameters = _parameters(element)
        match attribute(element, "ac:name"):
            case "status":
                return f"[{one_line(parameters['title'])}]" if parameters.get("title") else ""
            case "jira":
                named = parameters.get("key") or parameters.get("jqlQuery") or ""
                return f"Jira: {one_line(named)}" if named else ""
            case "profile":
                return self._resource(element)
            case "anchor":
                return ""
        # A block where only a line may stand, such as code in a link.
        return " / ".join(one_line(without_markers(block)) for block in self._macro(element, depth + 1))

    def _adf_node(self, element: Element, depth: int) -> list[str]:
        content = _child(element, "ac:adf-content")
        attributes = {
            attribute(part, "key"): (part.text or "").strip() for part in element if name_of(part) == "ac:adf-attribute"
        }
        inner = self.blocks(content, depth + 1) if content is not None else []
        if not content:
            inner += [
                block for node in element if name_of(node) == "ac:adf-node" for block in self._block(node, depth + 1)
            ]
        kind = attributes.get("panel-type", "")
        if element.get("type") == "panel" and inner:
            label = _ALERTS.get(kind) or {"error": "CAUTION", "success": "TIP"}.get(kind, "")
            return quoted([*([f"[!{label}]"] if label else []), *inner])
        return inner

    def _ac_link(self, element: Element, depth: int) -> str:
        for name in ("ac:plain-text-link-body", "ac:link-body"):
            body = _child(element, name)
            if body is not None and (text := one_line(self._inside(body, depth + 1))):
                return text
        return self._resource(element) or attribute(element, "ac:anchor")

    def _resource(self, element: Element) -> str:
        """Return what an element points to by its name: a page's title, a file, a person."""
        for part in element.iter():
            match name_of(part):
                case "ri:page" | "ri:blog-post":
                    return one_line(attribute(part, "ri:content-title"))
                case "ri:attachment":
                    return one_line(attribute(part, "ri:filename"))
                case "ri:space":
                    return attribute(part, "ri:space-key")
                case "ri:user":
                    keys = (attribute(part, name) for name in ("ri:account-id", "ri:userkey", "ri:username"))
                    key = next(filter(None, keys), "")
                    return f"@{self.users.get(key) or attribute(part, 'ri:username') or 'user'}"
        return ""

    def _image(self, element: Element, depth: int) -> str:
        caption = _child(element, "ac:caption")
        told = [attribute(element, "ac:alt") or attribute(element, "ac:title")]
        told.append(one_line(self._inside(caption, depth + 1)) if caption is not None else "")
        words = [words for words in dict.fromkeys(map(one_line, told)) if words]
        return f"(image: {'; '.join(words)})" if words else ""


def _parameters(element: Element) -> dict[str, str]:
    return {
        attribute(part, "ac:name"): "".join(part.itertext()).strip()
        for part in element
        if name_of(part) == "ac:parameter"
    }


def _child(element: Element, name: str) -> Element | None:
    return next((child for child in element if name_of(child) == name), None)


def _rows(table: Element) -> Iterator[Element]:
    for part in table:
        if name_of(part) == "tr":
            yield part
        elif name_of(part) in ("thead", "tbody", "tfoot"):
            yield from (row for row in part if name_of(row) == "tr")
