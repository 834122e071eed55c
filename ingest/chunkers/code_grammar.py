"""What the chunker knows of a programming language: one frozen record per tree-sitter grammar.

A record imports nothing: a grammar is loaded with the first file of its language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tree_sitter import Node

Chain = Sequence["Node"]
"""A definition's node last, before it the nodes that wrap it, outermost first."""

_TITLE_CHARS: Final = 100
CALLS: Final = ("test", "block")
"""Kinds of definitions that are calls: a function inside one is no method."""
COMMENTS: Final = frozenset({"comment", "line_comment", "block_comment", "multiline_comment"})


def text_of(node: Node | None) -> str:
    """Return what a node spans, `?` where the code has no such part."""
    return node.text.decode("utf-8", "replace") if node is not None and node.text is not None else "?"


def titled(node: Node) -> tuple[str, ...]:
    """Return the text of a call's first argument as a name, on one line; none without an argument."""
    arguments = node.child_by_field_name("arguments")
    first = arguments.named_child(0) if arguments is not None and arguments.named_child_count else None
    title = " ".join(text_of(first).split()).strip("\"'`:") if first is not None else ""
    return (title[:_TITLE_CHARS],) if title else ()


def named(chain: Chain) -> tuple[str, ...]:
    """Return the name that a definition has in the field of that name."""
    return (text_of(chain[-1].child_by_field_name("name")),)


@dataclass(frozen=True, slots=True)
class Definition:
    """How nodes of one type are read.

    `name` finds the name, its own scope before it; without a name a node is no definition. A `function` inside a
    definition is a `method`. `members`: definitions are looked for inside. `spread`: never a unit itself, only a scope
    (a namespace). `bodied`: a unit only with a body; `described`: only with a comment above it. `body` finds the body
    where it is neither in the field of that name nor of a type that the grammar's record lists.
    """

    kind: str
    name: Callable[[Chain], tuple[str, ...]] = named
    members: bool = False
    spread: bool = False
    bodied: bool = False
    described: bool = False
    body: Callable[[Node], Node | None] | None = None


@dataclass(frozen=True, slots=True)
class Grammar:
    """One language: where its parser is and what its nodes mean.

    `wrappers` maps a node that stands around a definition and belongs to it to where the definition is: fields by
    name, else a named child by its index. The children of `open_nodes` are read as if they stood in their parent's
    place. `above` are nodes that belong to the definition they stand on; `bodies` are bodies that no field names;
    `imports` are statements that bind names of other files, and their parts where one has several. `sections`: a
    definition reaches to the next one (the stages of a Dockerfile).
    """

    module: str
    definitions: Mapping[str, Definition]
    function: str = "language"
    wrappers: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    open_nodes: frozenset[str] = frozenset()
    above: frozenset[str] = COMMENTS
    bodies: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()
    sections: bool = False
