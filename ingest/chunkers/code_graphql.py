"""GraphQL: the types of a schema, each field of its root types, and the operations of a client."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from graphql import GraphQLError, Source, parse
from graphql.language import ast

from ingest.chunkers.code_units import Reading, Unit, first_line_above
from ingest.chunkers.source import SourceText

_MAX_TOKENS: Final = 1_000_000
_ROOTS: Final = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}
_SUFFIX: Final = re.compile(r"(?:_type)?_(?:definition|extension)$")
_KINDS: Final = {"object": "type", "input_object": "input"}


def read_graphql(source: SourceText) -> Reading:
    """Return a document's definitions; what a schema can be asked for is a chunk for each field.

    A document with errors has none.
    """
    try:
        document = parse(Source(source.text), max_tokens=_MAX_TOKENS)
    except (GraphQLError, RecursionError):
        return Reading(())
    roots = _ROOTS | {
        operation.type.name.value: operation.operation.value
        for definition in document.definitions
        if isinstance(definition, ast.SchemaDefinitionNode | ast.SchemaExtensionNode)
        for operation in definition.operation_types or ()
    }
    return Reading(tuple(_units(source, document.definitions, roots)))


def _units(source: SourceText, definitions: Sequence[Any], roots: Mapping[str, str]) -> Iterator[Unit]:
    before = 0
    for node, (first, last) in zip(definitions, _lines(source, definitions, 0), strict=True):
        kind = _kind(node)
        name = node.name.value if getattr(node, "name", None) else kind
        fields = getattr(node, "fields", None) or getattr(node, "values", None) or ()
        places = _lines(source, fields, fields[0].loc.start) if fields else []
        members = tuple(_fields(name, fields, places, roots[name])) if kind == "type" and name in roots else ()
        if first > before:
            line = source.line_of(node.loc.start)
            yield Unit(kind, (name,), first, last, (line, line), tuple(place[0] for place in places), members, True)
            before = last


def _fields(name: str, fields: Sequence[Any], places: Sequence[tuple[int, int]], kind: str) -> Iterator[Unit]:
    before = 0
    for field, (first, last) in zip(fields, places, strict=True):
        if first > before:
            yield Unit(kind, (name, field.name.value), first, last)
            before = last


def _lines(source: SourceText, nodes: Sequence[Any], after: int) -> list[tuple[int, int]]:
    """Return the lines of each node, the comments right above it included."""
    places = []
    for node in nodes:
        places.append((first_line_above(source, after, node.loc.start), source.line_of(node.loc.end - 1)))
        after = node.loc.end
    return places


def _kind(node: Any) -> str:
    if isinstance(node, ast.OperationDefinitionNode):
        return str(node.operation.value)
    kind = _SUFFIX.sub("", str(node.kind))
    return _KINDS.get(kind, kind)
