"""The stages that every embedding checkpoint shares; what its model computes is left to `encode_core`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ray_app.checkpoint import Checkpoint
from ray_app.pause import Pause, no_pause
from ray_app.tokenizer import CheckpointTokenizer, Ids, Tokenised
from ray_app.wire import Row
from shirabe.types import Floats, Output, TextKind


@dataclass(frozen=True, slots=True, eq=False)
class Forward:
    """What a forward pass gives, in arrays of the CPU: texts end to end, rows are tokens.

    ids int32 (rows,) · lengths int64 (texts,) · dense float32 (texts, dim) · weights float32 (rows,) · vectors float32
    (rows, dim), not normalised. Absent parts were not asked for.
    """

    ids: Ids
    lengths: np.ndarray[tuple[int], np.dtype[np.int64]]
    dense: Floats | None
    weights: Floats | None
    vectors: Floats | None


class TextEncoder(ABC):
    """A checkpoint that embeds texts in three sync stages: pre (tokenise), core (forward), post."""

    def __init__(self, checkpoint: Checkpoint, tokenizer: CheckpointTokenizer) -> None:
        self.checkpoint = checkpoint
        self._tokenizer = tokenizer

    @property
    def specials(self) -> Ids:
        """The ids of the special tokens, int32."""
        return self._tokenizer.specials

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Row]:
        """Return each text's embedding, all texts in one pass."""
        return self.encode_post(self.encode_core(self.encode_pre(texts, kind), outputs), outputs)

    def encode_pre(self, texts: Sequence[str], kind: TextKind) -> Tokenised:
        """Return each text's token ids with the prefix of its kind, at most `max_tokens`."""
        return self._tokenizer.encode(self.checkpoint.prefixed(texts, kind))

    @abstractmethod
    def check_outputs(self, outputs: Collection[Output]) -> None:
        """Raise InvalidInput when an output is not to be had from this checkpoint."""

    @abstractmethod
    def encode_core(self, batch: Sequence[Ids], outputs: Collection[Output], pause: Pause = no_pause, /) -> Forward:
        """Run the model over the texts of a batch, `pause` between layers, and compute only what `outputs` need."""

    @abstractmethod
    def encode_post(self, forward: Forward, outputs: Collection[Output], /) -> list[Row]:
        """Return each text's embedding from a forward pass."""
