"""What a chunk of code defines, and its lines: what developers search for exactly. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shirabe.languages import CODE_LANGUAGES
from shirabe.types import Chunk

SYMBOLS: Final = "symbols"
"""The key of a chunk's `meta` that lists what it defines: `[line, *scope, name]` for each definition."""

CODE_KINDS: Final = ("function", "class", "module", "method", "code")
"""The kinds of most code; other definitions (`interface`, `struct`) are told by the language."""

MAX_LINE_CHARS: Final = 4_000
"""A longer line is not written by hand, and is not searched: no value of the engine is over 32 766 bytes."""

_CODE: Final = frozenset(CODE_LANGUAGES)


@dataclass(frozen=True, slots=True)
class Definition:
    """A name, the same with its scope before it (`Order.cancel`), and the line of the source it is defined on."""

    name: str
    qualified: str
    line: int


def is_code(chunk: Chunk) -> bool:
    """Tell whether a chunk is code: those are what mode `code` searches."""
    return chunk.kind in CODE_KINDS or chunk.lang in _CODE


def definitions_in(chunk: Chunk) -> tuple[Definition, ...]:
    """Return what a chunk of code defines, in order; none for other chunks, and for code that only goes on."""
    if not is_code(chunk):
        return ()
    listed = chunk.meta.get(SYMBOLS)
    if listed is None:
        # Cut before definitions were listed: the unit itself is known, not what is inside it.
        symbol = str(chunk.meta.get("symbol", ""))
        listed = [[chunk.meta.get("start_line", 1), symbol]] if symbol else []
        return tuple(Definition(name.rpartition(".")[2] or name, name, line) for line, name in listed)
    return tuple(Definition(scope[-1], ".".join(scope), line) for line, *scope in listed)


def lines_of(chunk: Chunk) -> tuple[str, ...]:
    """Return the lines of a chunk's text, without what ends them."""
    return tuple(line.removesuffix("\r") for line in chunk.text.split("\n"))


def searched_lines(chunk: Chunk) -> tuple[str, ...]:
    """Return the lines of a chunk of code that are searched exactly, each once; none for other chunks."""
    if not is_code(chunk):
        return ()
    return tuple(dict.fromkeys(line for line in lines_of(chunk) if is_searched(line)))


def is_searched(line: str) -> bool:
    """Tell whether a line is searched: it is not blank, nor too long."""
    return bool(line.strip()) and len(line) <= MAX_LINE_CHARS
