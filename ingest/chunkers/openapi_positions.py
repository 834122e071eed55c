"""What stands where in an API description: the kind of each position, and where a shared one of that kind is kept.

A `$ref` in a schema, parameter, message and so on becomes a shared component when files are joined; anywhere else (a
path item, an operation, a description) the target takes the place of the `$ref`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Family = Literal["2.0", "3.0", "3.1", "3.2", "asyncapi-2", "asyncapi-3"]

LITERAL: Final = "literal"
ANY: Final = "any"
ROOT: Final = "root"
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

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
        "channels": "channels",
        "operations": "channelOperations",
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
        "mediaTypes": "contents",
        "channels": "channels",
        "operations": "channelOperations",
        "messages": "messages",
    },
    "paths": {"*": "path"},
    "path": {
        "parameters": "parameters",
        "additionalOperations": "operations",
        **dict.fromkeys(METHODS, "operation"),
    },
    "operations": {"*": "operation"},
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
    "mediaType": {**_VALUE, "itemSchema": "schema", "encoding": "encodings"},
    "encodings": {"*": "encoding"},
    "encoding": {"headers": "headers"},
    "examples": {"*": "example"},
    "example": {"value": LITERAL},
    "links": {"*": "link"},
    "callbacks": {"*": "callback"},
    "callback": {"*": "path"},
    "channels": {"*": "channel"},
    "channel": {
        "parameters": "parameters",
        "messages": "messages",
        "publish": "channelOperation",
        "subscribe": "channelOperation",
    },
    "channelOperations": {"*": "channelOperation"},
    "channelOperation": {"message": "message", "messages": "messages"},
    "messages": {"*": "message"},
    "message": {"payload": "schema", "headers": "schema", "oneOf": "messages", "examples": LITERAL},
    "schemas": {"*": "schema"},
    "schema": {
        **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), "schemas"),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "schemas"),
        **dict.fromkeys(("items", "additionalProperties", "not", "if", "then", "else", "contains"), "schema"),
        **dict.fromkeys(("propertyNames", "unevaluatedProperties", "unevaluatedItems", "contentSchema"), "schema"),
        "schema": "schema",  # a payload of AsyncAPI 3 that names its format stands a level deeper
        **_DATA,
        "examples": LITERAL,
    },
    LITERAL: {"*": LITERAL},
}
_Shared = Mapping[str, tuple[str, ...]]
_SHARED_3: Final[_Shared] = {
    "schema": ("components", "schemas"),
    "parameter": ("components", "parameters"),
    "response": ("components", "responses"),
    "requestBody": ("components", "requestBodies"),
    "header": ("components", "headers"),
    "example": ("components", "examples"),
    "link": ("components", "links"),
    "callback": ("components", "callbacks"),
}
_SHARED_2: Final[_Shared] = {"schema": ("definitions",), "parameter": ("parameters",), "response": ("responses",)}
_SHARED_ASYNC: Final[_Shared] = {
    "schema": ("components", "schemas"),
    "parameter": ("components", "parameters"),
    "message": ("components", "messages"),
}


def child_kind(kind: str, key: str) -> str:
    """Return what stands under `key` of a position; list items stand under `*`."""
    children = _CHILDREN.get(kind, {})
    return children.get(key) or children.get("*", ANY)


def shared_kinds(family: Family) -> _Shared:
    """Return the keys under which shared values are kept, by kind; values of other kinds are not shared."""
    if family == "2.0":
        return _SHARED_2
    return _SHARED_ASYNC if family.startswith("asyncapi") else _SHARED_3
