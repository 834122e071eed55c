"""One cross-encoder checkpoint behind a scheduler: a `PairScorer` of the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ray_app import hub
from ray_app.checkpoint import Checkpoint, read_checkpoint
from ray_app.config import ServerConfig
from ray_app.cross_encoder import MAX_TOKENS, CrossEncoder, probabilities
from ray_app.device import limits, open_device
from ray_app.observer import Observer
from ray_app.scheduler import Scheduler
from ray_app.surface.parts import ModelCard, Scored, too_long
from ray_app.tokenizer import Ids
from shirabe.errors import InvalidInput
from shirabe.types import Floats

# What the special tokens of a pair may add.
_EXTRA_TOKENS = 8


class CrossReranker:
    """Scores many callers' pairs with one model. Built inside a running event loop."""

    def __init__(self, config: ServerConfig, observer: Observer) -> None:
        """Load the model and warm it. Raises: NotFound, InvalidInput naming the file."""
        if config.reranker is None:
            raise InvalidInput("no reranker is configured", "reranker")
        self._device = open_device(config)
        self._encoder = CrossEncoder(
            hub.locate(config.reranker), self._device, cache_dir=config.cache_dir, precision=config.precision
        )
        self._encoder.encode_core(self._encoder.encode_pre("warm", ["up"]))
        self._observer = observer
        self.card = _card(self._encoder.checkpoint)
        self._scheduler: Scheduler[Floats, float] = Scheduler(
            lambda batch, _: self._encoder.encode_core(batch),
            lambda scores, _: scores.tolist(),
            limits(config, self._device),
            observer,
        )
        self._scheduler.start()

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._scheduler.check()

    def reconfigure(self, config: ServerConfig) -> None:
        """Take another token budget and queue limit."""
        self._scheduler.reconfigure(limits(config, self._device))

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        """Return the passages' logits, in order. Too long pairs are cut, or refused without `cut`.

        Raises: TooLong, Overloaded, Unavailable.
        """
        longest = self.card.max_tokens
        lengths: list[int] = []

        def prepare() -> Sequence[Ids]:
            prepared = self._encoder.encode_pre(query, passages)
            lengths.extend(map(len, prepared))
            if not cut and longest in lengths:
                raise too_long(lengths.index(longest), longest)
            return prepared

        most = sum(min(len(query) + len(passage) + _EXTRA_TOKENS, longest) for passage in passages)
        scores = await self._scheduler.submit(prepare, most, frozenset(), "query")
        truncated = lengths.count(longest)
        if truncated:
            self._observer.truncated(truncated)
        relevances = probabilities(np.array(scores, np.float32)).tolist()
        return Scored(scores, relevances, sum(lengths), truncated)


def reranker_card(config: ServerConfig) -> ModelCard:
    """Return what the configured cross-encoder is, without loading it. Raises: NotFound, InvalidInput."""
    if config.reranker is None:
        raise InvalidInput("no reranker is configured", "reranker")
    return _card(read_checkpoint(hub.locate(config.reranker), MAX_TOKENS, role="reranker", cache_dir=config.cache_dir))


def _card(checkpoint: Checkpoint) -> ModelCard:
    return ModelCard(checkpoint.name, checkpoint.revision, checkpoint.max_tokens)
