"""One cross-encoder checkpoint behind a scheduler: a `PairScorer` of the surface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ray_app import hub
from ray_app.checkpoint import Checkpoint, read_checkpoint
from ray_app.config import ServerConfig
from ray_app.cross_encoder import MAX_TOKENS, CrossEncoder, probabilities
from ray_app.device import open_device
from ray_app.model_queue import ModelQueue, load
from ray_app.observer import Observer
from ray_app.surface.parts import ModelCard, Scored
from shirabe.errors import InvalidInput
from shirabe.types import Floats


class CrossReranker:
    """Scores many callers' pairs with one model. Built inside a running event loop."""

    def __init__(self, config: ServerConfig, observer: Observer) -> None:
        """Load the model and warm it. Raises: NotFound, InvalidInput naming the file."""
        if config.reranker is None:
            raise InvalidInput("no reranker is configured", "reranker")
        device = open_device(config)
        folder = hub.locate(config.reranker)

        def build() -> CrossEncoder:
            encoder = CrossEncoder(folder, device, cache_dir=config.cache_dir, precision=config.precision)
            encoder.encode_core(encoder.encode_pre("warm", ["up"]))
            return encoder

        self._encoder, thread = load(build)
        self.card = _card(self._encoder.checkpoint)
        self._queue: ModelQueue[Floats, float] = ModelQueue(
            lambda batch, *_: self._encoder.encode_core(batch),
            lambda scores, _: scores.tolist(),
            config,
            device,
            observer,
            self.card.max_tokens,
            thread,
        )

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._queue.check()

    def reconfigure(self, config: ServerConfig) -> None:
        """Take another token budget and queue limit."""
        self._queue.reconfigure(config)

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        """Return the passages' logits, in order. Too long pairs are cut, or refused without `cut`.

        Raises: TooLong, Overloaded, Unavailable.
        """
        chars = (len(query) + len(passage) for passage in passages)
        ran = await self._queue.run(
            lambda: self._encoder.encode_pre(query, passages), chars, frozenset(), "query", cut=cut
        )
        relevances = probabilities(np.array(ran.rows, np.float32)).tolist()
        return Scored(ran.rows, relevances, ran.tokens, ran.truncated)


def reranker_card(config: ServerConfig) -> ModelCard:
    """Return what the configured cross-encoder is, without loading it. Raises: NotFound, InvalidInput."""
    if config.reranker is None:
        raise InvalidInput("no reranker is configured", "reranker")
    return _card(read_checkpoint(hub.locate(config.reranker), MAX_TOKENS, role="reranker", cache_dir=config.cache_dir))


def _card(checkpoint: Checkpoint) -> ModelCard:
    return ModelCard(checkpoint.name, checkpoint.revision, checkpoint.max_tokens)
