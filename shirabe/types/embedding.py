"""What a model says of a text, and which model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Bytes = npt.NDArray[np.uint8]
TextKind = Literal["query", "passage"]
Output = Literal["dense", "sparse", "tokens", "bits"]
ALL_OUTPUTS: Final[tuple[Output, ...]] = get_args(Output)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What the model says of one text; absent parts are None.

    dense: float32 (dim,), L2 norm 1. sparse: {token id: weight > 0}, max per id, special tokens dropped.
    tokens: float16 (n, dim), each row L2 norm 1, CLS and padding removed. bits: uint8 (n, dim / 8), the signs of
    `tokens` packed big-endian (`numpy.packbits`), 1 where the value is > 0. code: what the model of the code index says
    of the same query, where it is another model.
    """

    dense: Floats | None = None
    sparse: Mapping[int, float] | None = None
    tokens: Halves | None = None
    bits: Bytes | None = None
    code: Embedding | None = None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What identifies a model wherever its vectors are kept.

    `name` and `revision` together name the vector space; `dim` is the dense width, `max_tokens` the longest input,
    `outputs` what the model can be asked for.
    """

    name: str
    revision: str
    dim: int
    max_tokens: int
    outputs: tuple[Output, ...] = ALL_OUTPUTS
