"""BGE-M3's forward pass and what comes out of it, in the stages of `ray_app.text_encoder`.

No ray, no asyncio. The stages hold no state between calls, so each can run in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.backend import open_transformer
from ray_app.checkpoint import Checkpoint
from ray_app.pause import Pause, no_pause
from ray_app.text_encoder import Forward, TextEncoder
from ray_app.tokenizer import CheckpointTokenizer, Ids
from ray_app.weights import HEAD_NAMES, HeadName, load_head, load_state
from ray_app.wire import Row
from shirabe.errors import InvalidInput
from shirabe.settings import Precision
from shirabe.types import Floats, Halves, Output


class M3Encoder(TextEncoder):
    """BGE-M3's three outputs from one pass over a checkpoint in its layout."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device, precision: Precision = "auto") -> None:
        """Load the weights.

        Raises: NotFound, InvalidInput naming the file; InvalidInput for a precision that the device does not have.
        """
        super().__init__(checkpoint, CheckpointTokenizer(checkpoint.folder, checkpoint.max_tokens))
        self._device = device
        self._transformer = open_transformer(load_state(checkpoint.folder), checkpoint.architecture, device, precision)
        self._heads = {name: self._head(name) for name in HEAD_NAMES} if checkpoint.has_heads else {}
        self._only_shifts = "colbert" in self._heads and _is_identity(self._heads["colbert"][0])

    def _head(self, name: HeadName) -> tuple[Tensor, Tensor]:
        weight, bias = load_head(self.checkpoint, name)
        return weight.to(self._device, torch.float32), bias.to(self._device, torch.float32)

    def check_outputs(self, outputs: Collection[Output]) -> None:
        """Raise InvalidInput when an output is not to be had from this checkpoint."""
        if not self.checkpoint.has_heads and set(outputs) != {"dense"}:
            raise InvalidInput(f"{self.checkpoint.name} gives dense vectors only", "outputs")

    @torch.inference_mode()
    def encode_core(self, batch: Sequence[Ids], outputs: Collection[Output], pause: Pause = no_pause, /) -> Forward:
        """Run the model over the texts of a batch, `pause` between layers, and compute only what `outputs` need."""
        lengths = [len(ids) for ids in batch]
        packed = np.concatenate(batch)
        ids = torch.from_numpy(packed.astype(np.int64))
        first_only = set(outputs) == {"dense"} and self.checkpoint.pooling == "cls"
        states = self._transformer.forward(ids, lengths, first_only=first_only, pause=pause)
        pooled = states if first_only else self._pooled(states, lengths)
        return Forward(
            ids=packed,
            lengths=np.array(lengths, np.int64),
            dense=F.normalize(pooled, dim=-1).cpu().numpy() if "dense" in outputs else None,
            weights=self._weights(states) if "sparse" in outputs else None,
            vectors=self._vectors(states) if "tokens" in outputs or "bits" in outputs else None,
        )

    def _pooled(self, states: Tensor, lengths: Sequence[int]) -> Tensor:
        if self.checkpoint.pooling == "cls":
            starts = np.cumsum([0, *lengths[:-1]])
            return states[torch.from_numpy(starts).to(states.device)]
        return torch.segment_reduce(states, "mean", lengths=torch.tensor(lengths, device=states.device), axis=0)

    def _weights(self, states: Tensor) -> Floats:
        weights: Floats = torch.relu(F.linear(states, *self._heads["sparse"])).squeeze(-1).cpu().numpy()
        return weights

    def _vectors(self, states: Tensor) -> Floats:
        weight, bias = self._heads["colbert"]
        # The identity (m3-mini's) is not worth a matrix product.
        vectors: Floats = (states + bias if self._only_shifts else F.linear(states, weight, bias)).cpu().numpy()
        return vectors

    def encode_post(self, forward: Forward, outputs: Collection[Output], /) -> list[Row]:
        """Return each text's embedding from a forward pass."""
        bounds = np.cumsum([0, *forward.lengths])
        texts = len(forward.lengths)
        dense = forward.dense if forward.dense is not None else [None] * texts
        sparse: Sequence[tuple[Ids | None, Floats | None]] = [(None, None)] * texts
        if forward.weights is not None:
            sparse = self._sparse(forward.weights, forward)
        vectors = forward.vectors
        tokens = _unit(vectors) if vectors is not None and "tokens" in outputs else None
        bits = np.packbits(vectors > 0, axis=1) if vectors is not None and "bits" in outputs else None
        rows = []
        for text, (start, end) in enumerate(pairwise(bounds.tolist())):
            # The first token's vector (CLS) is left out and the last one's (EOS) kept, as FlagEmbedding does.
            own = slice(start + 1, end)
            rows.append(
                Row(
                    dense[text],
                    sparse_ids=sparse[text][0],
                    sparse_weights=sparse[text][1],
                    tokens=tokens[own] if tokens is not None else None,
                    bits=bits[own] if bits is not None else None,
                )
            )
        return rows

    def _sparse(self, weights: Floats, forward: Forward) -> list[tuple[Ids, Floats]]:
        """Return per text the ids with a weight above zero, ascending, and the largest weight of each."""
        texts = len(forward.lengths)
        owner = np.repeat(np.arange(texts, dtype=np.int64), forward.lengths)
        kept = (weights > 0) & ~np.isin(forward.ids, self.specials)
        keys = (owner[kept] << 32) | forward.ids[kept]
        if not len(keys):
            return [(np.zeros(0, np.int32), np.zeros(0, np.float32))] * texts
        order = np.argsort(keys, kind="stable")
        unique, first = np.unique(keys[order], return_index=True)
        largest = np.maximum.reduceat(weights[kept][order], first)
        ids = (unique & 0xFFFFFFFF).astype(np.int32)
        bounds = np.searchsorted(unique, np.arange(texts + 1, dtype=np.int64) << 32)
        return [(ids[start:end], largest[start:end]) for start, end in pairwise(bounds.tolist())]


def _unit(vectors: Floats) -> Halves:
    """Return the rows with L2 norm 1, float16."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit: Halves = (vectors / np.maximum(norms, np.float32(1e-12))[:, None]).astype(np.float16)
    return unit


def _is_identity(weight: Tensor) -> bool:
    square = weight.shape[0] == weight.shape[1]
    return square and bool(torch.equal(weight, torch.eye(weight.shape[0], device=weight.device)))
