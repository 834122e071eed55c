"""How text becomes terms: five analyzers over one NFKC character filter.

The engine's ICU plugin is not needed: the compatibility forms that occur in Japanese documents are folded by a
`mapping` character filter generated here from Python's own Unicode tables. A character filter keeps offsets into the
original, so what is shown and highlighted is what the author wrote.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

from opensearch.japanese import by_kuromoji, by_sudachi
from shirabe.settings import Japanese

ANALYZER_VERSION = "5"
"""Recorded in every index generation; raise it with any change to the terms below, or to the fields they are in."""

KUROMOJI = "shirabe_kuromoji"
BIGRAM = "shirabe_bigram"
READING = "shirabe_reading"
ENGLISH = "shirabe_english"
IDENTIFIERS = "shirabe_identifiers"

_COMPATIBILITY_BLOCKS = (
    range(0x2100, 0x2190),  # letterlike symbols, number forms (roman numerals)
    range(0x2460, 0x2500),  # enclosed alphanumerics
    range(0x3000, 0x3001),  # ideographic space
    range(0x3200, 0x3400),  # enclosed and squared CJK (㈱, ㍉)
    range(0xF900, 0xFB00),  # compatibility ideographs
    range(0xFF00, 0xFFF0),  # half- and full-width forms
)
_COMPOSED_BLOCKS = (range(0x00C0, 0x0180), range(0x3040, 0x3100))  # accented Latin, voiced kana
_VOICING_MARKS = {"\u3099": "\uff9e", "\u309a": "\uff9f"}  # combining mark -> its half-width form

# 取り消し, 取消し and 取消 share 取消 when what is written between the verbs of a compound is left out; no particle is.
_INNER_OKURIGANA = r"[いきぎしちみびりえけげせてねべめれ](?<=\p{IsHan}.)(?=\p{IsHan})"

# Java looks the script of each character up in a table: what can be told without is asked first, or by ranges.
_JAPANESE = r"\u2e80-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\x{20000}-\x{3ffff}"
_WORD = r"[A-Za-z0-9_]++"
_LATIN_WORD = r"[A-Za-z0-9\p{IsLatin}\p{N}]+(?:['’][A-Za-z\p{IsLatin}]+)?"


@cache
def nfkc_mappings() -> tuple[str, ...]:
    """Return the `source => target` rules of the NFKC character filter.

    Single compatibility characters, decomposed accents and voiced kana (file names from macOS), and half-width
    katakana with their separate voicing mark (`ｶﾞ` is two characters and one letter).
    """
    folded: dict[str, str] = {}
    for block in _COMPATIBILITY_BLOCKS:
        for code in block:
            folded[chr(code)] = unicodedata.normalize("NFKC", chr(code))
    for block in _COMPOSED_BLOCKS:
        for code in block:
            folded[unicodedata.normalize("NFD", chr(code))] = chr(code)
    for code in range(0xFF66, 0xFF9E):
        for mark, half_mark in _VOICING_MARKS.items():
            composed = unicodedata.normalize("NFKC", chr(code) + mark)
            if len(composed) == 1:
                folded[chr(code) + half_mark] = composed
    return tuple(
        f"{_escaped(source)} => {_escaped(target)}" for source, target in sorted(folded.items()) if source != target
    )


def analysis(japanese: Japanese = "kuromoji", user_dictionary: Sequence[str] = ()) -> dict[str, Any]:
    """Return the `analysis` section of the index settings; the rules of a user dictionary go to kuromoji."""
    cut = by_sudachi() if japanese == "sudachi" else by_kuromoji(user_dictionary)
    return {
        "char_filter": {
            "nfkc": {"type": "mapping", "mappings": list(nfkc_mappings())},
            "inner_okurigana": {"type": "pattern_replace", "pattern": _INNER_OKURIGANA, "replacement": ""},
            **cut.char_filters,
        },
        "tokenizer": {
            **cut.tokenizers,
            "latin_words": {"type": "pattern", "pattern": _LATIN_WORD, "group": 0},
            # Possessive: giving back would take a stack frame a name, and a stack that overflows ends the node.
            "code_words": {"type": "pattern", "pattern": rf"{_WORD}(?:[./:{{}}\-]++{_WORD})*+", "group": 0},
        },
        "filter": {
            # The rest of what the tokenizer finds keeps its own type, Hangul too, and is left out by it.
            "cjk_bigrams": {"type": "cjk_bigram", "ignored_scripts": ["hangul"]},
            "only_bigrams": {"type": "keep_types", "types": ["<SINGLE>", "<DOUBLE>"]},
            "cjk_only": {"type": "pattern_replace", "pattern": f"^[^{_JAPANESE}]+$"},
            **cut.filters,
            # One syllable is the reading of too much.
            "syllables": {"type": "length", "min": 2},
            "english_possessive": {"type": "stemmer", "language": "possessive_english"},
            "english_stop": {"type": "stop", "stopwords": "_english_"},
            "english_stem": {"type": "stemmer", "language": "english"},
            # `client.getUserById` is found whole, by each name on its path, by the words of each name, and by names
            # written in another convention (order_id, orderId, order-id are all `orderid`).
            "names_and_words": {
                "type": "pattern_capture",
                "preserve_original": True,
                "patterns": [f"({_WORD})", r"([A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+)"],
            },
            "joined_too": {
                "type": "word_delimiter_graph",
                "adjust_offsets": False,  # a name begins where its token does, or the index refuses the document
                **dict.fromkeys(("generate_word_parts", "generate_number_parts"), False),
                **dict.fromkeys(("split_on_case_change", "split_on_numerics", "stem_english_possessive"), False),
                "catenate_all": True,
                "preserve_original": True,
            },
        },
        "analyzer": {
            # Without English stop words "the" alone makes any English text an answer to any English question.
            KUROMOJI: _analyzer(*cut.words, "lowercase", "english_stop", before=cut.before),
            BIGRAM: _analyzer("standard", "cjk_bigrams", "only_bigrams", before=["inner_okurigana"]),
            # 子ども and 子供, 行う and 行なう, ごみ and ゴミ sound alike.
            READING: _analyzer(*cut.readings, "cjk_only", "syllables", before=cut.before),
            ENGLISH: _analyzer("latin_words", "english_possessive", "lowercase", "english_stop", "english_stem"),
            IDENTIFIERS: _analyzer("code_words", "names_and_words", "lowercase", "joined_too", "remove_duplicates"),
        },
    }


def _analyzer(tokenizer: str, *filters: str, before: Sequence[str] = ()) -> dict[str, Any]:
    return {"type": "custom", "char_filter": ["nfkc", *before], "tokenizer": tokenizer, "filter": list(filters)}


def _escaped(text: str) -> str:
    r"""Return text as the `\uXXXX` escapes that the mapping rules read (they trim and split plain characters)."""
    return "".join(f"\\u{unit:04x}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))
