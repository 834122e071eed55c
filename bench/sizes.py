"""How large a model and its batches are, what a forward pass costs in arithmetic, and how fast this device is at it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

_ROUNDS: Final = 5
BATCH_TOKENS: Final = {"cpu": 1024, "cuda": 16_384}
"""Tokens of one of our forward passes."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of an encoder that decide what a token costs."""

    dim: int
    layers: int
    feed_forward: int

    def operations(self, tokens: Sequence[int]) -> float:
        """Return the floating-point operations of a forward pass over texts of so many tokens, heads left out."""
        weights = self.layers * (4 * self.dim * self.dim + 2 * self.dim * self.feed_forward)
        # Each token's query meets each key of its text, and each value is weighed: two products.
        return sum(2.0 * weights * length + 4.0 * self.layers * self.dim * length * length for length in tokens)


def read_sizes(folder: Path) -> Sizes:
    """Return the sizes of a checkpoint folder."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Sizes(config["hidden_size"], config["num_hidden_layers"], config["intermediate_size"])


def product_speed(sizes: Sizes, device: torch.device) -> float:
    """Return the operations a second of the model's largest matrix product, fp32 on a CPU and fp16 on a GPU."""
    dtype = torch.float32 if device.type == "cpu" else torch.float16
    tokens = BATCH_TOKENS[device.type]
    states = torch.randn(tokens, sizes.dim, device=device).to(dtype)
    weight = torch.randn(sizes.feed_forward, sizes.dim, device=device).to(dtype)
    least = float("inf")
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        for _ in range(_ROUNDS):
            torch.nn.functional.linear(states, weight)
        if device.type == "cuda":
            torch.cuda.synchronize()
        least = min(least, time.perf_counter() - begun)
    return _ROUNDS * 2.0 * tokens * sizes.dim * sizes.feed_forward / least
