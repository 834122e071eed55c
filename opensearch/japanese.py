"""How Japanese text is cut into words and readings: by kuromoji, or by Sudachi where the cluster has its plugin.

Either way the analyzers have the same names, so a generation is asked in the same fields whichever made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# Particles and the like. Named here, because the plugin's filter leaves out nothing where it is told nothing.
_FUNCTION_WORDS: Final = ("助詞", "助動詞", "接続詞", "補助記号", "空白", "感動詞,フィラー")
# What nearly every sentence has, in the spelling that Sudachi normalises it to. The plugin's list has it as written.
_HELPING_WORDS: Final = (
    *("為る", "有る", "居る", "おる", "成る", "無い", "言う"),
    *("こと", "為", "よう", "物", "等", "此の", "其の", "此れ", "其れ"),
)

# The words of the engine's filter `stop` for English.
_ENGLISH_STOP: Final = (
    r"(?i)\b(?:an?|and|are|as|at|be|but|by|for|if|in|into|is|it|no|not|of|on|or|such|that|the|their|then|there|these|"
    r"they|this|to|was|will|with)\b"
)


@dataclass(frozen=True, slots=True)
class JapaneseAnalysis:
    """Tokenizers and filters by name; and what makes words and readings of a text: a tokenizer, then filters.

    `before`: which character filters come first.
    """

    tokenizers: Mapping[str, Mapping[str, Any]]
    filters: Mapping[str, Mapping[str, Any]]
    words: Sequence[str]
    readings: Sequence[str]
    char_filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    before: Sequence[str] = ()


def by_kuromoji(user_dictionary: Sequence[str] = ()) -> JapaneseAnalysis:
    """Return kuromoji's way, which is told the rules of a user dictionary."""
    rules = {"user_dictionary_rules": list(user_dictionary)} if user_dictionary else {}
    # Compounds are cut and not kept whole: kept, a query for one would demand all of its parts.
    search = {"type": "kuromoji_tokenizer", "mode": "search", "discard_compound_token": True, **rules}
    return JapaneseAnalysis(
        tokenizers={"kuromoji_search": search},
        filters={"reading": {"type": "kuromoji_readingform", "use_romaji": False}},
        words=("kuromoji_search", "kuromoji_baseform", "kuromoji_part_of_speech", "ja_stop", "kuromoji_stemmer"),
        readings=("kuromoji_search", "kuromoji_part_of_speech", "reading", "kuromoji_stemmer"),
    )


def by_sudachi() -> JapaneseAnalysis:
    """Return Sudachi's way: words in its shortest units, in the one spelling that its dictionary has for all.

    Readings are those of the middle units: とりけし is cut in two by the shortest, and 取り消し is not.
    """
    return JapaneseAnalysis(
        tokenizers={
            "sudachi_short": {"type": "sudachi_tokenizer", "split_mode": "A"},
            "sudachi_middle": {"type": "sudachi_tokenizer", "split_mode": "B"},
        },
        filters={
            "reading": {"type": "sudachi_readingform", "use_romaji": False},
            "no_function_words": {"type": "sudachi_part_of_speech", "stoptags": list(_FUNCTION_WORDS)},
            "no_helping_words": {"type": "stop", "stopwords": list(_HELPING_WORDS)},
            # スケジューラー is not in the dictionary, so its spelling is nobody's but the writer's.
            "long_vowel": {"type": "pattern_replace", "pattern": r"^([\u30a1-\u30fc]{3,})ー$", "replacement": "$1"},
        },
        words=("sudachi_short", "sudachi_normalizedform", "no_function_words", "no_helping_words", "long_vowel"),
        readings=("sudachi_middle", "reading", "no_function_words", "long_vowel"),
        # Sudachi takes English words for borrowed ones, which meets file and ファイル, and makes ザ of every "the".
        char_filters={"no_english_stop": {"type": "pattern_replace", "pattern": _ENGLISH_STOP, "replacement": " "}},
        before=("no_english_stop",),
    )
