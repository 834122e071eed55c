"""Metrics of ranked document paths, by `ir_measures`, with bootstrap confidence intervals.

Intervals are 95 % percentile intervals over resampled queries (Sakai: SIGIR 2006, doi:10.1145/1148170.1148261).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from evaluation.judged import JudgedQuery

MEASURES = {"nDCG@10": nDCG @ 10, "MRR@10": RR @ 10, "recall@10": R @ 10, "recall@50": R @ 50}
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


def per_query(queries: Sequence[JudgedQuery], rankings: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """Return each measure's value for every query, in the queries' order; a query without a ranking counts as 0."""
    qrels = [ir_measures.Qrel(query.id, path, 1) for query in queries for path in query.relevant]
    run = [
        ir_measures.ScoredDoc(query.id, path, 1.0 / position)
        for query in queries
        for position, path in enumerate(rankings.get(query.id, ()), start=1)
    ]
    values = {name: {query.id: 0.0 for query in queries} for name in MEASURES}
    names = {measure: name for name, measure in MEASURES.items()}
    for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run):
        values[names[metric.measure]][metric.query_id] = float(metric.value)
    return {name: [by_query[query.id] for query in queries] for name, by_query in values.items()}


def estimate(values: Sequence[float], seed: int = 0) -> Estimate:
    """Return the mean of per-query values with its bootstrap interval; the same seed gives the same interval."""
    sample = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.percentile(sample[picks].mean(axis=1), [2.5, 97.5])
    return Estimate(float(sample.mean()), float(low), float(high))
