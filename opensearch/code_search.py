"""What developers search for exactly, as clauses of a query: definitions, paths, languages, lines. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from opensearch.regex_lucene import lucene_regex
from shirabe.definitions import definitions_in, searched_lines
from shirabe.types import Chunk, Condition

Clause = dict[str, Any]

CODE_FIELDS: Final = ("symbol_names", "symbols", "lines")
"""The fields of chunks of code alone: names that are defined, the same with their scope, and the lines of the text."""

EXACT: Final = 4.0
PREFIX: Final = 2.0
DEFINES: Final = 1.0
"""What it counts that a chunk defines exactly what was asked for, something that begins with it, or anything."""

MAX_STATES: Final = 10_000
_FIELD: Final = {"symbol": "symbol_names", "qualified": "symbols", "line": "lines", "path": "path"}
_IDENTIFIER: Final = re.compile(r"[^\W\d]\w*")


def code_fields(chunk: Chunk) -> dict[str, list[str]]:
    """Return the values of `CODE_FIELDS` for a chunk, none for what is no code."""
    definitions = definitions_in(chunk)
    values = {
        "symbol_names": list(dict.fromkeys(each.name for each in definitions)),
        "symbols": list(dict.fromkeys(each.qualified for each in definitions)),
        "lines": list(searched_lines(chunk)),
    }
    return {field: held for field, held in values.items() if held}


def asks_code_fields(conditions: Sequence[Condition]) -> bool:
    """Tell whether conditions are on fields that generations did not always have."""
    return any(_FIELD.get(condition.target) in CODE_FIELDS for condition in conditions)


def condition_clauses(conditions: Sequence[Condition]) -> list[Clause]:
    """Return one clause per condition, each of which a hit must fulfil.

    Raises: InvalidInput for a pattern that the engine cannot be asked.
    """
    return [_negated(clause) if each.negated else clause for each in conditions for clause in [_clause(each)]]


def order_clauses(conditions: Sequence[Condition]) -> list[Clause]:
    """Return what puts exact matches in order: the definition that was named, then definitions, then the rest."""
    return [clause for each in conditions if not each.negated for clause in _ordering(each)]


def _clause(condition: Condition) -> Clause:
    if condition.target == "lang":
        return {"terms": {"lang": list(condition.values)}}
    value = lucene_regex(condition.text, literal=condition.literal, ignore_case=condition.ignore_case)
    if value is None:
        return {"match_none": {}}
    return {
        "regexp": {
            _FIELD[condition.target]: {
                "value": value,
                "flags": "NONE",
                "case_insensitive": condition.ignore_case,
                "max_determinized_states": MAX_STATES,
            }
        }
    }


def _ordering(condition: Condition) -> Iterator[Clause]:
    if condition.target in ("symbol", "qualified") and condition.literal:
        yield from _named(_FIELD[condition.target], condition)
    elif condition.target == "line":
        if condition.literal and _IDENTIFIER.fullmatch(condition.text):
            yield from _named("symbol_names", condition)
        yield _counting({"exists": {"field": "symbols"}}, DEFINES)


def _named(field: str, condition: Condition) -> Iterator[Clause]:
    asked = {"value": condition.text, "case_insensitive": condition.ignore_case}
    yield _counting({"term": {field: asked}}, EXACT)
    yield _counting({"prefix": {field: asked}}, PREFIX)


def _counting(clause: Clause, score: float) -> Clause:
    return {"constant_score": {"filter": clause, "boost": score}}


def _negated(clause: Clause) -> Clause:
    return {"bool": {"must_not": [clause]}}
