"""What an OpenAPI document offers: its operations, wherever they stand, and its named schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.openapi_document import ApiDocument, Node
from ingest.chunkers.openapi_origins import pointer_text
from ingest.chunkers.openapi_positions import METHODS

_GROUPS: Final = ("paths", "webhooks", "x-webhooks")
_MAX_CALLBACK_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `node` is what it says, `item` the path item around it, `reference` its name when it is one.

    `role` says what else it is than an operation of the API: `webhook orderShipped`, `callback onPaid of POST /orders`.
    """

    pointer: str
    method: str
    route: str
    node: Node
    item: Node
    reference: str = ""
    role: str = ""

    @property
    def name(self) -> str:
        """How the operation is spoken of: `POST /orders`."""
        return f"{self.method.upper()} {self.route}"


@dataclass(frozen=True, slots=True)
class Named:
    """A schema, or a message, that has a name of its own; the node may be a reference, or true or false."""

    pointer: str
    name: str
    node: object


def operations(document: ApiDocument) -> Iterator[Operation]:
    """Yield every operation: of paths, of webhooks, and of callbacks, after the operation that they belong to."""
    for group in _GROUPS:
        for route, item in mapping(document.root.get(group)).items():
            role = "" if group == "paths" else f"webhook {route}"
            yield from _with_callbacks(document, _of_item(document, pointer_text((group, route)), route, item, role), 0)
    shared = mapping(mapping(document.root.get("components")).get("callbacks"))
    for name, callback in shared.items():
        called = document.called(pointer_text(("components", "callbacks", name)))
        pointer = pointer_text(("components", "callbacks", name))
        yield from _with_callbacks(document, _of_callback(document, pointer, callback, f"callback {called}"), 1)


def schemas(document: ApiDocument) -> Iterator[Named]:
    """Yield every named schema."""
    keys: tuple[str, ...] = ("definitions",) if document.family == "2.0" else ("components", "schemas")
    section: object = document.root
    for key in keys:
        section = mapping(section).get(key)
    for name, node in mapping(section).items():
        if isinstance(node, Mapping | bool):
            pointer = pointer_text((*keys, name))
            yield Named(pointer, document.called(pointer), node)


def parameters(document: ApiDocument, operation: Operation) -> dict[tuple[str, str], tuple[str, Node]]:
    """Return an operation's parameters by name and place, each with its pointer; its own replace its path's."""
    item = operation.pointer.rpartition("/")[0]
    found: dict[tuple[str, str], tuple[str, Node]] = {}
    for start, node in ((item, operation.item), (operation.pointer, operation.node)):
        for index, one in enumerate(sequence(node.get("parameters"))):
            parameter, _ = document.resolve(one)
            if parameter:
                key = (str(parameter.get("name")), str(parameter.get("in")))
                found[key] = (f"{start}/parameters/{index}", parameter)
    return found


def mapping(node: object) -> Node:
    """Return a node where a mapping is asked for: an empty one in place of anything else."""
    return node if isinstance(node, Mapping) else {}


def sequence(node: object) -> list[object]:
    """Return a node where a list is asked for: an empty one in place of anything else."""
    return node if isinstance(node, list) else []


def _of_item(document: ApiDocument, pointer: str, route: str, item: object, role: str) -> Iterator[Operation]:
    node, _ = document.resolve(item)
    for method in METHODS:
        if isinstance(node.get(method), Mapping):
            yield _operation(document, f"{pointer}/{method}", method, route, node, node[method], role)
    for method, one in mapping(node.get("additionalOperations")).items():
        if isinstance(one, Mapping):
            place = pointer + pointer_text(("additionalOperations", method))
            yield _operation(document, place, method, route, node, one, role)


def _operation(
    document: ApiDocument, pointer: str, method: str, route: str, item: Node, node: Node, role: str
) -> Operation:
    own, reference = document.resolve(node)
    return Operation(pointer, method, route, own, item, reference, role)


def _of_callback(document: ApiDocument, pointer: str, callback: object, role: str) -> Iterator[Operation]:
    node, _ = document.resolve(callback)
    for expression, item in node.items():
        if not expression.startswith("x-"):
            yield from _of_item(document, pointer + pointer_text((expression,)), expression, item, role)


def _with_callbacks(document: ApiDocument, found: Iterator[Operation], depth: int) -> Iterator[Operation]:
    for operation in found:
        yield operation
        if depth == _MAX_CALLBACK_DEPTH:
            continue
        for name, callback in mapping(operation.node.get("callbacks")).items():
            # One that is referred to is a component, which has units of its own.
            if isinstance(callback, Mapping) and "$ref" not in callback:
                pointer = operation.pointer + pointer_text(("callbacks", name))
                role = f"callback {name} of {operation.name}"
                yield from _with_callbacks(document, _of_callback(document, pointer, callback, role), depth + 1)
