"""The lexical leg: one text asked of several analyses of a chunk, weighed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

Clause = dict[str, Any]

FRAGMENT_CHARS: Final = 160
FRAGMENTS: Final = 2
_NAME_CHARS: Final = 64
# Only these have positions. Less than the words that were asked: who asked in them meant them.
_NAMED: Final = {"text.kuromoji": 0.6, "title.kuromoji": 0.3}


@dataclass(frozen=True, slots=True)
class FieldWeight:
    """How much a match in a sub-field counts, and how many characters of the query it reads."""

    field: str
    weight: float
    chars: int


@dataclass(frozen=True, slots=True)
class LexicalWeights:
    """The sub-fields of the lexical leg; their weighted BM25 scores are added.

    The engine allows 1 024 clauses in one search. A sub-field makes at most about one clause a character it reads, so
    the characters add up to less than that and the longest query passes, whatever it is made of.
    """

    fields: tuple[FieldWeight, ...] = (
        FieldWeight("text.kuromoji", 1.0, 192),
        FieldWeight("text.reading", 0.2, 64),
        FieldWeight("text.bigram", 0.2, 96),
        FieldWeight("text.english", 0.5, 144),
        FieldWeight("text.identifiers", 0.3, 96),
        FieldWeight("title.kuromoji", 0.5, 64),
        FieldWeight("title.reading", 0.1, 32),
        FieldWeight("title.english", 0.3, 48),
        FieldWeight("title.identifiers", 0.2, 48),
        FieldWeight("headings.kuromoji", 0.4, 48),
        FieldWeight("headings.english", 0.3, 48),
        FieldWeight("path.identifiers", 0.2, 48),
    )


_UNMARKED: Final = ("text.bigram", "text.reading")
"""Their matches are parts of words, or words that only sound alike."""

DEFAULT_WEIGHTS: Final = LexicalWeights()


def searched_text(text: str) -> str:
    """Return a query's words once each, in order, as valid Unicode: repetition in a question says nothing."""
    first: dict[str, str] = {}
    for word in text.encode("utf-8", "replace").decode("utf-8").split():
        first.setdefault(word.casefold(), word)
    return " ".join(first.values())


def lexical_clause(text: str, also: Sequence[Sequence[str]] = (), weights: LexicalWeights = DEFAULT_WEIGHTS) -> Clause:
    """Return the query of the lexical leg; it matches nothing when the text holds no term.

    `also` has the other names of each thing that the text names: the best of them counts, as a phrase.
    """
    words = searched_text(text)
    asked = [_match(field, words) for field in weights.fields]
    return {"bool": {"should": [*asked, *(_any_of(names) for names in also)], "minimum_should_match": 1}}


def highlight(text: str, weights: LexicalWeights = DEFAULT_WEIGHTS) -> Clause:
    """Return the highlighting of a text in the chunks that are shown: HTML-escaped fragments with `<em>` marks."""
    words = searched_text(text)
    fields = [field for field in weights.fields if field.field.startswith("text.") and field.field not in _UNMARKED]
    return {
        "encoder": "html",
        "number_of_fragments": FRAGMENTS,
        "fragment_size": FRAGMENT_CHARS,
        "fields": {field.field: {"highlight_query": {"bool": {"should": [_match(field, words)]}}} for field in fields},
    }


def _any_of(names: Sequence[str]) -> Clause:
    phrases = [
        {"match_phrase": {field: {"query": name[:_NAME_CHARS], "boost": weight}}}
        for name in names
        for field, weight in _NAMED.items()
    ]
    return {"dis_max": {"queries": phrases}}


def _match(field: FieldWeight, words: str) -> Clause:
    return {"match": {field.field: {"query": words[: field.chars], "boost": field.weight}}}
