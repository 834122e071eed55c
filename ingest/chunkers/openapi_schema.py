"""Schemas of an API description in words: types and fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ingest.chunkers.openapi_document import ApiDocument, Node
from ingest.chunkers.openapi_units import mapping, sequence
from ingest.chunkers.openapi_words import described_values, limit_words, one_line, paragraphs

_MAX_DEPTH: Final = 6
_MAX_FIELDS: Final = 1_000
_MAX_STEPS: Final = 5_000
_UNIONS: Final = ("oneOf", "anyOf")


def type_words(document: ApiDocument, schema: object) -> str:
    """Return a schema's type in a few words: `string(date)`, `array of Order`, `Cat | Dog`; references by name."""
    return _type_words(document, schema, 0)


def field_lines(document: ApiDocument, schema: object, expansions: int, *, levels: int = _MAX_DEPTH) -> list[str]:
    """Return one line per field, nested fields by their path (`details[].amount`) down to so many levels.

    `expansions` is how many references in a row are replaced by what they stand for; further ones stay names, but for
    what a schema is composed of (`allOf`).
    """
    walk = _Walk(document, levels)
    lines: dict[str, None] = {}
    for line in walk.fields(schema, "", expansions if document.fields_left > 0 else 0, 0, 1):
        lines[line] = None
        if len(lines) == _MAX_FIELDS:
            lines["- … more fields"] = None
            break
    document.fields_left -= len(lines)
    return list(lines)


def field_words(document: ApiDocument, schema: object, *, required: bool) -> str:
    """Return what a field is: `(string, required): description; values: …`."""
    node, name = document.resolve(schema)
    marks = [type_words(document, schema)]
    marks.extend(mark for mark, holds in _marks(node, required) if holds)
    description, values = described_values(node)
    description = description or one_line(node.get("title")) or _composed_description(node)
    if name:
        # What a reference stands for has a unit of its own that says the rest.
        said = mapping(schema).get("description") or node.get("description") or node.get("title")
        description = (paragraphs(said) or [""])[0]
    details = "; ".join(
        part for part in (description, f"values: {values}" if values else "", *limit_words(node)) if part
    )
    return f"({', '.join(marks)})" + (f": {details}" if details else "")


@dataclass(slots=True)
class _Walk:
    """One walk over the fields of a schema; what a schema is composed of is walked once at each place."""

    document: ApiDocument
    levels: int
    composed: set[tuple[str, str]] = field(default_factory=set)
    steps: int = 0

    def fields(self, schema: object, prefix: str, expansions: int, depth: int, level: int) -> Iterator[str]:
        node, name = self.document.resolve(schema)
        self.steps += 1
        if depth > _MAX_DEPTH or self.steps > _MAX_STEPS or (name and expansions <= 0):
            return
        left = expansions - bool(name)
        for part in sequence(node.get("allOf")):
            target = mapping(part).get("$ref")
            if not isinstance(target, str):
                yield from self.fields(part, prefix, left, depth + 1, level)
            elif (prefix, target) not in self.composed:
                self.composed.add((prefix, target))
                yield from self.fields(part, prefix, left + 1, depth + 1, level)
        for key in _UNIONS:
            for part in sequence(node.get(key)):
                yield from self.fields(part, prefix, left, depth + 1, level)
        if "items" in node:
            yield from self.fields(node["items"], f"{prefix}[]", left, depth + 1, level)
        required = {name for name in sequence(node.get("required")) if isinstance(name, str)}
        for field_name, one in mapping(node.get("properties")).items():
            path = f"{prefix}.{field_name}" if prefix else field_name
            yield from self.field(one, path, left, depth, level, required=field_name in required)
        for key in ("additionalProperties", "patternProperties"):
            extra = node.get(key)
            others = [extra] if key == "additionalProperties" else list(mapping(extra).values())
            for other in others:
                if isinstance(other, Mapping) and other:
                    path = f"{prefix}.*" if prefix else "*"
                    yield from self.field(other, path, left, depth, level, required=False)

    def field(
        self, schema: object, path: str, expansions: int, depth: int, level: int, *, required: bool
    ) -> Iterator[str]:
        yield f"- {path} {field_words(self.document, schema, required=required)}"
        if level < self.levels:
            yield from self.fields(schema, path, expansions, depth + 1, level + 1)


def _type_words(document: ApiDocument, schema: object, depth: int) -> str:
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        return document.name_of(schema["$ref"])
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return "nothing" if schema is False else "any"
    for key in _UNIONS:
        choices = sequence(schema.get(key))
        if choices and not all("const" in mapping(choice) for choice in choices):
            return " | ".join(dict.fromkeys(_type_words(document, one, depth + 1) for one in choices))
    if sequence(schema.get("allOf")) and "type" not in schema:
        parts = [part for part in sequence(schema["allOf"]) if mapping(part).keys() - {"description", "example"}]
        return " & ".join(dict.fromkeys(_type_words(document, one, depth + 1) for one in parts)) or "any"
    named = schema.get("type")
    names = [str(name) for name in named] if isinstance(named, list) else [str(named)] if named else []
    if schema.get("nullable") is True:
        names.append("null")
    if not names:
        names = ["object" if "properties" in schema else "any"]
    words = " | ".join(names)
    if "array" in names and "items" in schema:
        words = words.replace("array", f"array of {_type_words(document, schema['items'], depth + 1)}", 1)
    return f"{words}({schema['format']})" if isinstance(schema.get("format"), str) else words


def _composed_description(node: Node) -> str:
    """Return what a part of a composed schema says: a reference cannot be described in OpenAPI 3.0 but beside it."""
    said = (one_line(mapping(part).get("description")) for part in sequence(node.get("allOf")))
    return next((words for words in said if words), "")


def _marks(node: Node, required: bool) -> Iterator[tuple[str, bool]]:
    yield "required", required
    yield "read-only", node.get("readOnly") is True
    yield "write-only", node.get("writeOnly") is True
    yield "deprecated", node.get("deprecated") is True
