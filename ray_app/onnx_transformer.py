"""The encoder shared by BERT and XLM-R, run by ONNX Runtime on a CPU: in fp32 the quickest for a query."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ray_app.encoder_state import EncoderState, TokenEmbeddings
from ray_app.onnx_graph import LENGTHS, STATES, encoder_graph
from ray_app.pause import Pause, no_pause
from ray_app.threads import one_thread


class OnnxTransformer:
    """An encoder on padded texts; the padding takes no part in attention."""

    def __init__(self, state: EncoderState, embeddings: TokenEmbeddings) -> None:
        """Build the graph with torch's number of threads. Raises: InvalidInput naming a tensor that is missing."""
        self._embeddings = embeddings
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # A thread waits for its next piece of a forward pass awake, and sleeps between passes: others need the core.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(encoder_graph(state), options, providers=["CPUExecutionProvider"])

    @torch.inference_mode()
    def forward(
        self,
        ids: Tensor,
        lengths: Sequence[int],
        *,
        first_only: bool = False,
        pause: Pause = no_pause,  # noqa: ARG002 - the layers are one call of the runtime's
    ) -> Tensor:
        """Return the last layer's states, float32 (tokens, dim), or those of the texts' first tokens, (texts, dim).

        ids: int64 (tokens,), the texts' token ids end to end. lengths: tokens of each text, summing to `tokens`.
        pause: is never called.
        """
        with one_thread():
            packed = self._embeddings(ids, lengths).numpy()
        texts, longest = len(lengths), max(lengths)
        if texts * longest == len(packed):
            padded = packed.reshape(texts, longest, -1)
        else:
            padded = np.zeros((texts, longest, packed.shape[1]), np.float32)
            for text, (start, end) in enumerate(pairwise(accumulate(lengths, initial=0))):
                padded[text, : end - start] = packed[start:end]
        [states] = self._session.run(None, {STATES: padded, LENGTHS: np.asarray(lengths, np.int32)})
        if first_only:
            return torch.from_numpy(states[:, 0])
        rows = [states[text, :length] for text, length in enumerate(lengths)]
        return torch.from_numpy(rows[0] if texts == 1 else np.concatenate(rows))
