"""Descriptions and values of an API description in words: without markup, with what each value means."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from ingest.chunkers.html_text import strip_tags
from ingest.chunkers.openapi_document import Node
from ingest.chunkers.openapi_units import mapping, sequence

_MAX_VALUES: Final = 60
_MAX_INTRO_CHARS: Final = 200
_MAX_HEADINGS_TRIED: Final = 20
_MAX_EXAMPLE_CHARS: Final = 400
_INT32_LIMIT: Final = 2**31 - 1
_NAMES: Final = ("x-enum-varnames", "x-enumNames", "x-enum-names", "x-enumVarnames")
_MEANINGS: Final = ("x-enum-descriptions", "x-enumDescriptions", "x-enum-description")
_LIMITS: Final = ("minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems")
_LINK: Final = re.compile(r"!?\[([^\[\]]{1,200})\]\([^()\s]{1,500}\)")
_CELL_BORDER: Final = re.compile(r"</t[dh]\s*>\s*<t[dh]\b[^<>]{0,500}>", re.IGNORECASE)
_HEADING: Final = re.compile(r"<h[1-6]\b|^[ \t]{0,3}#{1,6}[ \t]", re.IGNORECASE | re.MULTILINE)
_HEADING_LINE: Final = re.compile(
    r"<h([1-6])\b[^<>]{0,500}>.{0,500}?</h\1\s*>|^[ \t]{0,3}#{1,6}[ \t].*$", re.IGNORECASE | re.MULTILINE
)
_BULLET: Final = re.compile(r"^\s*(?:[-*+・•]|\d{1,3}[.)])?\s*")
_SEPARATOR: Final = re.compile(r"^\s*(?:=>|->|[:：=＝→–—-])\s*")
_QUOTES: Final = "`*_\"'「」 "
_RULE: Final = re.compile(r"^[\s|:-]*-[\s|:-]*$")


def paragraphs(text: object) -> list[str]:
    """Return a description's lines without tags, table cells kept in one line; anything but text is nothing."""
    if not isinstance(text, str):
        return []
    plain = html.unescape(strip_tags(_CELL_BORDER.sub(" | ", text)))
    return [line.strip() for line in plain.split("\n") if line.strip()]


def introduction(text: object) -> tuple[list[str], list[str]]:
    """Return the first lines of a description, up to its second heading at most, and the rest of a long one."""
    raw = text if isinstance(text, str) else ""
    headings = islice(_HEADING.finditer(raw), _MAX_HEADINGS_TRIED)
    end = next((at.start() for at in headings if _says_something(raw[: at.start()])), len(raw))
    lines, rest = paragraphs(raw[:end]), paragraphs(raw[end:])
    taken = 0
    for count, line in enumerate(lines):
        taken += len(line)
        if count and taken > _MAX_INTRO_CHARS:
            return lines[:count], [*lines[count:], *rest]
    return lines, rest


def one_line(text: object) -> str:
    """Return a description as one line, without tags; anything but text is nothing."""
    return " ".join(" ".join(paragraphs(text)).split())


def first_sentence(text: object, most: int) -> str:
    """Return how a description begins, at most `most` characters."""
    words = _LINK.sub(r"\1", one_line(text))
    line = re.split(r"(?<=[。！？])|(?<=[.!?])\s", words, maxsplit=1)[0]
    return line if len(line) <= most else f"{line[: most - 1]}…"


def described_values(schema: Node) -> tuple[str, str]:
    """Return a schema's description in one line, and its values with their meanings.

    Meanings come from the extensions that generators write, from `oneOf` constants, and from a table or list in the
    description, which then leaves it.
    """
    values = _values(schema)
    if not values:
        return one_line(schema.get("description")), ""
    lines = paragraphs(schema.get("description"))
    meanings = _declared_meanings(schema, values)
    listed, rest = _listed_meanings(lines, [_shown(value) for value in values[:_MAX_VALUES]])
    shown = []
    for index, value in enumerate(values[:_MAX_VALUES]):
        words = meanings.get(index) or listed.get(_shown(value), "")
        shown.append(f"{_shown(value)} ({words})" if words else _shown(value))
    return " ".join(" ".join(rest).split()), ", ".join(shown) + (", …" if len(values) > _MAX_VALUES else "")


def limit_words(schema: Node) -> Iterator[str]:
    """Yield a schema's constant, default and limits."""
    if "const" in schema:
        yield f"value: {_shown(schema['const'])}"
    default = schema.get("default")
    if isinstance(default, str | int | float) and default != "":
        yield f"default: {_shown(default)}"
    for name in _LIMITS:
        limit = schema.get(name)
        # A limit that only repeats what int32 or int64 can hold says nothing.
        if isinstance(limit, str) or (isinstance(limit, int | float) and abs(limit) < _INT32_LIMIT):
            yield f"{name}: {limit}"


def example_words(value: object) -> str:
    """Return an example as compact JSON, cut where it is long."""
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    words = " ".join(words.split())
    return words if len(words) <= _MAX_EXAMPLE_CHARS else f"{words[: _MAX_EXAMPLE_CHARS - 1]}…"


def _says_something(text: str) -> bool:
    """Tell whether there is more to a text than headings."""
    return bool(paragraphs(_HEADING_LINE.sub("", text)))


def _values(schema: Node) -> Sequence[object]:
    for node in (schema, mapping(schema.get("items"))):
        if sequence(node.get("enum")):
            return sequence(node["enum"])
        constants = _constants(node)
        if constants:
            return [one["const"] for one in constants]
    return []


def _constants(schema: Node) -> list[Node]:
    """Return the choices of a schema when each is a constant: how JSON Schema 2020-12 describes an enum's values."""
    choices = sequence(schema.get("oneOf")) or sequence(schema.get("anyOf"))
    found = [choice for choice in choices if isinstance(choice, Mapping) and "const" in choice]
    return found if len(found) == len(choices) else []


def _declared_meanings(schema: Node, values: Sequence[object]) -> dict[int, str]:
    """Return what extensions and constants say of the values, by their index."""
    found: dict[int, str] = {}
    for index, value in enumerate(values[:_MAX_VALUES]):
        names, meanings = (
            next((words for key in keys if (words := _said(schema, key, index, value))), "")
            for keys in (_NAMES, _MEANINGS)
        )
        for one in (*_constants(schema), *_constants(mapping(schema.get("items")))):
            if one["const"] == value:
                names = names or one_line(one.get("title"))
                meanings = meanings or one_line(one.get("description"))
        for entry in map(mapping, sequence(mapping(schema.get("x-ms-enum")).get("values"))):
            if entry.get("value") == value:
                names = names or one_line(entry.get("name"))
                meanings = meanings or one_line(entry.get("description"))
        names = "" if names == _shown(value) else names
        found[index] = ": ".join(part for part in (names, meanings) if part)
    return found


def _said(schema: Node, key: str, index: int, value: object) -> str:
    for node in (schema, mapping(schema.get("items"))):
        words = node.get(key)
        if isinstance(words, list) and index < len(words):
            return one_line(words[index])
        if isinstance(words, Mapping):
            return one_line(words.get(_shown(value)))
    return ""


def _listed_meanings(lines: Sequence[str], values: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return what the lines of a description say of each value, and the lines that say something else."""
    known = set(values)
    found: dict[str, str] = {}
    rest: list[str] = []
    in_table = False
    for line in lines:
        value, words = _row(line, known) if "|" in line else _item(line, known)
        if value and value not in found:
            found[value] = words
            in_table = "|" in line
            if in_table and rest and _RULE.match(rest[-1]):
                del rest[-2:]  # the rule, and the head of the table above it
        elif not (in_table and _RULE.match(line)):
            rest.append(line)
    return found, rest


def _row(line: str, known: set[str]) -> tuple[str, str]:
    cells = [cell.strip().strip(_QUOTES) for cell in line.strip().strip("|").split("|")]
    value = next((cell for cell in cells if cell in known), "")
    return value, " ".join(cell for cell in cells if cell and cell != value)


def _item(line: str, known: set[str]) -> tuple[str, str]:
    """Read `- value: what it means`, the value quoted or not."""
    body = _BULLET.sub("", line, count=1).lstrip(_QUOTES)
    for value in sorted(known, key=len, reverse=True):
        if value and body.startswith(value):
            after = body[len(value) :].lstrip("`*_\"'」")
            separator = _SEPARATOR.match(after)
            if separator and after[separator.end() :].strip():
                return value, after[separator.end() :].strip()
    return "", ""


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
