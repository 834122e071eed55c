"""A text with the places of its lines and tokens, so that no part of it is counted twice."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from shirabe.protocols import TokenCounter

_SLAB_CHARS: Final = 65_536
_NEWLINE: Final = re.compile(r"\r\n?")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Return `text` with LF line ends, and without what no tokenizer or store takes (lone surrogates, NUL)."""
    return _LONE_SURROGATE.sub("\ufffd", _NEWLINE.sub("\n", text)).replace("\x00", "\ufffd")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of characters, end exclusive."""

    start: int
    end: int


class SourceText:
    """A cleaned text; offsets are characters, lines are 1-based, costs are tokens."""

    def __init__(self, text: str, tokens: TokenCounter) -> None:
        self.text = clean_text(text)
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        self._token_starts = _token_starts(self.text, tokens)

    @property
    def line_count(self) -> int:
        """The number of lines; the text after the last newline counts as one even when it is empty."""
        return len(self.line_starts)

    def line_of(self, offset: int) -> int:
        """Return the line that an offset lies in."""
        return bisect_right(self.line_starts, offset)

    def line_start(self, line: int) -> int:
        """Return where a line begins; the end of the text for a line beyond the last."""
        return self.line_starts[line - 1] if line <= len(self.line_starts) else len(self.text)

    def lines_span(self, first: int, last: int) -> Span:
        """Return the range of lines `first` to `last`, both included."""
        return Span(self.line_start(first), self.line_start(last + 1))

    def cost(self, span: Span) -> int:
        """Return the number of tokens that begin in a range."""
        return bisect_left(self._token_starts, span.end) - bisect_left(self._token_starts, span.start)

    def advance(self, offset: int, tokens: int) -> int:
        """Return the furthest offset such that the text from `offset` up to it costs at most `tokens`."""
        index = bisect_left(self._token_starts, offset) + tokens
        return self._token_starts[index] if index < len(self._token_starts) else len(self.text)

    def starts_between(self, after: int, last: int) -> list[int]:
        """Return the line starts in `(after, last]`."""
        return self.line_starts[bisect_right(self.line_starts, after) : bisect_right(self.line_starts, last)]

    def trimmed(self, span: Span) -> Span | None:
        """Return the range without blank lines at its ends and blanks at a cut within a line; None when all is blank.

        A range that begins or ends with whole lines still does.
        """
        part = self.text[span.start : span.end]
        body = part.strip()
        if not body:
            return None
        start = span.start + len(part) - len(part.lstrip())
        end = span.start + len(part.rstrip())
        line_start = self.line_starts[self.line_of(start) - 1]
        line_end = self.line_end(end)
        return Span(
            line_start if line_start >= span.start else start,
            line_end if line_end <= span.end else end,
        )

    def line_end(self, offset: int) -> int:
        """Return where the line that an offset lies in ends, its newline left out."""
        index = bisect_left(self.line_starts, offset + 1)
        return self.line_starts[index] - 1 if index < len(self.line_starts) else len(self.text)

    def slice(self, span: Span) -> str:
        """Return the text of a range."""
        return self.text[span.start : span.end]

    def place(self, span: Span) -> dict[str, Any]:
        """Return a trimmed range as `start_line` and `end_line` (1-based, inclusive).

        A range that cuts through a line also has `start_column` and `end_column` (characters, 1-based, inclusive).
        """
        first, last = self.line_of(span.start), self.line_of(max(span.start, span.end - 1))
        place: dict[str, Any] = {"start_line": first, "end_line": last}
        if span.start != self.line_starts[first - 1] or span.end != self.line_end(self.line_starts[last - 1]):
            place["start_column"] = span.start - self.line_starts[first - 1] + 1
            place["end_column"] = span.end - self.line_starts[last - 1]
        return place


def _token_starts(text: str, tokens: TokenCounter) -> array[int]:
    """Return the offset of every token, ascending, four bytes each."""
    starts = (offset + start for offset, slab in _slabs(text) for start, _ in tokens.spans(slab))
    return array("I", accumulate(starts, max))


def _slabs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the text in parts of bounded length that end at a newline where there is one.

    A tokenizer's memory grows with its input, and one file may be one line.
    """
    start = 0
    while start < len(text):
        end = min(start + _SLAB_CHARS, len(text))
        if end < len(text):
            newline = text.rfind("\n", start, end)
            end = newline + 1 if newline >= start else end
        yield start, text[start:end]
        start = end
