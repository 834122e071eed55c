"""A cross-encoder of the XLM-R family (bge-reranker-v2-m3): one logit per query and passage, higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.checkpoint import read_architecture
from ray_app.tokenizer import CheckpointTokenizer, Ids
from ray_app.transformer import PackedTransformer
from ray_app.weights import load_state
from shirabe.errors import InvalidInput
from shirabe.types import Floats

MAX_TOKENS: Final = 1024


class CrossEncoder:
    """Scores pairs as FlagEmbedding's FlagReranker does: the raw logit, not squashed."""

    def __init__(self, folder: Path, device: torch.device, max_tokens: int = MAX_TOKENS) -> None:
        """Load a sequence-classification checkpoint with one label.

        Raises: NotFound, InvalidInput naming the file.
        """
        architecture = read_architecture(folder)
        self.name = folder.name
        self.max_tokens = min(max_tokens, architecture.positions - architecture.first_position)
        self._tokenizer = CheckpointTokenizer(folder, self.max_tokens)
        state = load_state(folder)
        self._transformer = PackedTransformer(state, architecture, device)
        self._dense = self._linear(state, "classifier.dense", folder)
        self._out = self._linear(state, "classifier.out_proj", folder)
        if len(self._out[0]) != 1:
            raise InvalidInput(f"has {len(self._out[0])} labels, a reranker has one", str(folder))

    def _linear(self, state: dict[str, Tensor], name: str, folder: Path) -> tuple[Tensor, Tensor]:
        try:
            weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        except KeyError as error:
            raise InvalidInput(f"the weights lack {error}: not a cross-encoder", str(folder)) from error
        device = self._transformer.device
        return weight.to(device, torch.float32), bias.to(device, torch.float32)

    def encode_pre(self, query: str, passages: Sequence[str]) -> list[Ids]:
        """Return the token ids of each pair; the passage is cut, the query only when it alone is too long."""
        return self._tokenizer.encode([(query, passage) for passage in passages])

    @torch.inference_mode()
    def encode_core(self, batch: Sequence[Ids]) -> Floats:
        """Return the pairs' logits, float32 (pairs,)."""
        lengths = [len(ids) for ids in batch]
        states = self._transformer.forward(torch.from_numpy(np.concatenate(batch).astype(np.int64)), lengths)
        first = states[torch.from_numpy(np.cumsum([0, *lengths[:-1]])).to(states.device)]
        logits: Floats = F.linear(torch.tanh(F.linear(first, *self._dense)), *self._out).squeeze(-1).cpu().numpy()
        return logits
