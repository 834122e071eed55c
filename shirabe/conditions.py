"""Whether a chunk fulfils a condition of a query, and on which of its lines. Pure.

Patterns are input from strangers: RE2 matches them in time linear in the text, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from shirabe.definitions import Definition, definitions_in, is_code, is_searched, lines_of
from shirabe.errors import InvalidInput
from shirabe.types import Chunk, Condition

_MAX_MEMORY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the source (1-based) and the ranges of characters in it that were asked for."""

    number: int
    text: str
    marks: tuple[tuple[int, int], ...]


def matcher(text: str, *, literal: bool, ignore_case: bool) -> Any:
    """Return what finds a pattern, compiled. Raises: InvalidInput saying what is wrong with it."""
    try:
        return _compiled(text, literal, ignore_case)
    except re2.error as error:
        reason = error.args[0]
        told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidInput(f"not a regular expression that RE2 takes: {told}", "query") from None


def fulfils(condition: Condition, chunk: Chunk, path: str) -> bool:
    """Tell whether a chunk of a document at `path` fulfils a condition."""
    if condition.target == "lang":
        found = chunk.lang in condition.values
    else:
        find = _matcher_of(condition).search
        found = any(find(value) is not None for value in _values(condition, chunk, path))
    return found != condition.negated


def lines_asked(conditions: Sequence[Condition], chunk: Chunk) -> list[Line]:
    """Return the lines of a chunk that its definitions or text fulfil conditions on, in order."""
    if not is_code(chunk):
        return []
    first = int(chunk.meta.get("start_line", 1))
    texts = lines_of(chunk)
    found: dict[int, set[tuple[int, int]]] = {}
    for condition in conditions:
        if condition.negated:
            continue
        if condition.target == "line":
            for number, text in enumerate(texts):
                if spans := _spans(condition, text):
                    found.setdefault(number, set()).update(spans)
        elif condition.target in ("symbol", "qualified"):
            for number, name in _defined(condition, chunk, texts, first):
                start = texts[number].find(name)
                span = (start, start + len(name)) if start >= 0 else (0, len(texts[number]))
                found.setdefault(number, set()).add(span)
    return [Line(first + number, texts[number], _merged(found[number])) for number in sorted(found)]


def names_asked(conditions: Sequence[Condition], chunk: Chunk) -> list[str]:
    """Return the names that a chunk defines and that conditions on definitions are fulfilled by."""
    asked = [one for one in conditions if one.target in ("symbol", "qualified") and not one.negated]
    return [each.name for condition in asked for each in _fulfilling(condition, chunk)]


@lru_cache(maxsize=256)
def _compiled(text: str, literal: bool, ignore_case: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    options.literal = literal
    options.case_sensitive = not ignore_case
    return re2.compile(text, options)


def _matcher_of(condition: Condition) -> Any:
    return matcher(condition.text, literal=condition.literal, ignore_case=condition.ignore_case)


def _values(condition: Condition, chunk: Chunk, path: str) -> Iterable[str]:
    if condition.target == "path":
        return (path,)
    if condition.target == "line":
        return filter(is_searched, lines_of(chunk)) if is_code(chunk) else ()
    return (_compared(condition, each) for each in definitions_in(chunk))


def _compared(condition: Condition, definition: Definition) -> str:
    return definition.name if condition.target == "symbol" else definition.qualified


def _fulfilling(condition: Condition, chunk: Chunk) -> Iterable[Definition]:
    """Return the definitions in a chunk that fulfil a condition on them."""
    find = _matcher_of(condition).search
    return (each for each in definitions_in(chunk) if find(_compared(condition, each)))


def _spans(condition: Condition, text: str) -> list[tuple[int, int]]:
    if not is_searched(text):
        return []
    spans = [match.span() for match in _matcher_of(condition).finditer(text)]
    # A match of nothing (`^`, `a*`) is one of the whole line.
    return [(start, end) for start, end in spans if end > start] or ([(0, len(text))] if spans else [])


def _defined(condition: Condition, chunk: Chunk, texts: Sequence[str], first: int) -> Iterable[tuple[int, str]]:
    """Yield the place in `texts` and the name of each definition that fulfils a condition."""
    for each in _fulfilling(condition, chunk):
        start = min(max(each.line - first, 0), len(texts) - 1)
        # A decorator or a comment may stand above the name.
        yield next((at for at in range(start, len(texts)) if each.name in texts[at]), start), each.name


def _merged(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges in order, those that overlap or touch as one."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
