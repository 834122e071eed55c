"""A term as a chunk of kind `term`: both languages in its text, what not to write said as such, its fields in meta."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingest.chunkers.draft import Draft, trail
from ingest.chunkers.language import language_of
from ingest.chunkers.split import Boundaries, Splitter
from shirabe.types import Term


def term_drafts(
    term: Term,
    splitter: Splitter,
    *,
    context: str,
    locator: str,
    headings: Sequence[str] = (),
    meta: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
) -> Iterator[Draft]:
    """Yield the chunks of a term, one unless it is defined at length; the first has `meta["term"]`.

    Args:
        term: the term.
        splitter: cuts what is too long; the later chunks have the term's names in their context.
        context: the titles that the term stands under.
        locator: opens the term.
        headings: the titles, outermost first.
        meta: where it is in the source.
        more: lines that are no field of a term, such as other columns of its row.
    """
    lines = [line for line in (*_lines(term), *more) if line]
    source = splitter.read("\n".join(lines))
    short = splitter.shorten(context)
    key = splitter.shorten(trail(context, _heading(term)))
    whole = source.lines_span(1, source.line_count)
    pieces = splitter.pieces(source, whole, short if splitter.fits(short, source.text) else key, Boundaries())
    for index, piece in enumerate(pieces):
        yield Draft(
            kind="term",
            text=source.slice(piece),
            context=key if index else short,
            locator=locator,
            headings=tuple(headings),
            lang=language_of(f"{term.ja}\n{term.definition}"),
            meta={**(meta or {}), **({} if index else {"term": term.to_meta()})},
        )


def _lines(term: Term) -> Iterator[str]:
    yield _heading(term)
    if term.synonyms:
        yield f"同義語 (synonyms): {'、'.join(term.synonyms)}"
    if term.forbidden:
        yield f"使わない表記 (do not use): {'、'.join(term.forbidden)}"
    yield term.definition
    if term.scope:
        yield f"範囲 (scope): {term.scope}"


def _heading(term: Term) -> str:
    """Return the names of a term: `受注（じゅちゅう） / sales order / SO`."""
    japanese = f"{term.ja}（{term.reading}）" if term.ja and term.reading and term.reading != term.ja else term.ja
    return " / ".join(name for name in (japanese, term.en, *term.abbreviations) if name)
