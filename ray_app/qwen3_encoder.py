"""From text to dense vectors with Qwen3-Embedding, in the stages of `ray_app.text_encoder`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F

from ray_app.checkpoint import Checkpoint
from ray_app.pause import Pause, no_pause
from ray_app.precision import HALVES, dtype_for
from ray_app.qwen3 import PackedDecoder
from ray_app.recorded import graphs_for
from ray_app.text_encoder import Forward, TextEncoder
from ray_app.tokenizer import CheckpointTokenizer, Ids
from ray_app.weights import load_state
from ray_app.wire import Row
from shirabe.errors import InvalidInput
from shirabe.settings import Precision
from shirabe.types import Floats, Output

# What a text ends with; its state is the vector. The tokeniser adds it, and calls another token the end of a text.
_LAST: Final = "<|endoftext|>"


class Qwen3Encoder(TextEncoder):
    """Dense vectors of Qwen3-Embedding: the last token's state, cut to the checkpoint's `dim`, of length 1."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: Precision = "auto") -> None:
        """Load the weights; `auto` is bf16 on a GPU, as the model was trained, and fp32 on a CPU.

        Raises: NotFound, InvalidInput naming the file; InvalidInput for int8.
        """
        if checkpoint.decoder is None:
            raise InvalidInput("not a Qwen3 decoder", str(checkpoint.folder))
        super().__init__(checkpoint, CheckpointTokenizer(checkpoint.folder, checkpoint.max_tokens, (_LAST,)))
        if self._tokenizer.frame.after.tolist() != self.specials.tolist():
            path = checkpoint.folder / "tokenizer.json"
            raise InvalidInput(f"does not end a text with {_LAST}, as the embedding models' tokenizer does", str(path))
        state = load_state(checkpoint.folder)
        dtype = dtype_for(precision, device, HALVES[checkpoint.family])
        record = graphs_for(device, dtype)
        self._decoder = PackedDecoder(
            state, checkpoint.architecture, checkpoint.decoder, checkpoint.max_tokens, device, dtype, record
        )

    def check_outputs(self, outputs: Collection[Output]) -> None:
        """Raise InvalidInput when an output is not to be had from this checkpoint."""
        if set(outputs) != {"dense"}:
            raise InvalidInput(f"{self.checkpoint.name} gives dense vectors only", "outputs")

    @torch.inference_mode()
    def encode_core(self, batch: Sequence[Ids], _: Collection[Output], pause: Pause = no_pause, /) -> Forward:
        """Run the model over the texts of a batch, with `pause` between layers."""
        lengths = [len(ids) for ids in batch]
        packed = np.concatenate(batch)
        states = self._decoder.forward(torch.from_numpy(packed.astype(np.int64)), lengths, pause)
        dense: Floats = F.normalize(states[:, : self.checkpoint.dim], dim=-1).cpu().numpy()
        return Forward(packed, np.array(lengths, np.int64), dense, weights=None, vectors=None)

    def encode_post(self, forward: Forward, _: Collection[Output], /) -> list[Row]:
        """Return each text's embedding from a forward pass."""
        return [Row(vector) for vector in forward.dense] if forward.dense is not None else []
