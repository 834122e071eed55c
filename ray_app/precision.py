"""What precision matrix products run in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

from shirabe.errors import InvalidInput
from shirabe.settings import Precision

_DTYPES: Final[Mapping[Precision, torch.dtype]] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def dtype_for(precision: Precision, device: torch.device, half: torch.dtype = torch.float16) -> torch.dtype:
    """Return the dtype of a setting; `auto` is fp32 on a CPU, and `half`, as the model was trained, elsewhere.

    Raises: InvalidInput for int8, which torch does not run here.
    """
    if precision == "auto":
        return torch.float32 if device.type == "cpu" else half
    if precision not in _DTYPES:
        raise InvalidInput(f"{precision} is for BERT and XLM-R models on a CPU", "models.precision")
    return _DTYPES[precision]
