"""A regular expression of RE2 as a tree of character sets. Pure.

Only what says which lines match is kept: whether a quantifier is lazy and what a group captures do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from opensearch.regex_nodes import ANY, WORD, Assertion, Chars, Either, Node, Ranges, Repeat, Row, others, united
from shirabe.errors import InvalidInput

_DIGIT: Final = Chars(((0x30, 0x39),))
_SPACE: Final = Chars(((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)))
_CLASSES: Final = {"d": _DIGIT, "w": WORD, "s": _SPACE}
_CONTROLS: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ASSERTIONS: Final = {"A": "^", "z": "$", "b": "b", "B": "B"}
_POSIX: Final = {
    "alnum": ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)),
    "alpha": ((0x41, 0x5A), (0x61, 0x7A)),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT.ranges,
    "graph": ((0x21, 0x7E),),
    "lower": ((0x61, 0x7A),),
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": ((0x41, 0x5A),),
    "word": WORD.ranges,
    "xdigit": ((0x30, 0x39), (0x41, 0x46), (0x61, 0x66)),
}
_FOLDED_CHARS: Final = 2_048
"""The ranges beyond ASCII that letters of both cases are looked up in; larger ones hold both anyway."""


def literal_tree(text: str, *, ignore_case: bool) -> Node:
    """Return the tree of a text that stands for itself."""
    return Row(tuple(_chars([(ord(char), ord(char))], ignore_case) for char in text))


def regex_tree(text: str, *, ignore_case: bool) -> Node:
    """Return the tree of a regular expression that RE2 takes.

    Raises: InvalidInput naming what has no counterpart in the engine, and where it stands.
    """
    return _Reader(text, ignore_case).whole()


def _chars(ranges: Iterable[tuple[int, int]], ignore_case: bool) -> Chars:
    whole = united(ranges)
    return Chars(united([*whole, *_other_case(whole)])) if ignore_case else Chars(whole)


def _other_case(ranges: Ranges) -> list[tuple[int, int]]:
    found = []
    for low, high in ranges:
        if high - low < _FOLDED_CHARS:
            for code in range(low, high + 1):
                char = chr(code)
                found += [(ord(each), ord(each)) for each in (char.lower(), char.upper()) if len(each) == 1]
    return found


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, text: str, ignore_case: bool) -> None:
        self._text = text
        self._at = 0
        self._ignore_case = ignore_case

    def whole(self) -> Node:
        tree = self._either()
        if self._at < len(self._text):
            raise self._refusal("an unmatched )")
        return tree

    def _either(self) -> Node:
        branches = [self._row()]
        while self._take("|"):
            branches.append(self._row())
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def _row(self) -> Node:
        nodes: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if self._take("\\Q"):
                end = self._text.find("\\E", self._at)
                end = len(self._text) if end < 0 else end
                quoted = self._text[self._at : end]
                self._at = min(end + 2, len(self._text))
                nodes += [self._set([(ord(char), ord(char))]) for char in quoted]
                if not quoted:
                    continue
            else:
                nodes.append(self._atom())
            nodes[-1] = self._repeated(nodes[-1])
        return nodes[0] if len(nodes) == 1 else Row(tuple(nodes))

    def _repeated(self, node: Node) -> Node:
        while (bounds := self._bounds()) is not None:
            self._take("?")
            node = Repeat(node, *bounds)
        return node

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        if not self._text.startswith("{", self._at):
            return None
        inner, closed, _ = self._text[self._at + 1 :].partition("}")
        least, comma, most = inner.partition(",")
        if not closed or not least.isascii() or not least.isdigit() or (most and not most.isdigit()):
            return None  # a brace that stands for itself
        self._at += len(inner) + 2
        return int(least), int(most) if most else (None if comma else int(least))

    def _atom(self) -> Node:
        start = self._at
        char = self._text[start]
        self._at += 1
        if char == "(":
            return self._group(start)
        if char == "[":
            return self._class(start)
        if char == ".":
            return ANY
        if char in "^$":
            return Assertion(char)
        if char == "\\":
            return self._escape(start)
        return self._set([(ord(char), ord(char))])

    def _group(self, start: int) -> Node:
        if self._take("?P<") or self._take("?<"):
            self._at = self._text.index(">", self._at) + 1
        elif not self._take("?:") and self._text.startswith("?", self._at):
            raise self._refusal("a group with a flag (only (?i) at its start is taken)", start)
        tree = self._either()
        if not self._take(")"):
            raise self._refusal("an unclosed (", start)
        return tree

    def _escape(self, start: int) -> Node:
        char = self._text[self._at]
        if char in _ASSERTIONS:
            self._at += 1
            return Assertion(_ASSERTIONS[char])
        if (known := self._known_class()) is not None:
            return known
        code = self._escaped(start)
        return self._set([(code, code)])

    def _known_class(self) -> Chars | None:
        """Take `d`, `W` and their like after a backslash."""
        char = self._text[self._at]
        known = _CLASSES.get(char.lower())
        if known is None:
            return None
        self._at += 1
        return known if char.islower() else others(known)

    def _escaped(self, start: int) -> int:
        """Take what stands for one character after a backslash."""
        char = self._text[self._at]
        self._at += 1
        if char == "x":
            if self._take("{"):
                digits, _, _ = self._text[self._at :].partition("}")
                self._at += len(digits) + 1
            else:
                digits = self._text[self._at : self._at + 2]
                self._at += 2
            return int(digits, 16)
        if char in _CONTROLS:
            return ord(_CONTROLS[char])
        if char.isascii() and char.isdigit():
            digits = char
            while len(digits) < 3 and self._text[self._at : self._at + 1] in tuple("01234567"):
                digits += self._text[self._at]
                self._at += 1
            return int(digits, 8)
        if char.isascii() and char.isalpha():
            raise self._refusal(f"\\{char} (write a range such as [ぁ-ん])", start)
        return ord(char)

    def _class(self, start: int) -> Node:
        is_negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while first or not self._take("]"):
            first = False
            if self._take("[:"):
                name, _, _ = self._text[self._at :].partition(":]")
                self._at += len(name) + 2
                known = Chars(_POSIX[name.removeprefix("^")])
                ranges += (others(known) if name.startswith("^") else known).ranges
                continue
            if self._take("\\"):
                if (known_class := self._known_class()) is not None:
                    ranges += known_class.ranges
                    continue
                low = self._escaped(start)
            else:
                low = ord(self._text[self._at])
                self._at += 1
            ranges.append((low, self._upper_end(low, start)))
        chars = self._set(ranges)
        return others(chars) if is_negated else chars

    def _upper_end(self, low: int, start: int) -> int:
        if not self._text.startswith("-", self._at) or self._text.startswith("]", self._at + 1):
            return low
        self._at += 1
        if self._take("\\"):
            return self._escaped(start)
        self._at += 1
        return ord(self._text[self._at - 1])

    def _set(self, ranges: Iterable[tuple[int, int]]) -> Chars:
        return _chars(ranges, self._ignore_case)

    def _take(self, sign: str) -> bool:
        if self._text.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _refusal(self, what: str, start: int | None = None) -> InvalidInput:
        place = (self._at if start is None else start) + 1
        return InvalidInput(
            f"the regular expression has {what} at character {place}, which cannot be searched", "query"
        )
