"""What precision matrix products run in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

from ray_app.models import Family
from shirabe.errors import InvalidInput
from shirabe.settings import Precision

_DTYPES: Final[Mapping[Precision, torch.dtype]] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
# What `auto` is on a GPU: the models of a family were trained in it, or lose nothing in it.
HALVES: Final[Mapping[Family, torch.dtype]] = {
    "bert": torch.float16,
    "xlm-roberta": torch.float16,
    "qwen3": torch.bfloat16,
}


# What multiplies int8 without overflow, by torch's names.
INT8_UNITS: Final = ("avx512_vnni", "avx_vnni", "amx_int8")


def check_int8() -> None:
    """Raise InvalidInput where the processor's products of int8 overflow, as they do in plain AVX2."""
    if not any(torch.cpu.get_capabilities().get(unit) for unit in INT8_UNITS):
        raise InvalidInput("int8 needs a processor with VNNI or AMX", "models.precision")


def dtype_for(precision: Precision, device: torch.device, half: torch.dtype = torch.float16) -> torch.dtype:
    """Return the dtype of a setting; `auto` is what the device has matrix units for.

    That is `half`, as the model was trained, on a GPU, bf16 on a CPU with AMX, and fp32 on another.

    Raises: InvalidInput for int8, which is no dtype of states.
    """
    if precision == "auto":
        if device.type != "cpu":
            return half
        return torch.bfloat16 if torch.cpu.get_capabilities().get("amx_bf16") else torch.float32
    if precision not in _DTYPES:
        raise InvalidInput(f"{precision} is for BERT and XLM-R models on a CPU", "models.precision")
    return _DTYPES[precision]


def dtype_name(precision: Precision, device: torch.device, family: Family) -> str:
    """Return the name of what a model that was loaded computes in: a dtype of torch, or `int8`."""
    if precision == "int8":
        return precision
    return str(dtype_for(precision, device, HALVES[family])).removeprefix("torch.")
