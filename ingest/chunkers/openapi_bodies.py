"""Request bodies, responses and their examples as lines of text, each part with the pointer it was read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from ingest.chunkers.openapi_document import ApiDocument, Node
from ingest.chunkers.openapi_origins import pointer_text
from ingest.chunkers.openapi_parts import Part
from ingest.chunkers.openapi_schema import field_lines, type_words
from ingest.chunkers.openapi_units import Operation, mapping, parameters
from ingest.chunkers.openapi_words import example_words, one_line

_MAX_EXAMPLES: Final = 2
_ERRORS: Final = ("4", "5", "default")
_SHORT_LEVELS: Final = 2

Detail = Literal["whole", "short", "none"]
"""How far a body is told: what is sent with the fields of the schemas it names, for that is what a caller must know;
what is answered in short, for its schemas are units of their own; errors not at all, for they are the same everywhere.
"""
_WHOLE: Final = "whole"
_SHORT: Final = "short"
_NONE: Final = "none"


def body_parts(document: ApiDocument, operation: Operation) -> Iterator[Part]:
    """Yield what an operation takes in its body; OpenAPI 2.0 has it as a parameter."""
    if "requestBody" in operation.node:
        lines = tuple(_bodies(document, "Request body", operation.node["requestBody"], detail=_WHOLE))
        yield Part(f"{operation.pointer}/requestBody", lines, "request body")
    for (_, place), (pointer, node) in parameters(document, operation).items():
        if place == "body":
            lines = tuple(_content(document, "Request body", node.get("schema"), node, detail=_WHOLE))
            yield Part(pointer, lines, "request body")


def response_parts(document: ApiDocument, operation: Operation) -> Iterator[Part]:
    """Yield what an operation answers, by status."""
    for status, response in mapping(operation.node.get("responses")).items():
        if status.startswith("x-"):
            continue
        detail: Detail = _NONE if status.startswith(_ERRORS) else _SHORT
        lines = tuple(_bodies(document, f"Response {status}", response, detail=detail))
        yield Part(operation.pointer + pointer_text(("responses", status)), lines, f"response {status}")


def example_parts(document: ApiDocument, operation: Operation) -> Iterator[Part]:
    """Yield the examples of requests and of answers that are no errors."""
    if "requestBody" in operation.node:
        pointer = f"{operation.pointer}/requestBody"
        yield from _examples(document, "Example request", pointer, operation.node["requestBody"])
    for status, response in mapping(operation.node.get("responses")).items():
        if not status.startswith((*_ERRORS, "x-")):
            pointer = operation.pointer + pointer_text(("responses", status))
            yield from _examples(document, f"Example response {status}", pointer, response)


def examples_of(document: ApiDocument, label: str, pointer: str, node: Node) -> Iterator[Part]:
    """Yield the examples that a node has under `example` or `examples`, with the label before each."""
    if "example" in node:
        yield Part(f"{pointer}/example", (f"{label}: {example_words(node['example'])}",), label.lower())
    named = node.get("examples")
    listed = list(named.items() if isinstance(named, Mapping) else enumerate(named) if isinstance(named, list) else ())
    for name, example in listed[:_MAX_EXAMPLES]:
        own, _ = document.resolve(example) if isinstance(named, Mapping) else ({"value": example}, "")
        said = one_line(own.get("summary")) or one_line(own.get("description"))
        heading = f"{label}, {said}" if said else label
        value = next(
            (own[key] for key in ("value", "dataValue", "serializedValue", "externalValue") if key in own), None
        )
        if value is not None:
            place = pointer + pointer_text(("examples", name))
            yield Part(place, (f"{heading}: {example_words(value)}",), label.lower())


def _examples(document: ApiDocument, label: str, pointer: str, body: object) -> Iterator[Part]:
    node, _ = document.resolve(body)
    if document.family == "2.0":
        for media_type, example in list(mapping(node.get("examples")).items())[:1]:
            place = pointer + pointer_text(("examples", media_type))
            yield Part(place, (f"{label}: {example_words(example)}",), label.lower())
        return
    for media_type, content in mapping(node.get("content")).items():
        found = list(examples_of(document, label, pointer + pointer_text(("content", media_type)), mapping(content)))
        if found:
            yield from found
            return


def _bodies(document: ApiDocument, label: str, body: object, *, detail: Detail) -> Iterator[str]:
    node, name = document.resolve(body)
    if not node:
        yield f"{label}: {name}"
        return
    if "schema" in node:  # a response of OpenAPI 2.0
        yield from _content(document, label, node["schema"], node, detail=detail)
        return
    groups: list[tuple[object, list[str]]] = []
    for media_type, content in mapping(node.get("content")).items():
        own, _ = document.resolve(content)
        schema = own.get("schema", own.get("itemSchema"))
        group = next((types for known, types in groups if known == schema), None)
        if group is None:
            groups.append((schema, [media_type]))
        else:
            group.append(media_type)
    for schema, media_types in groups:
        yield from _content(document, f"{label} {', '.join(media_types)}", schema, node, detail=detail)
    if not groups:
        yield f"{label}: {one_line(node.get('description'))}"
    headers = list(mapping(node.get("headers")))
    if headers and detail != _NONE:
        yield f"{label} headers: {', '.join(headers)}"


def _content(document: ApiDocument, label: str, schema: object, node: Node, *, detail: Detail) -> Iterator[str]:
    required = ", required" if node.get("required") is True else ""
    description = one_line(node.get("description"))
    kind = f" ({type_words(document, schema)}{required})" if schema is not None else ""
    yield f"{label}{kind}" + (f": {description}" if description else "")
    if detail == _WHOLE or (detail == _SHORT and not _is_named(schema)):
        yield from field_lines(document, schema, int(detail == _WHOLE))
    elif detail == _SHORT:
        yield from field_lines(document, schema, 1, levels=_SHORT_LEVELS)


def _is_named(schema: object) -> bool:
    """Tell whether a schema is another one by name, or a list of such."""
    node = mapping(schema)
    return "$ref" in node or "$ref" in mapping(node.get("items"))
