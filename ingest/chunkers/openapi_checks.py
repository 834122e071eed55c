"""What the JSON schema of OpenAPI cannot say: references, names that must differ, values that must fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ingest.chunkers.openapi_document import ApiDocument, Node, references
from ingest.chunkers.openapi_origins import Problem, pointer_text
from ingest.chunkers.openapi_positions import ROOT, child_kind
from ingest.chunkers.openapi_units import Named, Operation, parameters, sequence
from ingest.openapi_files import is_remote

_PATH_NAME: Final = re.compile(r"\{([^{}]+)\}")
_MAX_FIT_DEPTH: Final = 2
_MAX_CHOICES: Final = 50
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "file": (object,),
}


def reference_problems(document: ApiDocument) -> Iterator[Problem]:
    """Yield the references that lead nowhere, or elsewhere."""
    elsewhere: list[str] = []
    for pointer, target in references(document.root):
        if document.at(target) is not None:
            continue
        if target.startswith("#"):
            yield Problem(pointer, f"reference to nothing: {target[:200]}")
        elif is_remote(target):
            yield Problem(pointer, f"reference to another host is not followed: {target[:200]}")
        else:
            elsewhere.append(pointer)
    if elsewhere and not document.joined:
        message = f"{len(elsewhere)} references to other files stay names: they are followed in a source that has them"
        yield Problem(elsewhere[0], message, "warning")


def operation_problems(document: ApiDocument, operations: Iterable[Operation]) -> Iterator[Problem]:
    """Yield operation ids that are not unique, and parameters in a path that are not declared, or the other way."""
    first: dict[str, str] = {}
    for operation in operations:
        name = operation.node.get("operationId")
        if isinstance(name, str) and first.setdefault(name, operation.name) != operation.name:
            yield Problem(f"{operation.pointer}/operationId", f"operationId {name} is that of {first[name]} too")
        if not operation.pointer.startswith("/paths/") or operation.role:
            continue
        declared = {name for name, place in parameters(document, operation) if place == "path"}
        if _has_unknown_parameters(document, operation):
            continue
        wanted = set(_PATH_NAME.findall(operation.route))
        for missing in sorted(wanted - declared):
            yield Problem(operation.pointer, f"path parameter {missing} is not declared")
        for extra in sorted(declared - wanted):
            yield Problem(operation.pointer, f"parameter {extra} is declared for the path, which does not have it")


def schema_problems(document: ApiDocument) -> Iterator[Problem]:
    """Yield schemas that no reader could use as they are, and defaults that do not fit their schema.

    The JSON schemas of OpenAPI 3.1 and later leave schemas open, those before do not.
    """
    is_open = document.family in ("3.1", "3.2")
    for pointer, node in _schema_nodes(document):
        if is_open:
            yield from _shape_problems(pointer, node)
        if "default" in node and not _fits(document, node["default"], node, 0):
            yield Problem(f"{pointer}/default", f"default {node['default']!r} does not fit its schema", "warning")


def circle_problems(schemas: Iterable[Named]) -> Iterator[Problem]:
    """Yield the schemas that are made of themselves: all of A is B, and all of B is A."""
    made_of = {schema.pointer: tuple(_made_of(schema.node)) for schema in schemas}
    done: set[str] = set()
    for start in made_of:
        trail: list[tuple[str, Iterator[str]]] = [(start, iter(made_of[start]))] if start not in done else []
        on_trail = {start}
        while trail:
            pointer, following = trail[-1]
            found = next(following, None)
            if found is None:
                trail.pop()
                on_trail.discard(pointer)
                done.add(pointer)
            elif found in on_trail:
                yield Problem(pointer, f"reference that leads back to itself: #{found}")
            elif found in made_of and found not in done:
                on_trail.add(found)
                trail.append((found, iter(made_of[found])))


def _has_unknown_parameters(document: ApiDocument, operation: Operation) -> bool:
    listed = (*sequence(operation.item.get("parameters")), *sequence(operation.node.get("parameters")))
    return any(not document.resolve(one)[0] for one in listed)


def _made_of(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for part in (node, *sequence(node.get("allOf"))):
            target = part.get("$ref") if isinstance(part, Mapping) else None
            if isinstance(target, str) and target.startswith("#/"):
                yield target[1:]


def _schema_nodes(document: ApiDocument) -> Iterator[tuple[str, Node]]:
    """Yield every node that stands where a schema does; in OpenAPI 2.0 parameters are schemas of their own."""
    kinds = ("schema", "parameter", "header") if document.family == "2.0" else ("schema",)
    waiting: list[tuple[str, str, object]] = [(ROOT, "", document.root)]
    while waiting:
        kind, pointer, node = waiting.pop()
        if isinstance(node, Mapping):
            if kind in kinds and "$ref" not in node:
                yield pointer, node
            waiting.extend(
                (child_kind(kind, key), pointer + pointer_text((key,)), value)
                for key, value in node.items()
                if isinstance(value, Mapping | list)
            )
        elif isinstance(node, list):
            waiting.extend((child_kind(kind, "*"), f"{pointer}/{index}", value) for index, value in enumerate(node))


def _shape_problems(pointer: str, node: Node) -> Iterator[Problem]:
    named = node.get("type", [])
    for name in named if isinstance(named, list) else [named]:
        if not isinstance(name, str) or name not in _TYPES:
            yield Problem(f"{pointer}/type", f"{name!r} is not a type")
    for keys, wanted, words in (
        (("properties", "patternProperties", "$defs", "dependentSchemas"), Mapping, "a mapping"),
        (("required", "enum", "allOf", "anyOf", "oneOf", "prefixItems", "examples"), list, "a list"),
        (("items", "additionalProperties", "not", "if", "then", "else", "contains"), Mapping | bool, "a schema"),
    ):
        for key in keys:
            if key in node and not isinstance(node[key], wanted):
                yield Problem(f"{pointer}/{key}", f"{key} must be {words}")


def _fits(document: ApiDocument, value: object, schema: object, depth: int) -> bool:
    """Tell whether a value is of its schema's type and one of its values; what cannot be told fits."""
    node, _ = document.resolve(schema)
    if not node or depth > _MAX_FIT_DEPTH or (value is None and node.get("nullable") is True):
        return True
    named = node.get("type")
    types = [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
    if types and not any(_is_of(value, name) for name in types):
        return False
    values = node.get("enum")
    if isinstance(values, list) and values and value not in values:
        return False
    for key in ("oneOf", "anyOf"):
        choices = sequence(node.get(key))
        if 0 < len(choices) <= _MAX_CHOICES and not any(
            _fits(document, value, choice, depth + 1) for choice in choices
        ):
            return False
    return all(_fits(document, value, part, depth + 1) for part in sequence(node.get("allOf")))


def _is_of(value: object, name: str) -> bool:
    if isinstance(value, bool) and name != "file":
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))
