"""Definitions in source code, found with tree-sitter: what is named, on which lines, and where it may be cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Final

import tree_sitter_go
import tree_sitter_python
from tree_sitter import Language, Node, Parser

_PARSE_LIMIT_S: Final = 60.0
_MAX_NESTING: Final = 5
_RECEIVER: Final = re.compile(r"\(\s*(?:\w+\s+)?\*?\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Unit:
    """A definition on lines `first` to `last` (1-based, inclusive), its decorators and comments included.

    `signature` is the lines before the body; `body` the lines that statements in it begin on; `members` the
    definitions of a class.
    """

    kind: str
    scope: tuple[str, ...]
    first: int
    last: int
    signature: tuple[int, int]
    body: tuple[int, ...] = ()
    members: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Grammar:
    """A programming language: its parser and the reading of one node as a definition."""

    language: Language
    unit: Callable[[Node, tuple[str, ...]], Unit | None]


def read_units(text: str, grammar: Grammar) -> list[Unit]:
    """Return the top-level definitions in order, no two on one line; code with errors gives those that were found.

    A text that takes longer than the parser is given has none.
    """
    source = text.encode("utf-8")
    deadline = monotonic() + _PARSE_LIMIT_S

    def read(offset: int, _: object) -> bytes:
        return source[offset : offset + 65_536]

    try:
        tree = Parser(grammar.language).parse(read, progress_callback=lambda _, __: monotonic() > deadline)
    except ValueError:  # what the binding raises for a parse that was called off
        return []
    return list(_units(tree.root_node, grammar, ()))


def _units(parent: Node, grammar: Grammar, scope: tuple[str, ...]) -> Iterator[Unit]:
    comments: int | None = None
    before = 0
    last_comment = 0
    for child in parent.children:
        first = child.start_point[0] + 1
        if child.type == "comment":
            if comments is None or first != last_comment + 1:
                comments = first if first > before else None
            last_comment = child.end_point[0] + 1
            continue
        unit = grammar.unit(child, scope)
        if unit is not None and unit.first > before:
            if comments is not None and last_comment + 1 == unit.first:
                unit = Unit(unit.kind, unit.scope, comments, unit.last, unit.signature, unit.body, unit.members)
            yield unit
        before = max(before, _last_line(child))
        comments = None


def _last_line(node: Node) -> int:
    row, column = node.end_point
    return row + 1 if column or row == node.start_point[0] else row


def _name(node: Node | None) -> str:
    return node.text.decode("utf-8", "replace") if node is not None and node.text is not None else "?"


def _starts(body: Node | None) -> tuple[int, ...]:
    if body is None:
        return ()
    named = body.named_children
    statements = named[0].named_children if len(named) == 1 and named[0].type == "statement_list" else named
    return tuple(statement.start_point[0] + 1 for statement in statements)


def _signature(node: Node, body: Node | None) -> tuple[int, int]:
    """Return the lines up to the body; an opening brace is the signature's, an indented block is not."""
    first = node.start_point[0] + 1
    if body is None:
        return first, first
    braced = bool(body.children) and body.children[0].type == "{"
    return first, max(first, body.start_point[0] + braced)


def _python_unit(node: Node, scope: tuple[str, ...]) -> Unit | None:
    inner = node.child_by_field_name("definition") if node.type == "decorated_definition" else node
    if inner is None or inner.type not in ("function_definition", "class_definition"):
        return None
    name = (*scope, _name(inner.child_by_field_name("name")))
    body = inner.child_by_field_name("body")
    first, last = node.start_point[0] + 1, _last_line(node)
    if inner.type == "function_definition":
        kind = "method" if scope else "function"
        return Unit(kind, name, first, last, _signature(inner, body), _starts(body))
    members = tuple(_units(body, PYTHON_GRAMMAR, name)) if body is not None and len(scope) < _MAX_NESTING else ()
    return Unit("class", name, first, last, _signature(inner, body), _starts(body), members)


def _go_unit(node: Node, scope: tuple[str, ...]) -> Unit | None:
    first, last = node.start_point[0] + 1, _last_line(node)
    body = node.child_by_field_name("body")
    if node.type == "function_declaration":
        return Unit(
            "function", (_name(node.child_by_field_name("name")),), first, last, _signature(node, body), _starts(body)
        )
    if node.type == "method_declaration":
        receiver = _RECEIVER.match(_name(node.child_by_field_name("receiver")))
        name = _name(node.child_by_field_name("name"))
        owner = (receiver[1],) if receiver else scope
        return Unit("method", (*owner, name), first, last, _signature(node, body), _starts(body))
    if node.type == "type_declaration":
        names = [
            _name(child.child_by_field_name("name"))
            for child in node.children
            if child.type in ("type_spec", "type_alias")
        ]
        return Unit("class", (", ".join(names) or "?",), first, last, (first, first))
    return None


PYTHON_GRAMMAR: Final = Grammar(Language(tree_sitter_python.language()), _python_unit)
GO_GRAMMAR: Final = Grammar(Language(tree_sitter_go.language()), _go_unit)
GRAMMARS: Final[Mapping[str, Grammar]] = {"python": PYTHON_GRAMMAR, "go": GO_GRAMMAR}
