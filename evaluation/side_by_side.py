"""The same queries on two index generations: how well, how alike and how fast they answer."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from evaluation.judged import JudgedQuery
from evaluation.metrics import estimate, per_query
from evaluation.run import fold
from shirabe.errors import Unavailable
from shirabe.protocols import Searcher
from shirabe.types import Query, SearchResult

COMPARED: Final = ("nDCG@10", "MRR@10", "recall@10")
HITS: Final = 50
"""Hits asked for: ten distinct documents are among them."""
OVERLAP_AT: Final = 10
UNFOUND: Final = "unfound"
"""The kind of what neither generation finds."""
_WARM_UP: Final = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure on both: the means, and the mean difference (candidate less answering) with its 95 % interval."""

    answering: float
    candidate: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """Queries of one language or kind, or all: how many, and each measure of them."""

    queries: int
    measures: Mapping[str, Measured]


@dataclass(frozen=True, slots=True)
class Times:
    """Response times of searches, milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class SideBySide:
    """How two generations answer. `overlap` is the mean share of equal chunks among the first ten, logged queries only.

    `changed` are the logged queries whose answers differ most, with their overlap.
    """

    judged: Group | None
    by_lang: Mapping[str, Group]
    by_kind: Mapping[str, Group]
    logged: int
    overlap: float | None
    changed: Sequence[tuple[str, float]]
    answering_ms: Times | None
    candidate_ms: Times | None


@dataclass(slots=True)
class _Side:
    searcher: Searcher
    rankings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    took_ms: list[float] = field(default_factory=list)

    async def ask(self, text: str, top_k: int) -> SearchResult:
        result = await self.searcher.search(Query(text, top_k=top_k))
        if result.degraded:
            raise Unavailable(f"{result.generation} answers without {', '.join(result.degraded)}: nothing to compare")
        self.took_ms.append(result.took_ms)
        return result


async def side_by_side(
    answering: Searcher,
    candidate: Searcher,
    judged: Sequence[JudgedQuery],
    logged: Sequence[str],
    advance: Callable[[], None],
) -> SideBySide:
    """Ask every query of both, in turns, and compare.

    Raises: Unavailable when an answer is degraded; what searches raise.
    """
    sides = (_Side(answering), _Side(candidate))
    for text in [*(query.query for query in judged), *logged][:_WARM_UP]:
        for side in sides:
            await side.ask(text, HITS)
    for side in sides:
        side.took_ms.clear()
    for number, query in enumerate(judged):
        for side in _in_turns(sides, number):
            result = await side.ask(query.query, HITS)
            side.rankings[query.id] = fold(hit.stored.path for hit in result.hits)
            for hit in result.hits:
                side.kinds.setdefault(hit.stored.path, hit.stored.chunk.kind)
        advance()
    overlaps: dict[str, float] = {}
    for number, text in enumerate(logged):
        found = {
            id(side): {hit.stored.chunk.chunk_id for hit in (await side.ask(text, OVERLAP_AT)).hits}
            for side in _in_turns(sides, number)
        }
        one, other = (found[id(side)] for side in sides)
        overlaps[text] = len(one & other) / max(len(one), len(other)) if one or other else 1.0
        advance()
    whole, by_lang, by_kind = _judged(judged, *sides)
    return SideBySide(
        judged=whole,
        by_lang=by_lang,
        by_kind=by_kind,
        logged=len(logged),
        overlap=statistics.fmean(overlaps.values()) if overlaps else None,
        changed=sorted(overlaps.items(), key=lambda item: item[1])[:OVERLAP_AT],
        answering_ms=_times(sides[0].took_ms),
        candidate_ms=_times(sides[1].took_ms),
    )


def _in_turns(sides: tuple[_Side, _Side], number: int) -> tuple[_Side, _Side]:
    """Return the sides in an order that favours neither: who asks second finds the caches warm."""
    return sides if number % 2 == 0 else (sides[1], sides[0])


def _judged(
    judged: Sequence[JudgedQuery], one: _Side, other: _Side
) -> tuple[Group | None, Mapping[str, Group], Mapping[str, Group]]:
    """Return the measures of all, by language, and by kind of what answers."""
    if not judged:
        return None, {}, {}
    values = per_query(judged, one.rankings), per_query(judged, other.rankings)
    kinds = other.kinds | one.kinds

    def group(places: Sequence[int]) -> Group:
        return Group(len(places), {name: _measured(values[0][name], values[1][name], places) for name in COMPARED})

    langs = [query.lang for query in judged]
    relevant = [next((kinds[path] for path in query.relevant if path in kinds), UNFOUND) for query in judged]
    return (
        group(range(len(judged))),
        {name: group(_places(langs, name)) for name in sorted(set(langs)) if name},
        {name: group(_places(relevant, name)) for name in sorted(set(relevant))},
    )


def _places(names: Sequence[str], name: str) -> list[int]:
    return [place for place, each in enumerate(names) if each == name]


def _measured(one: Sequence[float], other: Sequence[float], places: Sequence[int]) -> Measured:
    before, after = [one[place] for place in places], [other[place] for place in places]
    found = estimate([b - a for a, b in zip(before, after, strict=True)])
    return Measured(statistics.fmean(before), statistics.fmean(after), found.mean, found.low, found.high)


def _times(took_ms: Sequence[float]) -> Times | None:
    if not took_ms:
        return None
    p50, p95 = np.percentile(took_ms, [50, 95])
    return Times(float(p50), float(p95))
