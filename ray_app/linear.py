"""A linear layer ready to run: on a CPU its weight is laid out once as oneDNN wants it, which saves a quarter."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

# oneDNN chooses its layout for about this many rows; other numbers work too.
_TYPICAL_ROWS: Final = 256
_INT8_MOST: Final = 127
_UINT8_STEPS: Final = 255
_TINY: Final = torch.finfo(torch.float32).tiny


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


class Int8Linear:
    """The same with weights in int8, a scale for each output, and states in uint8, a scale and an offset for each row.

    What a row spans is found as it comes (per-token dynamic quantisation): https://arxiv.org/abs/2206.01861. From its
    least to its largest value, for what comes out of GELU, and the model's few outlying dimensions, lie on one side:
    nearly a bit is gained over a span around zero. States are unsigned also because VNNI multiplies unsigned with
    signed numbers; where both are signed and there is no AMX, oneDNN has a loop that takes a thousand times as long.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, gelu: bool = False) -> None:
        """Take a weight (out, in) and a bias (out,), float32, on a CPU."""
        scale = weight.abs().amax(1, keepdim=True).clamp_(min=_TINY).div_(_INT8_MOST)
        quantised = (weight / scale).round_().to(torch.int8)
        self._weight: Tensor = torch.ops.onednn.qlinear_prepack(quantised, [_TYPICAL_ROWS, weight.shape[1]])
        self._scale = scale.flatten()
        self._sums = quantised.sum(1) * self._scale
        self._zero = torch.zeros(len(weight), dtype=torch.int32)
        self._bias = bias
        self._gelu = gelu

    def __call__(self, states: Tensor) -> Tensor:
        """Return float32 (rows, out) for float32 (rows, in)."""
        least = states.amin(1, keepdim=True)
        steps = states.amax(1, keepdim=True).sub_(least).clamp_(min=_TINY).div_(_UINT8_STEPS)
        inverse = steps.reciprocal()
        # The half makes the cut to whole numbers round; one pass over the states.
        quantised = torch.addcmul(0.5 - least * inverse, states, inverse).to(torch.uint8)
        result: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(quantised, 1.0, 0, self._weight, self._scale, self._zero, None),
            *(1.0, 0, torch.float32, "none", [], ""),
        )
        torch.addcmul(self._bias, result, steps, out=result)
        result.addr_(least.flatten(), self._sums)
        return F.gelu(result) if self._gelu else result


def _pack(weight: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _TYPICAL_ROWS)
    return packed
