"""Asking judged queries of a running Shirabe, arm by arm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from evaluation.arms import Arm
from evaluation.judged import JudgedQuery
from evaluation.metrics import Estimate, estimate, per_query
from shirabe.errors import Unavailable

HITS = 100
"""Hits asked for, so that enough distinct documents remain after hits of one document fold into its best."""


class Ask(Protocol):
    """Answers one search: the body of `POST /v1/search` in, its answer out."""

    async def __call__(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer. Raises: ShirabeError."""


@dataclass(frozen=True, slots=True)
class ArmReport:
    """How one arm did. `rankings` maps a query id to document paths; `took_ms` lists the times the server reported."""

    arm: Arm
    overall: Mapping[str, Estimate]
    by_lang: Mapping[str, Mapping[str, Estimate]]
    rankings: Mapping[str, tuple[str, ...]]
    took_ms: tuple[float, ...]


def fold(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct paths in the order of their first appearance."""
    return tuple(dict.fromkeys(paths))


async def run_arm(
    arm: Arm, queries: Sequence[JudgedQuery], ask: Ask, filters: Mapping[str, list[str]], advance: Callable[[], None]
) -> ArmReport:
    """Ask every query with one arm and score it.

    Raises: Unavailable when an answer is degraded, because its figures would not be the arm's.
    """
    rankings: dict[str, tuple[str, ...]] = {}
    took: list[float] = []
    for query in queries:
        body = {"query": query.query, "top_k": HITS, "mode": arm.mode, "rerank": arm.rerank, "filters": dict(filters)}
        answer = await ask(body)
        if answer["degraded"]:
            raise Unavailable(f"arm {arm.name}: the answer to {query.id} is degraded: {', '.join(answer['degraded'])}")
        rankings[query.id] = fold(hit["path"] for hit in answer["hits"])
        took.append(float(answer["took_ms"]))
        advance()
    values = per_query(queries, rankings)
    langs = sorted({query.lang for query in queries if query.lang})
    by_lang = {
        lang: {
            name: estimate([value for query, value in zip(queries, column, strict=True) if query.lang == lang])
            for name, column in values.items()
        }
        for lang in langs
    }
    overall = {name: estimate(column) for name, column in values.items()}
    return ArmReport(arm, overall, by_lang, rankings, tuple(took))
