r"""Taking `^`, `$`, `\b` and `\B` out of a regular expression: the engine's have none, and match whole values. Pure.

What stands at a place is known from what may come before and after it, so a place between two characters becomes a
choice of which characters they are: `\bfoo` is `(.*[^\w])?foo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opensearch.regex_nodes import ANY, WORD, Assertion, Chars, Either, Node, Repeat, Row, common, others
from shirabe.errors import InvalidInput

Nodes = tuple[Node, ...]

MAX_ROWS: Final = 64
MAX_STEPS: Final = 4_000
_ANYTHING: Final = Repeat(ANY, 0, None)
_NO_WORD: Final = others(WORD)


def whole_value(tree: Node) -> Node | None:
    """Return what matches a whole value when `tree` matches anywhere in it; None when it never does.

    Raises: InvalidInput for what takes too many cases, or repeats a place.
    """
    return _Edges().whole_value(tree)


def is_nullable(node: Node) -> bool:
    """Tell whether a node matches nothing at all, too; places between characters count as nothing."""
    if isinstance(node, Chars):
        return False
    if isinstance(node, Row):
        return all(map(is_nullable, node.nodes))
    if isinstance(node, Either):
        return any(map(is_nullable, node.nodes))
    if isinstance(node, Repeat):
        return node.least == 0 or is_nullable(node.node)
    return True


class _Edges:
    """Takes the places out of one expression, in a bounded number of steps: each may double what is left to do."""

    def __init__(self) -> None:
        self._steps = MAX_STEPS

    def whole_value(self, tree: Node) -> Node | None:
        rows = [row for nodes in self._branches(tree) for row in self._resolved((_ANYTHING, *nodes, _ANYTHING))]
        return _either(rows) if rows else None

    def _branches(self, node: Node) -> list[Nodes]:
        """Return the rows that a node is a choice of, such that each place stands in a row itself."""
        self._step()
        if isinstance(node, Assertion) or not _has_place(node):
            return [node.nodes if isinstance(node, Row) else (node,)]
        if isinstance(node, Either):
            found = [row for each in node.nodes for row in self._branches(each)]
        elif isinstance(node, Row):
            found = [()]
            for each in node.nodes:
                found = _bounded([(*row, *more) for more in self._branches(each) for row in found])
        elif isinstance(node, Repeat) and node.most == 1:
            found = [*([()] if node.least == 0 else []), *self._branches(node.node)]
        else:
            raise InvalidInput("the regular expression repeats ^, $ or \\b, which cannot be searched", "query")
        return _bounded(found)

    def _resolved(self, row: Nodes) -> list[Nodes]:
        """Return rows without places that together match what a row does; none when nothing does."""
        self._step()
        for at, place in enumerate(row):
            if isinstance(place, Assertion):
                return self._resolved_at(place, row[:at], row[at + 1 :])
        return [row]

    def _resolved_at(self, place: Assertion, left: Nodes, right: Nodes) -> list[Nodes]:
        """Return rows for a place and what is on both sides of it; on the left is no other place."""
        if place.kind == "^":
            return self._resolved(right) if all(map(is_nullable, left)) else []
        if place.kind == "$":
            if not all(map(is_nullable, right)):
                return []
            after = [node for node in right if isinstance(node, Assertion) and node.kind != "$"]
            return self._resolved((*left, *after))
        found: list[Nodes] = []
        for before_is_word in (True, False):
            after_is_word = before_is_word == (place.kind == "B")
            lefts = self._ending(left, before_is_word)
            if not lefts:
                continue
            for rest in _joined(self._beginning(right, after_is_word)):
                found += self._resolved((*_row_of(lefts), *rest))
        return _bounded(found)

    def _beginning(self, row: Nodes, is_word: bool) -> list[Nodes]:
        """Return a row as it begins with a letter of a word, or as it begins with none or is at the end."""
        self._step()
        if not row:
            return [] if is_word else [()]
        head, rest = row[0], row[1:]
        if isinstance(head, Assertion):
            return [(head, *each) for each in self._beginning(rest, is_word)]
        if isinstance(head, Chars):
            chars = common(head, WORD if is_word else _NO_WORD)
            return [(chars, *rest)] if chars.ranges else []
        if isinstance(head, Row):
            return self._beginning((*head.nodes, *rest), is_word)
        if isinstance(head, Either):
            return [found for each in head.nodes for found in self._beginning((each, *rest), is_word)]
        found = []
        if head.most != 0:
            if is_nullable(head.node):
                raise InvalidInput("the regular expression repeats what may be nothing beside \\b", "query")
            again = Repeat(head.node, max(head.least - 1, 0), None if head.most is None else head.most - 1)
            found = self._beginning((head.node, *([] if again.most == 0 else [again]), *rest), is_word)
        return [*found, *(self._beginning(rest, is_word) if head.least == 0 else [])]

    def _ending(self, row: Nodes, is_word: bool) -> list[Nodes]:
        return [self._turned(found) for found in self._beginning(self._turned(row), is_word)]

    def _turned(self, row: Nodes) -> Nodes:
        return tuple(self._turned_node(node) for node in reversed(row))

    def _turned_node(self, node: Node) -> Node:
        self._step()
        if isinstance(node, Row):
            return Row(self._turned(node.nodes))
        if isinstance(node, Either):
            return Either(tuple(map(self._turned_node, node.nodes)))
        if isinstance(node, Repeat):
            return Repeat(self._turned_node(node.node), node.least, node.most)
        return node

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise _too_complex()


def _joined(rows: list[Nodes]) -> list[Nodes]:
    """Return rows as one where no place is left in any of them."""
    if len(rows) < 2 or any(isinstance(node, Assertion) for row in rows for node in row):
        return rows
    return [_row_of(rows)]


def _row_of(rows: Sequence[Nodes]) -> Nodes:
    """Return a choice of rows as one row: what they begin with alike, then the choice."""
    shared = 0
    while all(len(row) > shared for row in rows) and all(row[shared] == rows[0][shared] for row in rows):
        shared += 1
    rest = [row[shared:] for row in rows]
    return rows[0] if len(rows) == 1 else (*rows[0][:shared], _either(rest))


def _either(rows: Sequence[Nodes]) -> Node:
    nodes = tuple(row[0] if len(row) == 1 else Row(row) for row in rows)
    return nodes[0] if len(nodes) == 1 else Either(nodes)


def _has_place(node: Node) -> bool:
    if isinstance(node, Row | Either):
        return any(map(_has_place, node.nodes))
    return _has_place(node.node) if isinstance(node, Repeat) else isinstance(node, Assertion)


def _bounded(rows: list[Nodes]) -> list[Nodes]:
    if len(rows) > MAX_ROWS:
        raise _too_complex()
    return rows


def _too_complex() -> InvalidInput:
    return InvalidInput("the regular expression has too many cases to be searched: ask for less at once", "query")
