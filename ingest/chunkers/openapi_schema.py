"""Schemas of an OpenAPI document in words: types, fields, the meanings of their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ingest.chunkers.html_text import strip_tags
from ingest.chunkers.openapi_document import Node, OpenApiDocument

_MAX_DEPTH: Final = 6
_MAX_FIELDS: Final = 1_000
_MAX_VALUES: Final = 60
_INT32_LIMIT: Final = 2**31 - 1
_MEANINGS: Final = ("x-enum-descriptions", "x-enumDescriptions", "x-enum-varnames", "x-enumNames")
_UNIONS: Final = ("oneOf", "anyOf")


def one_line(text: object) -> str:
    """Return a description as one line, without tags; anything but text is nothing."""
    return " ".join(strip_tags(text).split()) if isinstance(text, str) else ""


def type_words(document: OpenApiDocument, schema: object) -> str:
    """Return a schema's type in a few words: `string(date)`, `array of Order`, `Cat | Dog`; references by name."""
    return _type_words(document, schema, 0)


def _type_words(document: OpenApiDocument, schema: object, depth: int) -> str:
    if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
        return document.resolve(schema)[1]
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return "any"
    for key in _UNIONS:
        if isinstance(schema.get(key), list):
            return " | ".join(dict.fromkeys(_type_words(document, one, depth + 1) for one in schema[key]))
    if isinstance(schema.get("allOf"), list) and "type" not in schema:
        return " & ".join(dict.fromkeys(_type_words(document, one, depth + 1) for one in schema["allOf"]))
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


def value_words(schema: Node) -> str:
    """Return the values that are allowed, with their meanings where given, the default and the limits."""
    parts: list[str] = []
    values = schema.get("enum")
    if not isinstance(values, list) and isinstance(schema.get("items"), Mapping):
        values = schema["items"].get("enum")
    if isinstance(values, list):
        meanings: object = next((schema[key] for key in _MEANINGS if key in schema), None)
        shown = [_value_with_meaning(value, index, meanings) for index, value in enumerate(values[:_MAX_VALUES])]
        parts.append("values: " + ", ".join(shown) + (", …" if len(values) > _MAX_VALUES else ""))
    if "const" in schema:
        parts.append(f"value: {schema['const']}")
    default = schema.get("default")
    if isinstance(default, str | int | float) and default != "":
        parts.append(f"default: {default}")
    parts.extend(
        f"{name}: {schema[name]}"
        for name in ("minimum", "maximum", "minLength", "maxLength", "pattern", "maxItems")
        if isinstance(limit := schema.get(name), str | int | float) and not _is_of_the_format(limit)
    )
    return "; ".join(parts)


def _is_of_the_format(limit: object) -> bool:
    """Tell a limit that only repeats what int32 or int64 can hold."""
    return isinstance(limit, int | float) and abs(limit) >= _INT32_LIMIT


def _value_with_meaning(value: object, index: int, meanings: object) -> str:
    meaning: object = None
    if isinstance(meanings, list) and index < len(meanings):
        meaning = meanings[index]
    elif isinstance(meanings, Mapping):
        meaning = meanings.get(str(value))
    words = one_line(meaning)
    return f"{value} ({words})" if words else str(value)


def field_lines(document: OpenApiDocument, schema: object, expansions: int) -> list[str]:
    """Return one line per field, nested fields by their path (`details[].amount`).

    `expansions` is how many references in a row are replaced by what they stand for; further ones stay names.
    """
    lines: list[str] = []
    for line in _fields(document, schema, "", expansions, 0):
        if len(lines) == _MAX_FIELDS:
            lines.append("- … more fields")
            break
        lines.append(line)
    return lines


def _fields(document: OpenApiDocument, schema: object, prefix: str, expansions: int, depth: int) -> Iterator[str]:
    node, name = document.resolve(schema)
    if depth > _MAX_DEPTH or (name and expansions <= 0):
        return
    left = expansions - bool(name)
    for key in ("allOf", *_UNIONS):
        for part in node.get(key) or () if isinstance(node.get(key), list) else ():
            yield from _fields(document, part, prefix, left, depth + 1)
    if "items" in node:
        yield from _fields(document, node["items"], f"{prefix}[]", left, depth + 1)
    properties = node.get("properties")
    required = node.get("required")
    required_names = set(map(str, required)) if isinstance(required, list) else set()
    for field_name, field in properties.items() if isinstance(properties, Mapping) else ():
        path = f"{prefix}.{field_name}" if prefix else str(field_name)
        yield f"- {path} {field_words(document, field, required=field_name in required_names)}"
        yield from _fields(document, field, path, left, depth + 1)
    extra = node.get("additionalProperties")
    if isinstance(extra, Mapping) and extra:
        path = f"{prefix}.*" if prefix else "*"
        yield f"- {path} {field_words(document, extra, required=False)}"
        yield from _fields(document, extra, path, left, depth + 1)


def field_words(document: OpenApiDocument, schema: object, *, required: bool) -> str:
    """Return what a field is: `(string, required): description. values: …`."""
    node, name = document.resolve(schema)
    marks = [type_words(document, schema)]
    marks.extend(mark for mark, holds in _marks(node, required) if holds)
    own: Any = schema if isinstance(schema, Mapping) else {}
    described = own.get("description") or own.get("title") or node.get("description") or node.get("title")
    # What a reference stands for has a unit of its own that says the rest.
    description = one_line(str(described).strip().split("\n")[0] if name and described else described)
    details = "; ".join(part for part in (description, value_words(node)) if part)
    return f"({', '.join(marks)})" + (f": {details}" if details else "")


def _marks(node: Node, required: bool) -> Iterator[tuple[str, bool]]:
    yield "required", required
    yield "read-only", node.get("readOnly") is True
    yield "write-only", node.get("writeOnly") is True
    yield "deprecated", node.get("deprecated") is True
