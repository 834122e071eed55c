"""A cross-encoder of the XLM-R family (bge-reranker-v2-m3): one logit per query and passage, higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.backend import open_transformer
from ray_app.checkpoint import read_checkpoint
from ray_app.token_budget import cut
from ray_app.tokenizer import CheckpointTokenizer, Ids, Tokenised
from ray_app.weights import load_state
from shirabe.errors import InvalidInput
from shirabe.settings import Precision
from shirabe.types import Floats

# What the model card advises; its positions reach to 8192.
MAX_TOKENS: Final = 1024


class CrossEncoder:
    """Scores pairs as FlagEmbedding's FlagReranker does: the raw logit, not squashed."""

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        max_tokens: int = MAX_TOKENS,
        cache_dir: Path | None = None,
        precision: Precision = "auto",
    ) -> None:
        """Load a sequence-classification checkpoint with one label.

        Raises: NotFound, InvalidInput naming the file.
        """
        self.checkpoint = read_checkpoint(folder, max_tokens, role="reranker", cache_dir=cache_dir)
        if self.checkpoint.family != "xlm-roberta":
            raise InvalidInput(f"a reranker is an xlm-roberta, not a {self.checkpoint.family}", str(folder))
        self._tokenizer = CheckpointTokenizer(folder, self.checkpoint.max_tokens)
        state = load_state(folder)
        self._device = device
        self._transformer = open_transformer(state, self.checkpoint.architecture, device, precision)
        self._dense = self._linear(state, "classifier.dense")
        self._out = self._linear(state, "classifier.out_proj")
        if len(self._out[0]) != 1:
            raise InvalidInput(f"has {len(self._out[0])} labels, a reranker has one", str(folder))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.checkpoint.name

    @property
    def max_tokens(self) -> int:
        """The longest pair, special tokens counted."""
        return self.checkpoint.max_tokens

    def _linear(self, state: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
        try:
            weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        except KeyError as error:
            folder = str(self.checkpoint.folder)
            raise InvalidInput(f"the weights lack {error}: not a cross-encoder", folder) from error
        return weight.to(self._device, torch.float32), bias.to(self._device, torch.float32)

    def score(self, query: str, passages: Sequence[str], batch_tokens: int) -> Floats:
        """Return each passage's logit, float32 (passages,), in batches of pairs of like length.

        batch_tokens: the most tokens of one forward pass; a longer pair is one by itself.

        Raises: InvalidInput for what is no text.
        """
        pairs = self.encode_pre(query, passages)
        logits = np.zeros(len(pairs), np.float32)
        longest_first = sorted(range(len(pairs)), key=lambda index: -len(pairs[index]))
        for batch in cut(longest_first, lambda index: len(pairs[index]), batch_tokens):
            logits[batch] = self.encode_core([pairs[index] for index in batch])
        return logits

    def encode_pre(self, query: str, passages: Sequence[str]) -> Tokenised:
        """Return the token ids of each pair; the query is tokenised once and the passage is cut.

        Raises: InvalidInput for what is no text.
        """
        return self._tokenizer.encode_pairs(query, passages)

    @torch.inference_mode()
    def encode_core(self, batch: Sequence[Ids]) -> Floats:
        """Return the pairs' logits, float32 (pairs,)."""
        lengths = [len(ids) for ids in batch]
        ids = torch.from_numpy(np.concatenate(batch).astype(np.int64))
        first = self._transformer.forward(ids, lengths, first_only=True)
        logits: Floats = F.linear(torch.tanh(F.linear(first, *self._dense)), *self._out).squeeze(-1).cpu().numpy()
        return logits


def probabilities(logits: Floats) -> Floats:
    """Return logits as relevance between 0 and 1 (the logistic function), float32 (pairs,)."""
    # tanh does not overflow where the exponential does.
    squashed: Floats = (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32)
    return squashed
