"""Reranking without a cross-encoder: late interaction (MaxSim) of the embedder's full token vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from ray_app.surface.parts import EmbeddingModel, ModelCard, Scored
from ray_app.wire import Row
from shirabe.types import Floats, Output

_TOKENS: Final[frozenset[Output]] = frozenset({"tokens"})
_SUFFIX: Final = "maxsim"


class LateInteraction:
    """MaxSim (Khattab and Zaharia, ColBERT, SIGIR 2020): each query token takes its best passage token; their mean."""

    def __init__(self, model: EmbeddingModel) -> None:
        """Take an embedder that gives `tokens`."""
        self._model = model
        card = model.card
        name = f"{card.name}-{_SUFFIX}"
        self.card: ModelCard = replace(card, name=name, dim=0, smallest_dim=None, outputs=(), aliases=card.names)

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        """Return the passages' scores in [-1, 1]; as relevances those below zero are zero.

        Raises: TooLong, Overloaded, Unavailable.
        """
        asked, read = await asyncio.gather(
            self._model.encode([query], "query", _TOKENS, "query", cut=cut),
            self._model.encode(passages, "passage", _TOKENS, "query", cut=cut),
        )
        scores = await asyncio.to_thread(max_sim, _tokens(asked.rows[0]), [_tokens(row) for row in read.rows])
        return Scored(
            scores=scores,
            relevances=[min(max(score, 0.0), 1.0) for score in scores],
            tokens=asked.tokens + read.tokens,
            truncated=asked.truncated + read.truncated,
        )


def max_sim(query: Floats, passages: Sequence[Floats]) -> list[float]:
    """Return the mean over query tokens of the best cosine in each passage; vectors (n, dim), rows of L2 norm 1.

    A text without tokens scores 0 with everything.
    """
    if not len(query):
        return [0.0] * len(passages)
    return [float((query @ passage.T).max(axis=1).mean()) if len(passage) else 0.0 for passage in passages]


def _tokens(row: Row) -> Floats:
    if row.tokens is None:
        raise ValueError("token vectors were not computed")
    return row.tokens.astype(np.float32)
