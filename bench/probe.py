"""How much of FlagEmbedding's time goes into the forward pass that each of its calls makes only to try its memory."""

from __future__ import annotations

import time
from typing import Any, Self

import torch
from torch import nn


class ProbeClock:
    """Times, of the last call, its first forward pass, whose result FlagEmbedding throws away, and the whole.

    The pass is part of the library's call, so it stays in what is compared; this only tells how much it is.
    """

    def __init__(self, module: nn.Module) -> None:
        """Watch a module."""
        module.register_forward_pre_hook(self._before)
        module.register_forward_hook(self._after)
        self._begun = self._first_begun = self._first = self._whole = 0.0

    def __enter__(self) -> Self:
        self._begun, self._first_begun, self._first = time.perf_counter(), 0.0, 0.0
        return self

    def __exit__(self, *_error: object) -> None:
        self._whole = time.perf_counter() - self._begun

    def share(self) -> str:
        """Return the share of time in words."""
        return f"{self._first / self._whole:.0%} of it a probe pass"

    def _before(self, _module: nn.Module, _inputs: Any) -> None:
        if not self._first_begun:
            self._first_begun = time.perf_counter()

    def _after(self, _module: nn.Module, _inputs: Any, _output: Any) -> None:
        if not self._first:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self._first = time.perf_counter() - self._first_begun
