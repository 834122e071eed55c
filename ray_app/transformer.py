"""The encoder shared by BERT and XLM-R, run by torch on packed tokens: texts lie end to end, nothing is padded.

Linear layers see one matrix of all tokens. Attention is one variable-length call on CUDA in half precision, where short
passes are recorded too; elsewhere it runs once per group of neighbouring texts of equal length. So a token's state
never depends on what else is in the batch beyond rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ray_app.attention import Attention, Bounds, has_varlen, packed_groups, packed_varlen
from ray_app.encoder_state import EncoderState, Pair, TokenEmbeddings
from ray_app.linear import Int8Linear, Linear
from ray_app.pause import Pause, no_pause
from ray_app.recorded import Packed, Record, RecordedPasses
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


class PackedTransformer:
    """A BERT or XLM-R encoder over loaded tensors."""

    def __init__(
        self,
        state: EncoderState,
        embeddings: TokenEmbeddings,
        device: torch.device,
        dtype: torch.dtype,
        record: Record | None = None,
    ) -> None:
        """Take the tensors to the device. `dtype` is of the matrix products, int8 on a CPU; states between stay fp32.

        record: is how short passes are recorded, when they are.

        Raises: InvalidInput naming a tensor that is missing.
        """
        self._architecture = state.architecture
        self._device = device
        self._embeddings = embeddings
        self._varlen = has_varlen(device, dtype)
        self._plain = device.type == "cpu" and dtype is not torch.bfloat16

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
        first = self._architecture.first_position
        self._recorded = RecordedPasses(self._run, first, device, record) if record is not None else None

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
        if self._recorded is not None:
            states = self._recorded(ids, lengths)
            if states is not None:
                return states if first is None else states[torch.tensor(first, device=self._device)]
        if self._device.type != "cpu":
            return self._forward(ids, lengths, first, pause)
        filling = _filling(tokens)
        if filling:
            ids, lengths = F.pad(ids, (0, filling)), [*lengths, filling]
        if first is not None:
            first += [0] * _filling(texts)
        with one_thread() if tokens <= _ONE_THREAD_TOKENS else nullcontext():
            return self._forward(ids, lengths, first, pause)[: tokens if first is None else texts]

    def _run(self, packed: Packed) -> Tensor:
        states = self._embeddings.at(packed.ids, packed.positions)
        return self._through(states, packed_varlen(packed.bounds, self._architecture.heads), None, no_pause)

    def _forward(self, ids: Tensor, lengths: Sequence[int], first: Sequence[int] | None, pause: Pause) -> Tensor:
        heads = self._architecture.heads
        if self._varlen:
            attend = packed_varlen(Bounds.of(lengths, self._device), heads)
        else:
            attend = packed_groups(lengths, heads, plain=self._plain)
        return self._through(self._embeddings(ids, lengths), attend, first, pause)

    def _through(self, states: Tensor, attend: Attention, first: Sequence[int] | None, pause: Pause) -> Tensor:
        shape, epsilon = (self._architecture.dim,), self._architecture.epsilon
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


def _filling(rows: int) -> int:
    """Return how many rows to add to come to a number of rows that comes often."""
    return -rows % (_FEW_STEP if rows <= _FEW else _MANY_STEP)
