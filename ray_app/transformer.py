"""The encoder shared by BERT and XLM-R, run on packed tokens: texts lie end to end, nothing is padded.

Linear layers see one matrix of all tokens; attention runs once per group of neighbouring texts of equal length. So a
token's state never depends on what else is in the batch beyond rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.checkpoint import Architecture
from ray_app.linear import Linear
from shirabe.errors import InvalidInput

# Up to here the pieces between two barriers are so short that a second thread, which sleeps between them, gains nothing
# on an idle machine and is waited for on a busy one.
_ONE_THREAD_TOKENS: Final = 48


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """One layer's tensors; query, key and value are fused into one matrix (3 * dim, dim)."""

    qkv: Linear
    attention: Linear
    attention_norm: tuple[Tensor, Tensor]
    up: Linear
    down: Linear
    norm: tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class _Group:
    """`count` neighbouring texts of `length` tokens each, their tokens from `start` on."""

    start: int
    count: int
    length: int


class PackedTransformer:
    """A BERT or XLM-R encoder over loaded tensors."""

    def __init__(self, state: Mapping[str, Tensor], architecture: Architecture, device: torch.device) -> None:
        """Take the tensors by their Hugging Face names, with or without a model prefix such as `roberta.`.

        Raises: InvalidInput naming a tensor that is missing.
        """
        self.architecture = architecture
        self.device = device
        self._state = state
        words = "embeddings.word_embeddings.weight"
        self._prefix = next((name.removesuffix(words) for name in state if name.endswith(words)), "")
        self._words = self._tensor(words)
        # Every token is of type 0, so its embedding is added to the positions once.
        types = self._tensor("embeddings.token_type_embeddings.weight")
        self._positions = self._tensor("embeddings.position_embeddings.weight") + types[0]
        self._norm = self._pair("embeddings.LayerNorm")
        self._layers = [self._layer(f"encoder.layer.{index}") for index in range(architecture.layers)]
        del self._state

    def _tensor(self, name: str) -> Tensor:
        try:
            tensor = self._state[self._prefix + name]
        except KeyError:
            raise InvalidInput(f"the weights lack {self._prefix}{name}") from None
        return tensor.to(self.device, torch.float32)

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        return self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")

    def _layer(self, name: str) -> _Layer:
        parts = [self._pair(f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        return _Layer(
            qkv=Linear(torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])),
            attention=Linear(*self._pair(f"{name}.attention.output.dense")),
            attention_norm=self._pair(f"{name}.attention.output.LayerNorm"),
            up=Linear(*self._pair(f"{name}.intermediate.dense"), gelu=True),
            down=Linear(*self._pair(f"{name}.output.dense")),
            norm=self._pair(f"{name}.output.LayerNorm"),
        )

    @torch.inference_mode()
    def forward(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        """Return the last layer's states, float32 (tokens, dim).

        ids: int64 (tokens,), the texts' token ids end to end. lengths: tokens of each text, summing to `tokens`.
        """
        with _threads_for(len(ids)):
            return self._forward(ids, lengths)

    def _forward(self, ids: Tensor, lengths: Sequence[int]) -> Tensor:
        dim, heads, epsilon = self.architecture.dim, self.architecture.heads, self.architecture.epsilon
        groups = _groups(lengths)
        positions = torch.cat([torch.arange(length) for length in lengths]) + self.architecture.first_position
        states = F.embedding(ids.to(self.device), self._words) + self._positions[positions.to(self.device)]
        states = F.layer_norm(states, (dim,), *self._norm, epsilon)
        for layer in self._layers:
            mixed = self._attend(layer.qkv(states), groups, heads)
            states = F.layer_norm(states.add_(layer.attention(mixed)), (dim,), *layer.attention_norm, epsilon)
            states = F.layer_norm(states.add_(layer.down(layer.up(states))), (dim,), *layer.norm, epsilon)
        return states

    def _attend(self, qkv: Tensor, groups: Sequence[_Group], heads: int) -> Tensor:
        dim = qkv.shape[1] // 3
        if len(groups) == 1:
            return _attention(qkv, groups[0], heads, dim)
        mixed = qkv.new_empty((qkv.shape[0], dim))
        for group in groups:
            rows = slice(group.start, group.start + group.count * group.length)
            mixed[rows] = _attention(qkv[rows], group, heads, dim)
        return mixed


@contextmanager
def _threads_for(tokens: int) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if tokens <= _ONE_THREAD_TOKENS else threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _attention(qkv: Tensor, group: _Group, heads: int, dim: int) -> Tensor:
    """Return the attention of a group of equally long texts over themselves, (tokens, dim)."""
    split = qkv.view(group.count, group.length, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(split[0], split[1], split[2])
    return mixed.transpose(1, 2).reshape(group.count * group.length, dim)


def _groups(lengths: Sequence[int]) -> list[_Group]:
    groups: list[_Group] = []
    start = 0
    for length in lengths:
        if groups and groups[-1].length == length:
            last = groups[-1]
            groups[-1] = _Group(last.start, last.count + 1, length)
        else:
            groups.append(_Group(start, 1, length))
        start += length
    return groups
