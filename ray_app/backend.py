"""Which code runs an encoder's layers, by device and precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import torch
from torch import Tensor

from ray_app.checkpoint import Architecture
from ray_app.encoder_state import EncoderState, TokenEmbeddings
from ray_app.onnx_transformer import OnnxTransformer
from ray_app.pause import Pause, no_pause
from ray_app.precision import check_int8, dtype_for
from ray_app.recorded import graphs_for
from ray_app.transformer import PackedTransformer
from shirabe.settings import Precision

# Measured on two cores in fp32: below, ONNX Runtime takes half of torch's time; above, what it pads costs more than it
# gains.
_SHORT_TOKENS: Final = 96


class Transformer(Protocol):
    """An encoder without its heads."""

    def forward(
        self, ids: Tensor, lengths: Sequence[int], *, first_only: bool = False, pause: Pause = no_pause
    ) -> Tensor:
        """Return the last layer's states, float32 (tokens, dim), for ids int64 (tokens,) of texts end to end.

        first_only: only those of each text's first token, (texts, dim), which spares most of the last layer.
        pause: is called between layers, where they can be told apart.
        """


class CpuTransformer:
    """ONNX Runtime where a batch is short, packed torch where it is long: each where it is the quicker one."""

    def __init__(self, short: Transformer, long: Transformer) -> None:
        self._short = short
        self._long = long

    def forward(
        self, ids: Tensor, lengths: Sequence[int], *, first_only: bool = False, pause: Pause = no_pause
    ) -> Tensor:
        """Return the last layer's states, float32 (tokens, dim), or those of the texts' first tokens, (texts, dim)."""
        is_short = len(lengths) * max(lengths) <= _SHORT_TOKENS
        return (self._short if is_short else self._long).forward(ids, lengths, first_only=first_only, pause=pause)


def open_transformer(
    tensors: Mapping[str, Tensor], architecture: Architecture, device: torch.device, precision: Precision
) -> Transformer:
    """Return what runs a checkpoint's layers.

    Raises: InvalidInput naming a tensor that is missing, or for a precision that the device does not have.
    """
    state = EncoderState(tensors, architecture)
    embeddings = TokenEmbeddings(state, device)
    on_cpu = device.type == "cpu"
    if on_cpu and precision == "int8":
        check_int8()
        return PackedTransformer(state, embeddings, device, torch.int8)
    dtype = dtype_for(precision, device)
    packed = PackedTransformer(state, embeddings, device, dtype, graphs_for(device, dtype))
    if on_cpu and dtype is torch.float32:
        return CpuTransformer(OnnxTransformer(state, embeddings), packed)
    return packed
