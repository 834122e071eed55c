"""A tree of a regular expression in the syntax of Lucene's `RegExp`, with all its optional operators off. Pure.

What the engine's `wildcard` field does with it asks for care (read in its mapper, release 3.6): it looks up the
sequences of literal characters of the expression first. A backslash among them hides the sequence, and a character
beyond the basic plane is cut in half, so both are written as a class of themselves and NUL, which is in no text. An
expression that one value alone matches is compared as it is written: it gets an ending of NUL that no value has.
"""

from __future__ import annotations

from typing import Final

from opensearch.regex_edges import whole_value
from opensearch.regex_nodes import ANY, Chars, Either, Node, Repeat, Row
from opensearch.regex_tree import literal_tree, regex_tree
from shirabe.errors import InvalidInput

MAX_WRITTEN: Final = 1_000
"""What the engine takes of a regular expression (`index.max_regex_length`), characters."""

_NEVER: Final = "\x00"
_SPECIAL: Final = "\\]^-["
_BASIC_PLANE: Final = 0xFFFF


def lucene_regex(text: str, *, literal: bool, ignore_case: bool) -> str | None:
    """Return what matches the whole values that hold a pattern; None when none can.

    Letters of ASCII are written in one case when case is ignored: the engine is to be told.

    Raises: InvalidInput for a pattern that has no such form, or too long a one.
    """
    tree = literal_tree(text, ignore_case=ignore_case) if literal else regex_tree(text, ignore_case=ignore_case)
    whole = whole_value(tree)
    if whole is None:
        return None
    written = _written(whole, ignore_case)
    if ".*" not in written:
        written = f"({written}){_NEVER}?"
    if len(written) > MAX_WRITTEN:
        raise InvalidInput("the pattern is too complex: ask for less at once", "query")
    return written


def _written(node: Node, ignore_case: bool) -> str:
    if isinstance(node, Chars):
        return _class(node, ignore_case)
    if isinstance(node, Row):
        return "".join(_written(each, ignore_case) for each in node.nodes)
    if isinstance(node, Either):
        return _choice(node, ignore_case)
    if isinstance(node, Repeat):
        return _repeat(node, ignore_case)
    raise ValueError(f"{node} is left in the expression")


def _choice(node: Either, ignore_case: bool) -> str:
    written = [_written(each, ignore_case) for each in node.nodes]
    kept = list(dict.fromkeys(each for each in written if each))
    if not kept:
        return ""
    return f"({'|'.join(kept)})" + ("?" if len(kept) < len(set(written)) else "")


def _repeat(node: Repeat, ignore_case: bool) -> str:
    inner = _written(node.node, ignore_case)
    if not inner or node.most == 0:
        return ""
    atom = inner if isinstance(node.node, Chars) else f"({inner})"
    bounds = (node.least, node.most)
    if bounds == (1, 1):
        return atom
    signs = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    if bounds in signs:
        return atom + signs[bounds]
    if node.least == node.most:
        return f"{atom}{{{node.least}}}"
    return f"{atom}{{{node.least},{'' if node.most is None else node.most}}}"


def _class(chars: Chars, ignore_case: bool) -> str:
    if chars == ANY:
        return "."
    ranges = chars.ranges
    if not ranges:
        return _NEVER
    (low, high), *more = ranges
    if ignore_case and len(more) == 1 and low == high and more[0] == (low + 32, low + 32) and chr(low).isascii():
        return chr(low).lower() if chr(low).isupper() else _class(chars, False)
    if not more and low == high:
        char = chr(low)
        if char == "\\" or low > _BASIC_PLANE:
            return f"[{_class_char(char)}{_NEVER}]"
        return char if char.isalnum() or char in "_ " or not (char.isascii() and char.isprintable()) else f"\\{char}"
    return "[" + "".join(_range(start, end) for start, end in ranges) + "]"


def _range(low: int, high: int) -> str:
    """Return a range inside a class; the engine takes no escaped character for its lower end."""
    apart = ""
    while low < high and chr(low) in _SPECIAL:
        apart += _class_char(chr(low))
        low += 1
    return apart + (_class_char(chr(low)) if low == high else f"{chr(low)}-{_class_char(chr(high))}")


def _class_char(char: str) -> str:
    return f"\\{char}" if char in _SPECIAL else char
