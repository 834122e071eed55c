"""Regular expressions and lines of code made up at random, for tests that two matchers agree."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = ("get", "User", "byId", "order_id", "HTTPServer2", "->", ":=", "::", " ", "  ", "(", ")", "{", "}", "[0]", ".")
MORE = (*'*+?\\"#@&<>~|^$/-=', "注文", "を取消", "é", "😀")
ALPHABET = 'abUI_2 .*\\"#@&<>~|^$/-=()[]{}:注é😀'


def lines() -> st.SearchStrategy[str]:
    """Lines out of what code is made of."""
    pieces = st.lists(st.sampled_from(PIECES + MORE), min_size=1, max_size=8).map("".join)
    return (pieces | st.text(ALPHABET, min_size=1, max_size=12)).filter(lambda line: bool(line.strip()))


def patterns() -> st.SearchStrategy[str]:
    """Regular expressions of every construct that is taken."""
    literal = st.sampled_from([*PIECES, *MORE]).map(_escaped)
    single = st.sampled_from(list("abUI_2 é注😀")) | st.sampled_from(
        [
            r"\d",
            r"\w",
            r"\s",
            r"\D",
            r"\W",
            r"\S",
            ".",
            "[a-z]",
            "[^a-z]",
            r"[\w.]",
            r"[^\s\W]",
            "[あ-ん一-鿿]",
            r"[\]\\^-]",
        ]
    )
    place = st.sampled_from(["^", "$", r"\b", r"\B"])
    atoms = literal | single | place

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        grouped = inner.map(lambda text: f"(?:{text})")
        return (
            st.lists(inner, min_size=1, max_size=3).map("".join)
            | st.lists(inner, min_size=2, max_size=3).map("|".join).map(lambda text: f"({text})")
            | st.tuples(literal.map(lambda text: f"({text})") | single, st.sampled_from(QUANTIFIERS)).map("".join)
            | grouped.map(lambda text: f"{text}?")
        )

    return st.recursive(atoms, larger, max_leaves=6)


QUANTIFIERS = ("*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{0,2}", "{1,3}?")


def _escaped(text: str) -> str:
    return "".join(f"\\{char}" if not char.isalnum() and char.isascii() and char not in " _" else char for char in text)
