"""The tensors of a BERT or XLM-R checkpoint by their Hugging Face names, and the embeddings both backends share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.checkpoint import Architecture
from shirabe.errors import InvalidInput

_WORDS = "embeddings.word_embeddings.weight"

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class LayerTensors:
    """One layer's tensors, fp32, each a weight (out, in) or (dim,) and a bias; query, key and value are one matrix."""

    qkv: Pair
    attention: Pair
    attention_norm: Pair
    up: Pair
    down: Pair
    norm: Pair


class EncoderState:
    """The tensors of a state dict, with or without a model prefix such as `roberta.`."""

    def __init__(self, state: Mapping[str, Tensor], architecture: Architecture) -> None:
        self.architecture = architecture
        self._state = state
        self._prefix = next((name.removesuffix(_WORDS) for name in state if name.endswith(_WORDS)), "")

    def tensor(self, name: str) -> Tensor:
        """Return a tensor, fp32. Raises: InvalidInput naming it when it is missing."""
        try:
            tensor = self._state[self._prefix + name]
        except KeyError as error:
            raise InvalidInput(f"the weights lack {self._prefix}{name}") from error
        return tensor.to(torch.float32)

    def pair(self, name: str) -> Pair:
        """Return a weight and its bias, fp32. Raises: InvalidInput naming the one that is missing."""
        return self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias")

    def layers(self) -> Iterator[LayerTensors]:
        """Yield each layer's tensors, first layer first. Raises: InvalidInput naming one that is missing."""
        for index in range(self.architecture.layers):
            name = f"encoder.layer.{index}"
            parts = [self.pair(f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
            yield LayerTensors(
                qkv=(torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])),
                attention=self.pair(f"{name}.attention.output.dense"),
                attention_norm=self.pair(f"{name}.attention.output.LayerNorm"),
                up=self.pair(f"{name}.intermediate.dense"),
                down=self.pair(f"{name}.output.dense"),
                norm=self.pair(f"{name}.output.LayerNorm"),
            )


class TokenEmbeddings:
    """Words and positions, summed and normalised: what the first layer gets."""

    def __init__(self, state: EncoderState, device: torch.device) -> None:
        """Take the tensors. Raises: InvalidInput naming one that is missing."""
        self._architecture = state.architecture
        self._words = state.tensor(_WORDS).to(device)
        # Every token is of type 0, so its embedding is added to the positions once.
        types = state.tensor("embeddings.token_type_embeddings.weight")
        self._positions = (state.tensor("embeddings.position_embeddings.weight") + types[0]).to(device)
        weight, bias = state.pair("embeddings.LayerNorm")
        self._norm = (weight.to(device), bias.to(device))

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return float32 (tokens, dim) for ids int64 (tokens,) of texts that lie end to end."""
        first = self._architecture.first_position
        positions = torch.cat([torch.arange(first, first + length) for length in lengths])
        device = self._words.device
        return self.at(ids.to(device), positions.to(device))

    def at(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Return the same for ids and positions, integers (tokens,), that are on the device."""
        states = F.embedding(ids, self._words) + F.embedding(positions, self._positions)
        return F.layer_norm(states, (self._architecture.dim,), *self._norm, self._architecture.epsilon)
