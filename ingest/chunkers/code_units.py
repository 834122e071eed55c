"""Units: what the readers of code and configuration find in a file, whatever parser they use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.chunkers.code_imports import Import
from ingest.chunkers.source import SourceText


@dataclass(frozen=True, slots=True)
class Unit:
    """A named part of a file on lines `first` to `last` (1-based, inclusive), its decorators and comments included.

    `signature` is the lines before the body, repeated where the unit is cut; `body` the lines that statements in it
    begin on; `members` the units inside it, which are cut out where the whole does not fit, or always when `apart`.
    """

    kind: str
    scope: tuple[str, ...]
    first: int
    last: int
    signature: tuple[int, int] | None = None
    body: tuple[int, ...] = ()
    members: tuple[Unit, ...] = ()
    apart: bool = False

    def plain(self) -> list[Any]:
        """Return the unit as plain data, which travels between processes."""
        members = [member.plain() for member in self.members]
        return [self.kind, self.scope, self.first, self.last, self.signature, self.body, members, self.apart]

    @classmethod
    def of_plain(cls, plain: Sequence[Any]) -> Unit:
        """Return the unit that plain data stand for."""
        kind, scope, first, last, signature, body, members, apart = plain
        return cls(
            kind,
            tuple(scope),
            first,
            last,
            (signature[0], signature[1]) if signature else None,
            tuple(body),
            tuple(map(cls.of_plain, members)),
            apart,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """What is in a file: its units in order, no two on one line, and what it imports."""

    units: Sequence[Unit]
    imports: Sequence[Import] = ()

    def plain(self) -> dict[str, Any]:
        """Return the reading as plain data, which travels between processes."""
        imports = [[one.text, sorted(one.names)] for one in self.imports]
        return {"units": [unit.plain() for unit in self.units], "imports": imports}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Reading:
        """Return the reading that plain data stand for."""
        imports = tuple(Import(text, frozenset(names)) for text, names in plain["imports"])
        return cls(tuple(map(Unit.of_plain, plain["units"])), imports)


def first_line_above(source: SourceText, after: int, start: int) -> int:
    """Return the line that a unit at `start` begins on, with the comments that stand right on it.

    Between the offsets `after`, the end of what comes before, and `start` are only blanks and comments.
    """
    first = source.line_of(start)
    lowest = source.line_of(after) + bool(source.text[source.line_start(source.line_of(after)) : after].strip())
    while first > lowest and source.slice(source.lines_span(first - 1, first - 1)).strip():
        first -= 1
    return first
