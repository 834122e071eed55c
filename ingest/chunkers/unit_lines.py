"""Units into chunks: one per unit that fits, its members where it does not, and what stands between them.

The context is the file and the scope (`routing.py › APIRouter › include_router`); a unit too large for one
chunk is cut between statements and repeats its signature.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from ingest.chunkers.code_imports import Import, used_in
from ingest.chunkers.code_units import Reading, Unit
from ingest.chunkers.draft import Draft, trail
from ingest.chunkers.source import SourceText
from ingest.chunkers.split import Boundaries, Splitter
from shirabe.definitions import SYMBOLS

_FRAME_CHARS: Final = 200
_MOST_OPENING: Final = 6


@dataclass(frozen=True, slots=True)
class Manner:
    """How the files of one kind are cut.

    `rest` is the kind of what stands between units, `language` the format's name, `lang` what chunks are filtered by
    (None: told from the text). Lines that say nothing alone go with a unit beside them: those that match `closing` with
    the one before, those from one that matches `opening` on with the one after.
    """

    rest: str
    language: str
    lang: str | None
    closing: re.Pattern[str]
    opening: re.Pattern[str]


def cut_units(path: str, source: SourceText, reading: Reading, splitter: Splitter, manner: Manner) -> list[Draft]:
    """Return chunks that hold every line of a file that is not blank, once and in order."""
    defined = sorted(_defined(reading.units)) if manner.lang is not None else []
    file = _File(path, source, splitter, manner, reading.imports, _blank_ends(source), defined)
    return list(file.within(reading.units, 1, source.line_count, manner.rest, ()))


def _defined(units: Sequence[Unit]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the line and the scoped name of every definition, those inside others too."""
    for unit in units:
        line = unit.signature[0] if unit.signature else unit.first
        if unit.scope:
            # A group of Go's types is one unit.
            yield from ((line, (*unit.scope[:-1], name)) for name in unit.scope[-1].split(", "))
        yield from _defined(unit.members)


def _blank_ends(source: SourceText) -> list[int]:
    """Return the lines that follow a blank line: where statements without structure are cut first."""
    lines = source.text.split("\n")
    return [number + 1 for number in range(1, len(lines)) if not lines[number - 1].strip() and lines[number].strip()]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    source: SourceText
    splitter: Splitter
    manner: Manner
    imports: Sequence[Import]
    after_blanks: list[int]
    defined: list[tuple[int, tuple[str, ...]]]

    def within(
        self, units: Sequence[Unit], first: int, last: int, kind: str, scope: tuple[str, ...]
    ) -> Iterator[Draft]:
        """Yield lines `first` to `last`: the units in them, and what stands between, as `kind`."""
        line = first
        for unit in self._framed(units, first, last):
            yield from self.lines(line, unit.first - 1, kind, scope, ())
            yield from self.unit(unit)
            line = unit.last + 1
        yield from self.lines(line, last, kind, scope, ())

    def unit(self, unit: Unit) -> Iterator[Draft]:
        context = self._context(unit.scope)
        whole = self.source.trimmed(self.source.lines_span(unit.first, unit.last))
        if whole is None:
            return
        fits = not unit.apart and self.splitter.fits(context, self.source.slice(whole))
        if not unit.members or fits:
            yield from self.lines(unit.first, unit.last, unit.kind, unit.scope, unit.body, unit.signature)
        else:
            yield from self.within(unit.members, unit.first, unit.last, unit.kind, unit.scope)

    def lines(
        self,
        first: int,
        last: int,
        kind: str,
        scope: tuple[str, ...],
        body: tuple[int, ...],
        signature: tuple[int, int] | None = None,
    ) -> Iterator[Draft]:
        """Yield lines `first` to `last` in as many chunks as they need."""
        whole = self.source.trimmed(self.source.lines_span(first, last)) if first <= last else None
        if whole is None:
            return
        context = self._context(scope)
        if signature is not None and not self.splitter.fits(context, self.source.slice(whole)):
            repeated = self._with_signature(context, signature)
        else:
            repeated = context
        for piece in self.splitter.pieces(self.source, whole, repeated, self._boundaries(first, last, body)):
            place = self.source.place(piece)
            goes_on = signature is not None and place["start_line"] > signature[0]
            yield Draft(
                kind=kind,
                text=self.source.slice(piece),
                context=repeated if goes_on else context,
                locator=f"{self.path}#L{place['start_line']}-L{place['end_line']}",
                headings=scope,
                lang=self.manner.lang,
                meta=self._meta(kind, scope, self.source.slice(piece)) | self._symbols(place) | place,
            )

    def _framed(self, units: Sequence[Unit], first: int, last: int) -> list[Unit]:
        """Return the units with the lines beside them that say nothing alone."""
        framed: list[Unit] = []
        line = first
        for unit in units:
            closed, opened = self._frame(line, unit.first - 1)
            if framed:
                framed[-1] = replace(framed[-1], last=closed)
            framed.append(replace(unit, first=opened))
            line = unit.last + 1
        if framed:
            framed[-1] = replace(framed[-1], last=self._frame(line, last)[0])
        return framed

    def _frame(self, first: int, last: int) -> tuple[int, int]:
        """Return the last of the lines that closes what is before them, and the first that opens what follows."""
        closed, opened = first - 1, last + 1
        while closed < last and self._matches(closed + 1, self.manner.closing):
            closed += 1
        for line in range(last, closed, -1):
            if self._matches(line, self.manner.opening):
                opened = line
            elif not self._matches(line, self.manner.closing):
                break
        # More is a text of its own: a licence, code that was commented out.
        return closed, opened if last - opened < _MOST_OPENING else last + 1

    def _matches(self, line: int, pattern: re.Pattern[str]) -> bool:
        """Tell whether a line matches, or is blank."""
        text = self.source.slice(self.source.lines_span(line, line))[:_FRAME_CHARS]
        return pattern.match(text) is not None or not text.strip()

    def _meta(self, kind: str, scope: tuple[str, ...], text: str) -> dict[str, Any]:
        meta: dict[str, Any] = {"language": self.manner.language}
        if scope:
            meta |= {"symbol": ".".join(scope), "symbol_kind": kind}
            if imports := used_in(self.imports, text):
                meta["imports"] = imports
        return meta

    def _symbols(self, place: dict[str, Any]) -> dict[str, Any]:
        """Return the definitions that are on the lines of a chunk, none for what only goes on or is no code."""
        if self.manner.lang is None:
            return {}
        goes_on = place.get("start_column", 1) > 1  # the line began in the chunk before
        first = bisect_left(self.defined, (place["start_line"] + goes_on,))
        last = bisect_left(self.defined, (place["end_line"] + 1,))
        return {SYMBOLS: [[line, *scope] for line, scope in self.defined[first:last]]}

    def _context(self, scope: tuple[str, ...]) -> str:
        # Not its folder: a folder that is renamed costs no embedding, and its words are found by the path.
        return self.splitter.shorten(trail(PurePosixPath(self.path).name, *scope))

    def _with_signature(self, context: str, signature: tuple[int, int]) -> str:
        text = self.source.slice(self.source.lines_span(*signature))
        return self.splitter.shorten(f"{context}\n{' '.join(text.split())}")

    def _boundaries(self, first: int, last: int, body: tuple[int, ...]) -> Boundaries:
        blanks = self.after_blanks[bisect_right(self.after_blanks, first) : bisect_right(self.after_blanks, last)]
        starts = [self.source.line_start(line) for line in blanks]
        if not body:
            return Boundaries(starts)
        return Boundaries([self.source.line_start(line) for line in sorted(set(body[1:]))], starts)
