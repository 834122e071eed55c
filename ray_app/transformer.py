"""The encoder shared by BERT and XLM-R, run by torch on packed tokens: texts lie end to end, nothing is padded.

Linear layers see one matrix of all tokens. Attention is one variable-length call on CUDA in half precision; elsewhere
it runs once per group of neighbouring texts of equal length. So a token's state never depends on what else is in the
batch beyond rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.encoder_state import EncoderState, Pair, TokenEmbeddings
from ray_app.linear import Int8Linear, Linear
from ray_app.pause import Pause, no_pause
from ray_app.threads import one_thread

# oneDNN makes and keeps a kernel for every number of rows it meets. When each batch has another number that takes a
# quarter of the time, and a gigabyte in the end, so batches are filled up to few of them.
_FEW: Final = 128
_FEW_STEP: Final = 16
_MANY_STEP: Final = 64
# Up to here a second thread gains two milliseconds on an idle machine, and is waited for on a busy one.
_ONE_THREAD_TOKENS: Final = 48


@dataclass(frozen=True, slots=True, eq=False)
class _Layer:
    """One layer, ready to run; query, key and value are fused into one matrix (3 * dim, dim)."""

    qkv: Linear | Int8Linear
    attention: Linear | Int8Linear
    attention_norm: Pair
    up: Linear | Int8Linear
    down: Linear | Int8Linear
    norm: Pair


@dataclass(frozen=True, slots=True)
class _Group:
    """`count` neighbouring texts of `length` tokens each, their tokens from `start` on."""

    start: int
    count: int
    length: int


class PackedTransformer:
    """A BERT or XLM-R encoder over loaded tensors."""

    def __init__(
        self, state: EncoderState, embeddings: TokenEmbeddings, device: torch.device, dtype: torch.dtype
    ) -> None:
        """Take the tensors to the device. `dtype` is of the matrix products, int8 on a CPU; states between stay fp32.

        Raises: InvalidInput naming a tensor that is missing.
        """
        self._architecture = state.architecture
        self._device = device
        self._embeddings = embeddings
        self._varlen = device.type == "cuda" and dtype is not torch.float32

        def linear(pair: Pair, *, gelu: bool = False) -> Linear | Int8Linear:
            if dtype is torch.int8:
                return Int8Linear(*pair, gelu=gelu)
            return Linear(pair[0].to(device, dtype), pair[1].to(device, dtype), gelu=gelu)

        def norm(pair: Pair) -> Pair:
            return pair[0].to(device), pair[1].to(device)

        self._layers = [
            _Layer(
                qkv=linear(layer.qkv),
                attention=linear(layer.attention),
                attention_norm=norm(layer.attention_norm),
                up=linear(layer.up, gelu=True),
                down=linear(layer.down),
                norm=norm(layer.norm),
            )
            for layer in state.layers()
        ]

    @torch.inference_mode()
    def forward(
        self, ids: Tensor, lengths: Sequence[int], *, first_only: bool = False, pause: Pause = no_pause
    ) -> Tensor:
        """Return the last layer's states, float32 (tokens, dim), or those of the texts' first tokens, (texts, dim).

        ids: int64 (tokens,), the texts' token ids end to end. lengths: tokens of each text, summing to `tokens`.
        pause: is called before every layer but the first.
        """
        texts, tokens = len(lengths), len(ids)
        first = list(accumulate(lengths[:-1], initial=0)) if first_only else None
        if self._device.type != "cpu":
            return self._forward(ids, lengths, first, pause)
        filling = _filling(tokens)
        if filling:
            ids, lengths = F.pad(ids, (0, filling)), [*lengths, filling]
        if first is not None:
            first += [0] * _filling(texts)
        with one_thread() if tokens <= _ONE_THREAD_TOKENS else nullcontext():
            return self._forward(ids, lengths, first, pause)[: tokens if first is None else texts]

    def _forward(self, ids: Tensor, lengths: Sequence[int], first: Sequence[int] | None, pause: Pause) -> Tensor:
        states = self._embeddings(ids, lengths)
        shape, epsilon = (self._architecture.dim,), self._architecture.epsilon
        attend = self._varlen_attention(lengths) if self._varlen else self._grouped_attention(lengths)
        for number, layer in enumerate(self._layers):
            if number:
                pause()
            mixed = attend(layer.qkv(states))
            if first is not None and layer is self._layers[-1]:
                # Nothing after the last attention looks at other tokens than those that come out.
                rows = torch.tensor(first, device=self._device)
                states, mixed = states[rows], mixed[rows]
            states = F.layer_norm(states.add_(layer.attention(mixed)), shape, *layer.attention_norm, epsilon)
            states = F.layer_norm(states.add_(layer.down(layer.up(states))), shape, *layer.norm, epsilon)
        return states

    def _varlen_attention(self, lengths: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """Return the attention of every text over itself in one kernel, (tokens, 3 * dim) -> (tokens, dim)."""
        # Brings torch's compiler along, which takes four seconds to import: for a GPU only, when it warms up.
        from torch.nn.attention.varlen import varlen_attn

        heads, longest = self._architecture.heads, max(lengths)
        bounds = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=self._device)

        def attend(qkv: Tensor) -> Tensor:
            query, key, value = qkv.view(len(qkv), 3, heads, -1).unbind(1)
            # A tuple only where more than the result is asked for.
            mixed = cast(Tensor, varlen_attn(query, key, value, bounds, bounds, longest, longest))
            return mixed.reshape(len(qkv), -1)

        return attend

    def _grouped_attention(self, lengths: Sequence[int]) -> Callable[[Tensor], Tensor]:
        """Return the same, one call per group of neighbouring texts of equal length."""
        heads, dim = self._architecture.heads, self._architecture.dim
        groups = _groups(lengths)

        def attend(qkv: Tensor) -> Tensor:
            if len(groups) == 1:
                return _attention(qkv, groups[0], heads, dim)
            mixed = qkv.new_empty((qkv.shape[0], dim))
            for group in groups:
                rows = slice(group.start, group.start + group.count * group.length)
                mixed[rows] = _attention(qkv[rows], group, heads, dim)
            return mixed

        return attend


def _filling(rows: int) -> int:
    """Return how many rows to add to come to a number of rows that comes often."""
    return -rows % (_FEW_STEP if rows <= _FEW else _MANY_STEP)


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
