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


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked. `filters` maps a filterable field to the values allowed for it (any of them).

    `also` has, for each term of the glossary that the text names, what else it is called.
    """

    text: str
    top_k: int = 10
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mode: Mode = "hybrid"
    rerank: Rerank = "auto"
    principal: Principal = field(default_factory=Principal)
    explain: bool = False
    also: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """One answer. `legs` maps a leg or stage to its (rank, score); scores of two stages are not comparable."""

    stored: Stored
    score: float
    rank: int
    legs: Mapping[str, tuple[int, float]] = field(default_factory=dict)


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
