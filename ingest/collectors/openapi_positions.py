"""What stands where in an OpenAPI document: the kind of each position, and where a shared one of that kind is kept.

A `$ref` in a schema, parameter, response and so on becomes a shared component when files are joined; anywhere else
(a path item, an operation, a description) the target takes the place of the `$ref`.
"""

from __future__ import annotations

from typing import Final

LITERAL: Final = "literal"
ANY: Final = "any"
ROOT: Final = "root"

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_DATA: Final = {"example": LITERAL, "default": LITERAL, "enum": LITERAL, "const": LITERAL}
_VALUE: Final = {"schema": "schema", "content": "contents", "examples": "examples", "example": LITERAL}
_CHILDREN: Final[dict[str, dict[str, str]]] = {
    ROOT: {
        "paths": "paths",
        "webhooks": "paths",
        "components": "components",
        "definitions": "schemas",
        "parameters": "parameters",
        "responses": "responses",
    },
    "components": {
        "schemas": "schemas",
        "responses": "responses",
        "parameters": "parameters",
        "examples": "examples",
        "requestBodies": "requestBodies",
        "headers": "headers",
        "links": "links",
        "callbacks": "callbacks",
        "pathItems": "paths",
    },
    "paths": {"*": "path"},
    "path": {"parameters": "parameters", **dict.fromkeys(_METHODS, "operation")},
    "operation": {
        "parameters": "parameters",
        "requestBody": "requestBody",
        "responses": "responses",
        "callbacks": "callbacks",
    },
    "parameters": {"*": "parameter"},
    "parameter": _VALUE,
    "requestBodies": {"*": "requestBody"},
    "requestBody": {"content": "contents"},
    "responses": {"*": "response"},
    "response": {"headers": "headers", "content": "contents", "links": "links", "schema": "schema"},
    "headers": {"*": "header"},
    "header": _VALUE,
    "contents": {"*": "mediaType"},
    "mediaType": {**_VALUE, "encoding": "encodings"},
    "encodings": {"*": "encoding"},
    "encoding": {"headers": "headers"},
    "examples": {"*": "example"},
    "example": {"value": LITERAL},
    "links": {"*": "link"},
    "callbacks": {"*": "callback"},
    "callback": {"*": "path"},
    "schemas": {"*": "schema"},
    "schema": {
        **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), "schemas"),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "schemas"),
        **dict.fromkeys(("items", "additionalProperties", "not", "if", "then", "else", "contains"), "schema"),
        **dict.fromkeys(("propertyNames", "unevaluatedProperties", "unevaluatedItems"), "schema"),
        **_DATA,
        "examples": LITERAL,
    },
    LITERAL: {"*": LITERAL},
}
_SHARED_3: Final = {
    "schema": ("components", "schemas"),
    "parameter": ("components", "parameters"),
    "response": ("components", "responses"),
    "requestBody": ("components", "requestBodies"),
    "header": ("components", "headers"),
    "example": ("components", "examples"),
    "link": ("components", "links"),
    "callback": ("components", "callbacks"),
}
SHARED_KINDS: Final = tuple(_SHARED_3)
_SHARED_2: Final = {"schema": ("definitions",), "parameter": ("parameters",), "response": ("responses",)}


def child_kind(kind: str, key: str) -> str:
    """Return what stands under `key` of a position; list items stand under `*`."""
    children = _CHILDREN.get(kind, {})
    return children.get(key) or children.get("*", ANY)


def shared_under(kind: str, swagger_2: bool) -> tuple[str, ...]:
    """Return the keys under which shared values of a kind are kept; empty: values of this kind are not shared."""
    return (_SHARED_2 if swagger_2 else _SHARED_3).get(kind, ())
