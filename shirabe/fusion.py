"""Weighted reciprocal rank fusion (Cormack, Clarke, Buettcher: SIGIR 2009, doi:10.1145/1571941.1572114)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shirabe.types import LegHit

RANK_CONSTANT = 60


def reciprocal_rank_fusion(
    legs: Mapping[str, Sequence[LegHit]], weights: Mapping[str, float], rank_constant: int = RANK_CONSTANT
) -> list[tuple[str, float]]:
    """Return (chunk id, sum over legs of weight / (rank_constant + rank)), best first.

    Ties go to the better best rank in any leg, then to the smaller id, so the order never depends on the legs' order.
    """
    scores: dict[str, float] = {}
    best: dict[str, int] = {}
    for name in sorted(legs):
        weight = weights[name]
        for hit in legs[name]:
            scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + weight / (rank_constant + hit.rank)
            best[hit.chunk_id] = min(best.get(hit.chunk_id, hit.rank), hit.rank)
    return sorted(scores.items(), key=lambda item: (-item[1], best[item[0]], item[0]))
