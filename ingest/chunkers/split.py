"""Cutting a text into pieces that fit the model, at the best places there are.

From best to worst: between blocks, between the parts of a block, between lines (the least indented, after a sentence),
after a sentence within a line, after a clause or a word, between tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.chunkers.sentences import ends_sentence, last_outside_brackets, sentence_ends
from ingest.chunkers.source import SourceText, Span
from shirabe.protocols import TokenCounter

_CONTEXT_SHARE: Final = 3
_TAIL_SHARE: Final = 6
_FILL_SHARE: Final = 2
_CLAUSE: Final = re.compile(r"[、，,;；]\s*|\s+")
_LEADING_BLANKS: Final = re.compile(r"[ \t]*")
_MAX_INDENTATION: Final = 100
_CONTEXTS_KEPT: Final = 256
_CLOSING: Final = frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Offsets, ascending, where a text may be cut: between whole blocks, and between the parts of a block."""

    blocks: Sequence[int] = ()
    parts: Sequence[int] = ()


class Splitter:
    """Cuts texts so that context and text together take at most `max_tokens`.

    A document that takes at most `whole_tokens` with its context is one unit (0: none is).
    """

    def __init__(self, tokens: TokenCounter, max_tokens: int, whole_tokens: int = 0) -> None:
        self.tokens = tokens
        self.max_tokens = max_tokens
        self.whole_tokens = whole_tokens
        self._context_costs: dict[str, int] = {}

    def read(self, text: str) -> SourceText:
        """Return a text with its tokens placed."""
        return SourceText(text, self.tokens)

    def narrowed(self, cost: int) -> Splitter:
        """Return one that leaves room for `cost` tokens before every context."""
        return Splitter(self.tokens, self.max_tokens - cost, max(0, self.whole_tokens - cost))

    def takes_whole(self, context: str, source: SourceText) -> bool:
        """Tell whether a document is one unit."""
        rough = source.cost(Span(0, len(source.text)))
        if rough and _is_far_below(rough, context, self.whole_tokens):
            return True
        return rough <= self.whole_tokens and 0 < self._count(context, source.text) <= self.whole_tokens

    def shorten(self, context: str) -> str:
        """Return a context cut to a third of the budget, so that the text has the rest."""
        allowed = max(1, self.max_tokens // _CONTEXT_SHARE)
        if _is_far_below(0, context, allowed) or self._context_cost(context) <= allowed:
            return context
        spans = self.tokens.spans(context)
        return context[: max(1, spans[max(allowed - 2, 0)][0])].rstrip() + "…"

    def room(self, context: str) -> int:
        """Return how many tokens a text may have beside a context."""
        return max(1, self.max_tokens - self._context_cost(context) - 1)

    def fits(self, context: str, text: str) -> bool:
        """Tell whether a chunk of this context and text is within the budget."""
        return self._count(context, text) <= self.max_tokens

    def pieces(self, source: SourceText, span: Span, context: str, boundaries: Boundaries) -> list[Span]:
        """Return ranges that cover what is not blank in `span`, in order, each within the budget beside `context`."""
        whole = source.trimmed(span)
        if whole is None:
            return []
        if _is_far_below(source.cost(whole), context, self.max_tokens):
            return [whole]
        pieces: list[Span] = []
        room = self.room(context)
        start = span.start
        while start < span.end:
            budget = room
            while True:
                end = _piece_end(source, Span(start, span.end), budget, boundaries)
                piece = source.trimmed(Span(start, end))
                excess = self._count(context, source.slice(piece)) - self.max_tokens if piece else 0
                if piece is None or excess <= 0 or budget == 1:
                    break
                # A part may take more tokens alone than within the whole.
                budget = max(1, min(budget, source.cost(piece)) - excess)
            if piece is not None:
                pieces.append(piece)
            start = end
        return pieces

    def _context_cost(self, context: str) -> int:
        cost = self._context_costs.get(context)
        if cost is None:
            # Neighbouring chunks share their context; those of other documents need not be kept.
            if len(self._context_costs) >= _CONTEXTS_KEPT:
                self._context_costs.clear()
            cost = self._context_costs[context] = self.tokens.count(context)
        return cost

    def _count(self, context: str, text: str) -> int:
        return self.tokens.count(f"{context}\n{text}" if context else text)


def _is_far_below(cost: int, context: str, limit: int) -> bool:
    """Tell whether a text of this cost is within a limit beside a context, whatever the tokens where they meet.

    Next to all are, and need not be counted again: a token is a character at least, or the blank before it.
    """
    return 2 * (cost + len(context) + 1) <= limit


def _piece_end(source: SourceText, span: Span, budget: int, boundaries: Boundaries) -> int:
    remaining = source.cost(span)
    if remaining <= budget:
        return span.end
    # A piece gives some of its room away rather than leave a tail too small to mean anything.
    allowed = max(1, min(budget, remaining - budget // _TAIL_SHARE))
    return _cut(source, span, allowed, budget, boundaries)


def _cut(source: SourceText, span: Span, allowed: int, budget: int, boundaries: Boundaries) -> int:
    """Return the best offset to end the first piece of `span` at, which costs at most `allowed` tokens."""
    last = min(max(source.advance(span.start, allowed), span.start + 1), span.end)
    filled = source.advance(span.start, allowed // _FILL_SHARE)
    block = _last_in(boundaries.blocks, span.start, last)
    if block is not None:
        after = bisect_right(boundaries.blocks, block)
        next_block = boundaries.blocks[after] if after < len(boundaries.blocks) else span.end
        if block > filled or source.cost(Span(block, min(next_block, span.end))) <= budget:
            return block
    part = _last_in(boundaries.parts, filled, last)
    if part is not None:
        return part
    lines = source.starts_between(filled, last)
    if lines:
        return _line_cut(source, lines)
    if ends := sentence_ends(source.text, filled, last):
        return last_outside_brackets(source.text, span.start, ends)
    clauses = [match.end() for match in _CLAUSE.finditer(source.text, filled, last)]
    return clauses[-1] if clauses else last


def _line_cut(source: SourceText, lines: Sequence[int]) -> int:
    """Return the line start that leaves the least behind: least indented, after a sentence, last."""
    return max(lines, key=lambda start: (-_indentation(source, start), ends_sentence(source.text, start - 1), start))


def _indentation(source: SourceText, start: int) -> int:
    """Return a line's leading blanks, at most as many as are looked at; a line that closes brackets begins nothing."""
    blanks = _LEADING_BLANKS.match(source.text, start, start + _MAX_INDENTATION)
    width = len(blanks[0]) if blanks else 0
    return _MAX_INDENTATION if source.text[start + width : start + width + 1] in _CLOSING else width


def _last_in(offsets: Sequence[int], after: int, last: int) -> int | None:
    index = bisect_right(offsets, last)
    return offsets[index - 1] if index and offsets[index - 1] > after else None
