"""Definitions in source code, found with tree-sitter by the record of its language."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from time import monotonic
from typing import Any, Final

from tree_sitter import Language, Node, Parser

from ingest.chunkers.code_grammar import CALLS, Chain, Definition, Grammar, text_of
from ingest.chunkers.code_imports import read_imports
from ingest.chunkers.code_units import Reading, Unit

_PARSE_LIMIT_S: Final = 15.0
_READ_BYTES: Final = 65_536
_MAX_NESTING: Final = 5
_MAX_DEPTH: Final = 16
_MAX_WRAPPERS: Final = 6
_BROKEN: Final = "ERROR"
_BLOCKS: Final = ("statement_list", "block")


def read_tree(text: str, grammar: Grammar) -> Reading:
    """Return the top-level definitions; code with errors gives those that were found.

    A text that takes longer than the parser is given has none.
    """
    root = parse(text, grammar)
    if root is None:
        return Reading(())
    units = tuple(_units(root, grammar, _Place()))
    if grammar.sections:
        units = tuple(_sections(units, root, grammar))
    return Reading(units, read_imports(_imports(root, grammar)))


def parse(text: str, grammar: Grammar) -> Node | None:
    """Return the root of a text's syntax tree, None when the parser had to be stopped."""
    source = text.encode("utf-8")
    deadline = monotonic() + _PARSE_LIMIT_S

    def read(offset: int, _: object) -> bytes:
        return source[offset : offset + _READ_BYTES]

    parser = Parser(load_language(grammar.module, grammar.function))
    try:
        return parser.parse(read, progress_callback=lambda _, __: monotonic() > deadline).root_node
    except ValueError:  # what the binding raises for a parse that was called off
        return None


def last_line(node: Node) -> int:
    """Return the line that a node ends on (1-based); one that ends with a newline ends on the line before it."""
    row, column = node.end_point
    return row + 1 if column or row == node.start_point[0] else row


@lru_cache(maxsize=64)
def load_language(module: str, function: str) -> Language:
    """Import a grammar and return its language."""
    found: Any = getattr(import_module(module), function)()
    if isinstance(found, int):  # as bindings made for older releases give it, which this one only takes with a warning
        capsule = ctypes.pythonapi.PyCapsule_New
        capsule.restype, capsule.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        found = capsule(found, b"tree_sitter.Language", None)
    return Language(found)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where definitions are looked for: in which scope, whether inside another one, and how deep."""

    scope: tuple[str, ...] = ()
    inside: bool = False
    depth: int = 0


@dataclass(slots=True)
class _Above:
    """The run of comments right above a node: its lines, `first` None where there is none."""

    first: int | None = None
    last: int = 0

    def take(self, node: Node, before: int) -> None:
        """Add a comment; one that trails the code of line `before` belongs to that."""
        first = node.start_point[0] + 1
        if self.first is None or first != self.last + 1:
            self.first = first if first > before else None
        self.last = last_line(node)

    def on(self, line: int) -> int | None:
        """Return where the run begins when it ends right above a line."""
        return self.first if self.last + 1 == line else None


def _imports(root: Node, grammar: Grammar) -> Iterator[str]:
    """Yield the import statements at the top of a file, the parts of those that have some."""
    for child in root.children:
        if child.type in grammar.imports:
            inner = child.named_children
            group = inner[0] if len(inner) == 1 and inner[0].type in grammar.imports else child
            parts = [part for part in group.named_children if part.type in grammar.imports]
            yield from map(text_of, parts or [group])


def _sections(units: Sequence[Unit], root: Node, grammar: Grammar) -> Iterator[Unit]:
    """Yield each unit up to the next one, the last up to the end."""
    starts = [child.start_point[0] + 1 for child in root.named_children if child.type not in grammar.above]
    lasts = [*(unit.first - 1 for unit in units[1:]), last_line(root)]
    for unit, last in zip(units, lasts, strict=False):
        yield replace(unit, last=last, body=tuple(start for start in starts if unit.first <= start <= last))


def _units(parent: Node, grammar: Grammar, place: _Place, above: _Above | None = None) -> Iterator[Unit]:
    above = above or _Above()
    before = 0
    for child in parent.children:
        if child.type in grammar.above:
            above.take(child, before)
            continue
        for unit in _read(child, grammar, place, above):
            if unit.first > before:
                comments = above.on(unit.first)
                yield unit if comments is None else replace(unit, first=comments)
                before = unit.last
        before = max(before, last_line(child))
        above = _Above()


def _read(child: Node, grammar: Grammar, place: _Place, above: _Above) -> Iterator[Unit]:
    """Yield the definition that a node is, or those in it when it only stands around them."""
    if place.depth == _MAX_DEPTH or not child.is_named:  # the keyword `class` has a type of that name too
        return
    chain = _chain(child, grammar)
    node = chain[-1]
    definition = grammar.definitions.get(node.type)
    if definition is not None:
        yield from _definition(chain, definition, grammar, place, above)
    elif node.type in grammar.open_nodes or node.type == _BROKEN:
        yield from _units(node, grammar, replace(place, depth=place.depth + 1), replace(above))


def _definition(chain: Chain, definition: Definition, grammar: Grammar, place: _Place, above: _Above) -> Iterator[Unit]:
    node, first = chain[-1], chain[0].start_point[0] + 1
    name, body = definition.name(chain), _body(node, definition, grammar)
    if not name or (definition.bodied and body is None) or (definition.described and above.on(first) is None):
        return
    scope = (*place.scope, *name)
    members: tuple[Unit, ...] = ()
    if body is not None and (definition.spread or (definition.members and len(place.scope) < _MAX_NESTING)):
        holds_methods = not definition.spread and definition.kind not in CALLS
        inner = _Place(scope, place.inside or holds_methods, place.depth + 1)
        members = tuple(_units(node if body.type in grammar.open_nodes else body, grammar, inner))
    if definition.spread:
        yield from members
        return
    kind = "method" if definition.kind == "function" and (place.inside or len(name) > 1) else definition.kind
    yield Unit(kind, scope, first, last_line(chain[0]), _signature(node, body), _starts(body), members)


def _chain(node: Node, grammar: Grammar) -> list[Node]:
    chain = [node]
    while len(chain) <= _MAX_WRAPPERS and (steps := grammar.wrappers.get(chain[-1].type)) is not None:
        definition = grammar.definitions.get(chain[-1].type)
        if definition is not None and definition.name(chain):
            break
        inner = next((found for step in steps if (found := _child(chain[-1], step)) is not None), None)
        if inner is None:
            break
        chain.append(inner)
    return chain


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(step, str):
        return node.child_by_field_name(step)
    count = node.named_child_count
    return node.named_child(step % count) if count else None


def _body(node: Node, definition: Definition, grammar: Grammar) -> Node | None:
    if definition.body is not None:
        return definition.body(node)
    body = node.child_by_field_name("body")
    if body is not None or not grammar.bodies:
        return body
    return next((child for child in node.named_children if child.type in grammar.bodies), None)


def _starts(body: Node | None) -> tuple[int, ...]:
    if body is None:
        return ()
    named = body.named_children
    statements = named[0].named_children if len(named) == 1 and named[0].type in _BLOCKS else named
    return tuple(statement.start_point[0] + 1 for statement in statements)


def _signature(node: Node, body: Node | None) -> tuple[int, int]:
    """Return the lines up to the body; an opening brace is the signature's, an indented block is not."""
    first = node.start_point[0] + 1
    if body is None:
        return first, first
    braced = bool(body.children) and body.children[0].type == "{"
    return first, max(first, body.start_point[0] + braced)
