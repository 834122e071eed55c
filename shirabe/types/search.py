"""A question and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shirabe.types.document import Principal
from shirabe.types.stored import Stored
from shirabe.types.term import Term

Mode = Literal["hybrid", "dense", "sparse", "lexical", "code"]
Rerank = Literal["auto", "none", "late", "cross"]
Target = Literal["symbol", "qualified", "path", "line", "lang"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a hit must have, or must not have when `negated`, as `sym:`, `file:`, `lang:` and their like ask for it.

    `target` is where `text` must be found: in the name of something that a chunk defines, in such a name with its scope
    (`Order.cancel`), in the path, or in a line of code. `text` is a regular expression of RE2 that matches anywhere
    there, or stands for itself when `literal`. For the target `lang`, `values` are the languages, any of them.
    """

    target: Target
    text: str
    literal: bool = False
    ignore_case: bool = False
    negated: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked. `filters` maps a filterable field to the values allowed for it (any of them).

    `also` has, for each term of the glossary that the text names, what else it is called. `conditions` narrow as
    filters do: all of them hold for every hit.
    """

    text: str
    top_k: int = 10
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mode: Mode = "hybrid"
    rerank: Rerank = "auto"
    principal: Principal = field(default_factory=Principal)
    explain: bool = False
    also: tuple[tuple[str, ...], ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """One answer. `legs` maps a leg or stage to its (rank, score); scores of two stages are not comparable.

    `lines` are the lines of the source (1-based) that fulfil the query's conditions.
    """

    stored: Stored
    score: float
    rank: int
    legs: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Recognised:
    """A term of the glossary that a query names: where it is defined, and the names that were searched for besides."""

    stored: Stored
    term: Term
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search returns: hits, stage times in milliseconds, and the parts that were missing."""

    hits: tuple[Hit, ...]
    took_ms: float
    stages_ms: Mapping[str, float]
    generation: str
    degraded: tuple[str, ...] = ()
    glossary: tuple[Recognised, ...] = ()
