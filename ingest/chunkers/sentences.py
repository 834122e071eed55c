"""Where sentences end, in Japanese and in languages that put a blank after a full stop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_CLOSERS: Final = "」』）】〉》］｝〕)\\]\"'”’*_`"
_END: Final = re.compile(
    rf"(?P<mark>[。｡！？．]+|(?<=[\u3041-\u30ff\u4e00-\u9fff])[!?]+)(?P<closers>[{_CLOSERS}]*)"
    rf"|[.!?]+[{_CLOSERS}]*\s+"
)
_WORD_BEFORE: Final = re.compile(r"(?<![A-Za-z.])[A-Za-z.]{1,4}\Z")
_WORD_CHARS: Final = 5
_LINE_END: Final = re.compile(rf"[。｡．！？.!?][{_CLOSERS}]*[ \t]*$")
_LINE_CHARS_READ: Final = 100
_ABBREVIATIONS: Final = frozenset({"e.g", "i.e", "cf", "vs", "no", "nos", "fig", "figs", "sec", "eq", "dr", "mr", "ms"})
# 「はい。」と答えた and （例。）のように go on; so does なぜ？と.
_GOES_ON_QUOTED: Final = frozenset("とってをはがにでのもや、，。．")
_GOES_ON: Final = frozenset("と")
_NUMBER_GOES_ON: Final = re.compile("[0-9０-９A-Za-zＡ-Ｚａ-ｚ]")
_OPENS: Final = frozenset("「『（【〈《［｛〔(")
_CLOSES: Final = frozenset("」』）】〉》］｝〕)")


def sentence_ends(text: str, start: int, end: int) -> list[int]:
    """Return the offsets in `(start, end]` where a sentence has ended, with what closes it and blanks behind it."""
    ends = []
    # What follows decides, and may lie beyond the end.
    for match in _END.finditer(text, start, min(len(text), end + 1)):
        if match.end() <= end and not _is_inside(match, text[match.end() : match.end() + 1]):
            ends.append(match.end())
    return ends


def last_outside_brackets(text: str, start: int, ends: Sequence[int]) -> int:
    """Return the last of ascending offsets that leaves no bracket open which opened after `start`; else the last."""
    depth, offset, found = 0, start, 0
    for end in ends:
        for char in text[offset:end]:
            if char in _OPENS:
                depth += 1
            elif char in _CLOSES:
                depth = max(0, depth - 1)
        offset = end
        if depth == 0:
            found = end
    return found or ends[-1]


def ends_sentence(text: str, line_end: int) -> bool:
    """Tell whether the line that ends at an offset ends a sentence."""
    return _LINE_END.search(text, max(0, line_end - _LINE_CHARS_READ), line_end) is not None


def _is_inside(match: re.Match[str], following: str) -> bool:
    mark = match["mark"]
    if mark is None:
        word = _WORD_BEFORE.search(match.string[max(0, match.start() - _WORD_CHARS) : match.start()])
        return word is not None and word[0].lower() in _ABBREVIATIONS
    if mark == "．" and _NUMBER_GOES_ON.match(following):
        return True
    if match["closers"]:
        return following in _GOES_ON_QUOTED
    return mark[-1] in "！？!?" and following in _GOES_ON
