"""One embedding checkpoint behind a scheduler: an `EmbeddingModel` of the surface."""

from __future__ import annotations

from collections.abc import Sequence

from ray_app import m3_mini
from ray_app.checkpoint import Checkpoint, read_checkpoint
from ray_app.config import ServerConfig
from ray_app.device import open_device
from ray_app.encoder import M3Encoder
from ray_app.lane import Lane
from ray_app.model_queue import ModelQueue, load
from ray_app.observer import Observer
from ray_app.precision import dtype_name
from ray_app.qwen3_encoder import Qwen3Encoder
from ray_app.surface.parts import Encoded, ModelCard
from ray_app.text_encoder import Forward, TextEncoder
from ray_app.wire import Row
from shirabe.types import Output, TextKind


class Embedder:
    """Embeds many callers' texts with one model. Built inside a running event loop."""

    def __init__(self, config: ServerConfig, observer: Observer) -> None:
        """Load the model and warm it. Raises: NotFound, InvalidInput naming the file."""
        device = open_device(config)
        checkpoint = read_checkpoint(
            m3_mini.resolve(config.model, config.cache_dir),
            config.max_tokens,
            dim=config.dimensions,
            instruction=config.instruction,
            cache_dir=config.cache_dir,
        )
        self.card = _card(checkpoint, dtype_name(config.precision, device, checkpoint.family))

        def build() -> TextEncoder:
            kind = M3Encoder if checkpoint.decoder is None else Qwen3Encoder
            encoder = kind(checkpoint, device, config.precision)
            encoder.encode(["warm up"], "query", self.card.outputs)
            return encoder

        self._encoder, thread = load(build)
        self._queue: ModelQueue[Forward, Row] = ModelQueue(
            self._encoder.encode_core,
            self._encoder.encode_post,
            config,
            device,
            observer,
            self.card.max_tokens,
            thread,
        )

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait or run."""
        return self._queue.queued_tokens

    @property
    def usage(self) -> None:
        """Nothing: the model is our own."""

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._queue.check()

    def reconfigure(self, config: ServerConfig) -> None:
        """Take another token budget and queue limit."""
        self._queue.reconfigure(config)

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        """Return the outputs of each text. Too long texts are cut, or refused without `cut`.

        Raises: InvalidInput for an output the model has not, TooLong, Overloaded, Unavailable.
        """
        self._encoder.check_outputs(outputs)
        ran = await self._queue.run(
            lambda: self._encoder.encode_pre(texts, kind), map(len, texts), outputs, lane, cut=cut
        )
        return Encoded(ran.rows, ran.tokens, ran.truncated)


def _card(checkpoint: Checkpoint, dtype: str) -> ModelCard:
    return ModelCard(
        name=checkpoint.name,
        revision=checkpoint.revision,
        max_tokens=checkpoint.max_tokens,
        dim=checkpoint.dim,
        smallest_dim=checkpoint.record.smallest_dim,
        outputs=checkpoint.record.outputs,
        pooling=checkpoint.pooling,
        dtype=dtype,
        prefixes={"query": checkpoint.query_prefix, "passage": checkpoint.passage_prefix},
    )
