"""Late interaction over one-bit passage tokens, and its combination with the other scores of the same candidates.

MaxSim (Khattab and Zaharia, ColBERT, SIGIR 2020): every query token takes its best passage token; the score is their
mean, in which a token counts as much as its matches differ among the candidates. One that fits all of them alike (a
particle, the end of the text) tells nothing. Passage tokens are one bit a dimension, query tokens stay float.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shirabe.types import Bytes, Floats, Halves

Bools = npt.NDArray[np.bool_]

MAX_QUERY_TOKENS = 256
APART_SPREAD = 0.85
"""How far code stands out against prose, in one spread: less, for questions are more often about prose."""
_BLOCK_TOKENS = 16_384


class ForeignTokens(ValueError):
    """The passages' tokens are of another model than the query's."""


@dataclass(frozen=True, slots=True)
class LateWeights:
    """How much each standardised score of a candidate counts."""

    late: float = 1.5
    dense: float = 1.0
    lexical: float = 0.75
    sparse: float = 0.5


def late_scores(tokens: Halves, passages: Sequence[Bytes | None]) -> Floats:
    """Return the weighted MaxSim of a query with each passage, in [-1, 1]; NaN where a passage has no tokens.

    Args:
        tokens: the query, (n, dim), rows of L2 norm 1; the first `MAX_QUERY_TOKENS` count.
        passages: uint8 (m, dim / 8) each, signs packed big-endian; 1 is +1 / sqrt(dim), 0 is -1 / sqrt(dim).

    Raises: ForeignTokens when the passages' tokens are of another width than the query's.
    """
    query = np.ascontiguousarray(tokens[:MAX_QUERY_TOKENS], dtype=np.float32)
    scores = np.full(len(passages), np.nan, dtype=np.float32)
    held = {place: bits for place, bits in enumerate(passages) if bits is not None and len(bits)}
    if not held or not len(query):
        return scores
    best = _best_matches(query, list(held.values()))
    weights = best.std(axis=1)
    scores[list(held)] = np.average(best, axis=0, weights=weights if weights.any() else None)
    return scores


def _best_matches(query: Floats, passages: Sequence[Bytes]) -> Floats:
    """Return each query token's similarity to its best token in each passage, (query tokens, passages)."""
    found: list[Floats] = []
    block: list[Bytes] = []
    held = 0
    for bits in passages:
        if bits.shape[1] * 8 != query.shape[1]:
            raise ForeignTokens(f"the index holds tokens of {bits.shape[1] * 8} dimensions, the model {query.shape[1]}")
        if block and held + len(bits) > _BLOCK_TOKENS:
            found.append(_block_matches(query, block))
            block, held = [], 0
        block.append(bits)
        held += len(bits)
    return np.concatenate([*found, _block_matches(query, block)], axis=1)


def _block_matches(query: Floats, passages: Sequence[Bytes]) -> Floats:
    """Return the same with one product for all passages, told apart by where their tokens start."""
    dim = query.shape[1]
    signs = np.unpackbits(np.concatenate(passages), axis=1, count=dim).astype(np.float32)
    # A row of signs s in {-1, 1} is 2 b - 1 for its bits b, so q . s = 2 (q . b) - sum(q): the bits are enough.
    similarity = 2.0 * (query @ signs.T) - query.sum(axis=1, keepdims=True)
    starts = np.cumsum([0, *(len(bits) for bits in passages[:-1])])
    return np.asarray(np.maximum.reduceat(similarity, starts, axis=1) / np.sqrt(dim), dtype=np.float32)


def combine(late: Floats, dense: Floats, lexical: Floats, sparse: Floats, weights: LateWeights) -> Floats:
    """Return the weighted sum of the standardised scores, scaled to [0, 1]; NaN in a score counts as its worst.

    A score that no candidate has, or that is the same for all, leaves the sum. Standardised, not min-max scaled: a
    range hangs on two of the candidates, a deviation on all of them.
    """
    return _scaled(
        _weighted(((late, weights.late), (dense, weights.dense), (lexical, weights.lexical), (sparse, weights.sparse)))
    )


def combine_apart(
    late: Floats, dense: Floats, lexical: Floats, sparse: Floats, apart: Bools, weights: LateWeights
) -> Floats:
    """Return the same of candidates that two models speak for: those that are `apart`, and the others.

    What the models say is standardised among the candidates of each, and brought to one spread, nearly: what stands out
    of its own counts, and neither the level of a model's scores nor how many of them it has. Words count over all.
    """
    meaning = np.zeros(len(late), dtype=np.float32)
    spreads: list[np.float32] = []
    for group in (~apart, apart):
        said = _weighted(((late[group], weights.late), (dense[group], weights.dense), (sparse[group], weights.sparse)))
        meaning[group] = said
        spreads.append(said.std() if len(said) else np.float32(0.0))
    if min(spreads) > 0:
        meaning[apart] *= APART_SPREAD * spreads[0] / spreads[1]
    return _scaled(meaning + _weighted(((lexical, weights.lexical),)))


def _weighted(pairs: Sequence[tuple[Floats, float]]) -> Floats:
    """Return the weighted sum of the standardised scores, of those that any candidate has."""
    total = np.zeros(len(pairs[0][0]), dtype=np.float32)
    for scores, weight in pairs:
        if weight > 0 and not np.isnan(scores).all():
            total += np.float32(weight) * _standardised(scores)
    return total


def _scaled(total: Floats) -> Floats:
    low, high = total.min(initial=np.inf), total.max(initial=-np.inf)
    return np.asarray((total - low) / (high - low) if high > low else np.ones_like(total), dtype=np.float32)


def _standardised(scores: Floats) -> Floats:
    """Return scores with mean 0 and deviation 1, or all 0 when they are equal; NaN counts as the lowest."""
    known = np.where(np.isnan(scores), np.nanmin(scores), scores)
    deviation = known.std()
    scaled = (known - known.mean()) / deviation if deviation > 0 else np.zeros_like(known)
    return np.asarray(scaled, dtype=np.float32)
