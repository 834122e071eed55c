"""The lexical leg: one text asked of several analyses of a chunk, weighed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Clause = dict[str, Any]

FRAGMENT_CHARS: Final = 160
FRAGMENTS: Final = 2


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
        FieldWeight("text.kuromoji", 1.0, 256),
        FieldWeight("text.bigram", 0.2, 96),
        FieldWeight("text.english", 0.5, 192),
        FieldWeight("text.identifiers", 0.3, 96),
        FieldWeight("title.kuromoji", 0.5, 64),
        FieldWeight("title.english", 0.3, 64),
        FieldWeight("title.identifiers", 0.2, 48),
        FieldWeight("headings.kuromoji", 0.4, 64),
        FieldWeight("headings.english", 0.3, 64),
        FieldWeight("path.identifiers", 0.2, 48),
    )


DEFAULT_WEIGHTS: Final = LexicalWeights()


def searched_text(text: str) -> str:
    """Return a query's words once each, in order, as valid Unicode: repetition in a question says nothing."""
    first: dict[str, str] = {}
    for word in text.encode("utf-8", "replace").decode("utf-8").split():
        first.setdefault(word.casefold(), word)
    return " ".join(first.values())


def lexical_clause(text: str, weights: LexicalWeights = DEFAULT_WEIGHTS) -> Clause:
    """Return the query of the lexical leg; it matches nothing when the text holds no term."""
    words = searched_text(text)
    return {"bool": {"should": [_match(field, words) for field in weights.fields], "minimum_should_match": 1}}


def highlight(text: str, weights: LexicalWeights = DEFAULT_WEIGHTS) -> Clause:
    """Return the highlighting of a text in the chunks that are shown: HTML-escaped fragments with `<em>` marks."""
    words = searched_text(text)
    fields = [field for field in weights.fields if field.field.startswith("text.") and field.field != "text.bigram"]
    return {
        "encoder": "html",
        "number_of_fragments": FRAGMENTS,
        "fragment_size": FRAGMENT_CHARS,
        "fields": {field.field: {"highlight_query": {"bool": {"should": [_match(field, words)]}}} for field in fields},
    }


def _match(field: FieldWeight, words: str) -> Clause:
    return {"match": {field.field: {"query": words[: field.chars], "boost": field.weight}}}
