"""Source code into definitions: one chunk per function, class or method, and the module's own statements between them.

The context is the path and the scope (`fastapi/routing.py › APIRouter › include_router`); a definition too large for
one chunk is cut between statements and repeats its signature.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.chunkers.code_units import GRAMMARS, Unit, read_units
from ingest.chunkers.draft import Draft, Drafts, trail
from ingest.chunkers.source import SourceText
from ingest.chunkers.split import Boundaries, Splitter


def chunk_code(path: str, text: str, language: str, splitter: Splitter) -> Drafts:
    """Return the definitions of a file in one of the languages of `GRAMMARS`; its title is its path."""
    source = splitter.read(text)
    file = _File(path, language, source, splitter, _blank_ends(source))
    units = read_units(source.text, GRAMMARS[language])
    return Drafts(path, tuple(file.within(units, 1, source.line_count, "module", ())))


def _blank_ends(source: SourceText) -> list[int]:
    """Return the lines that follow a blank line: where statements without structure are cut first."""
    lines = source.text.split("\n")
    return [number + 1 for number in range(1, len(lines)) if not lines[number - 1].strip() and lines[number].strip()]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    language: str
    source: SourceText
    splitter: Splitter
    after_blanks: list[int]

    def within(
        self, units: Iterable[Unit], first: int, last: int, kind: str, scope: tuple[str, ...]
    ) -> Iterator[Draft]:
        """Yield lines `first` to `last`: the units in them, and what stands between, as `kind`."""
        line = first
        for unit in units:
            yield from self.lines(line, unit.first - 1, kind, scope, ())
            yield from self.unit(unit)
            line = unit.last + 1
        yield from self.lines(line, last, kind, scope, ())

    def unit(self, unit: Unit) -> Iterator[Draft]:
        context = self._context(unit.scope)
        whole = self.source.trimmed(self.source.lines_span(unit.first, unit.last))
        if whole is None:
            return
        if not unit.members or self.splitter.fits(context, self.source.slice(whole)):
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
                lang=self.language,
                meta=place,
            )

    def _context(self, scope: tuple[str, ...]) -> str:
        return self.splitter.shorten(trail(self.path, *scope))

    def _with_signature(self, context: str, signature: tuple[int, int]) -> str:
        text = self.source.slice(self.source.lines_span(*signature))
        return self.splitter.shorten(f"{context}\n{' '.join(text.split())}")

    def _boundaries(self, first: int, last: int, body: tuple[int, ...]) -> Boundaries:
        blanks = self.after_blanks[bisect_right(self.after_blanks, first) : bisect_right(self.after_blanks, last)]
        starts = [self.source.line_start(line) for line in blanks]
        if not body:
            return Boundaries(starts)
        return Boundaries([self.source.line_start(line) for line in sorted(set(body[1:]))], starts)
