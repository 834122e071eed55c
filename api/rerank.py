"""Late interaction over one-bit passage tokens, and its combination with the other scores of the same candidates.

MaxSim (Khattab and Zaharia, ColBERT, SIGIR 2020): every query token takes its best passage token; the mean over query
tokens is the score. Passage tokens are one bit a dimension, query tokens stay float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shirabe.types import Bytes, Floats, Halves

MAX_QUERY_TOKENS = 256
_BLOCK_TOKENS = 16_384


class ForeignTokens(ValueError):
    """The passages' tokens are of another model than the query's."""


@dataclass(frozen=True, slots=True)
class LateWeights:
    """How much each min-max normalised score of a candidate counts."""

    late: float = 2.0
    dense: float = 1.0
    lexical: float = 1.0
    sparse: float = 0.5


def late_scores(tokens: Halves, passages: Sequence[Bytes | None]) -> Floats:
    """Return the MaxSim of a query with each passage, in [-1, 1]; NaN where a passage has no tokens.

    Args:
        tokens: the query, (n, dim), rows of L2 norm 1; the first `MAX_QUERY_TOKENS` count.
        passages: uint8 (m, dim / 8) each, signs packed big-endian; 1 is +1 / sqrt(dim), 0 is -1 / sqrt(dim).

    Raises: ForeignTokens when the passages' tokens are of another width than the query's.
    """
    query = np.ascontiguousarray(tokens[:MAX_QUERY_TOKENS], dtype=np.float32)
    scores = np.full(len(passages), np.nan, dtype=np.float32)
    block: list[Bytes] = []
    places: list[int] = []
    held = 0
    for place, bits in enumerate(passages):
        if bits is None or len(bits) == 0 or len(query) == 0:
            continue
        if bits.shape[1] * 8 != query.shape[1]:
            raise ForeignTokens(f"the index holds tokens of {bits.shape[1] * 8} dimensions, the model {query.shape[1]}")
        if block and held + len(bits) > _BLOCK_TOKENS:
            scores[places] = _block_scores(query, block)
            block, places, held = [], [], 0
        block.append(bits)
        places.append(place)
        held += len(bits)
    if block:
        scores[places] = _block_scores(query, block)
    return scores


def _block_scores(query: Floats, passages: Sequence[Bytes]) -> Floats:
    """Return the MaxSim of each passage: one product for all, passages told apart by where their tokens start."""
    dim = query.shape[1]
    signs = np.unpackbits(np.concatenate(passages), axis=1, count=dim).astype(np.float32)
    # A row of signs s in {-1, 1} is 2 b - 1 for its bits b, so q . s = 2 (q . b) - sum(q): the bits are enough.
    similarity = 2.0 * (query @ signs.T) - query.sum(axis=1, keepdims=True)
    starts = np.cumsum([0, *(len(bits) for bits in passages[:-1])])
    best = np.maximum.reduceat(similarity, starts, axis=1)
    return np.asarray(best.mean(axis=0) / np.sqrt(dim), dtype=np.float32)


def combine(late: Floats, dense: Floats, lexical: Floats, sparse: Floats, weights: LateWeights) -> Floats:
    """Return the weighted mean of the min-max normalised scores, in [0, 1]; NaN in a score counts as its worst.

    A score that no candidate has leaves the mean altogether.
    """
    total = np.zeros(len(late), dtype=np.float32)
    weight_sum = 0.0
    pairs = ((late, weights.late), (dense, weights.dense), (lexical, weights.lexical), (sparse, weights.sparse))
    for scores, weight in pairs:
        if weight > 0 and not np.isnan(scores).all():
            total += np.float32(weight) * min_max(scores)
            weight_sum += weight
    return total / np.float32(weight_sum) if weight_sum else total


def min_max(scores: Floats) -> Floats:
    """Return scores scaled to [0, 1]; NaN becomes 0, equal scores become 1."""
    low, high = np.nanmin(scores), np.nanmax(scores)
    scaled = (scores - low) / (high - low) if high > low else np.where(np.isnan(scores), np.nan, 1.0)
    return np.asarray(np.nan_to_num(scaled, nan=0.0), dtype=np.float32)
