"""One embedding checkpoint behind a scheduler: an `EmbeddingModel` of the surface."""

from __future__ import annotations

from collections.abc import Sequence

from ray_app import m3_mini
from ray_app.checkpoint import Checkpoint, read_checkpoint
from ray_app.config import ServerConfig
from ray_app.device import limits, open_device
from ray_app.encoder import Forward, M3Encoder
from ray_app.observer import Observer
from ray_app.qwen3_encoder import Qwen3Encoder
from ray_app.scheduler import Lane, Scheduler
from ray_app.surface.parts import Encoded, ModelCard, too_long
from ray_app.tokenizer import Ids
from ray_app.wire import Row
from shirabe.types import Output, TextKind

# What the prefix and the special tokens may add to a text.
_EXTRA_TOKENS = 8


class Embedder:
    """Embeds many callers' texts with one model. Built inside a running event loop."""

    def __init__(self, config: ServerConfig, observer: Observer) -> None:
        """Load the model and warm it. Raises: NotFound, InvalidInput naming the file."""
        self._device = open_device(config)
        checkpoint = read_checkpoint(
            m3_mini.resolve(config.model, config.cache_dir),
            config.max_tokens,
            dim=config.dimensions,
            instruction=config.instruction,
            cache_dir=config.cache_dir,
        )
        if checkpoint.decoder is None:
            self._encoder: M3Encoder | Qwen3Encoder = M3Encoder(checkpoint, self._device, config.precision)
        else:
            self._encoder = Qwen3Encoder(checkpoint, self._device, config.precision)
        self._observer = observer
        self.card = _card(checkpoint)
        self._encoder.encode(["warm up"], "query", self.card.outputs)
        self._scheduler: Scheduler[Forward, Row] = Scheduler(
            self._encoder.encode_core, self._encoder.encode_post, limits(config, self._device), observer
        )
        self._scheduler.start()

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait or run."""
        return self._scheduler.queued_tokens

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._scheduler.check()

    def reconfigure(self, config: ServerConfig) -> None:
        """Take another token budget and queue limit."""
        self._scheduler.reconfigure(limits(config, self._device))

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        """Return the outputs of each text. Too long texts are cut, or refused without `cut`.

        Raises: InvalidInput for an output the model has not, TooLong, Overloaded, Unavailable.
        """
        self._encoder.check_outputs(outputs)
        longest = self.card.max_tokens
        lengths: list[int] = []

        def prepare() -> Sequence[Ids]:
            prepared = self._encoder.encode_pre(texts, kind)
            lengths.extend(map(len, prepared))
            if not cut and longest in lengths:
                raise too_long(lengths.index(longest), longest)
            return prepared

        most = sum(min(len(text) + _EXTRA_TOKENS, longest) for text in texts)
        rows = await self._scheduler.submit(prepare, most, outputs, lane)
        truncated = lengths.count(longest)
        if truncated:
            self._observer.truncated(truncated)
        return Encoded(rows, sum(lengths), truncated)


def _card(checkpoint: Checkpoint) -> ModelCard:
    return ModelCard(
        name=checkpoint.name,
        revision=checkpoint.revision,
        max_tokens=checkpoint.max_tokens,
        dim=checkpoint.dim,
        smallest_dim=checkpoint.record.smallest_dim,
        outputs=checkpoint.record.outputs,
        pooling=checkpoint.pooling,
        prefixes={"query": checkpoint.query_prefix, "passage": checkpoint.passage_prefix},
    )
