"""Short forward passes on CUDA, recorded as graphs when the model is loaded, and replayed.

What a query waits for is the launching of hundreds of kernels, not what they compute; a graph is launched once. Its
shapes and addresses are fixed. So a batch is filled up to the next recorded number of tokens by one text more, and to
the recorded number of texts by empty ones; attention reads on the device where each lies.
https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from ray_app.attention import Bounds, has_varlen

_LOG: Final = logging.getLogger(__name__)

# Above the last, a GPU computes for longer than it takes to launch; between two, at most half more is computed.
TOKENS: Final = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
TEXTS: Final = 16
# Libraries choose kernels and take workspaces in the first runs, which no graph may hold.
_WARMING_RUNS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A batch on the device: ids and positions, int32 (tokens,), of texts end to end, and where they lie."""

    ids: Tensor
    positions: Tensor
    bounds: Bounds


class Replay(Protocol):
    """Does recorded work again: on what lies in its inputs now, into the tensor it once returned."""

    def __call__(self) -> None:
        """Do it."""


Record = Callable[[Callable[[], Tensor]], tuple[Replay, Tensor]]


def graphs_for(device: torch.device, dtype: torch.dtype) -> Record | None:
    """Return what records work as CUDA graphs, or None where attention is not one kernel that reads its bounds.

    They share one pool of memory, so they must not run side by side.
    """
    if not has_varlen(device, dtype):
        return None
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], Tensor]) -> tuple[Replay, Tensor]:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARMING_RUNS):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Other threads of the process may use the device meanwhile: another model may be loading, or at work.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            result = work()
        return graph.replay, result

    return record


class _Pass:
    """One pass of `tokens` tokens in up to `TEXTS` texts."""

    def __init__(self, run: Callable[[Packed], Tensor], tokens: int, device: torch.device, record: Record) -> None:
        self.tokens = tokens
        # One more text is what fills the tokens up. All inputs are one tensor, so they take one copy.
        self._input = torch.zeros(2 * tokens + TEXTS + 2, dtype=torch.int32, device=device)
        ids, positions, starts = torch.split(self._input, [tokens, tokens, TEXTS + 2])
        starts[1:] = tokens
        packed = Packed(ids, positions, Bounds(starts, tokens))
        self._replay, self._states = record(lambda: run(packed))

    def __call__(self, ids: np.ndarray, positions: np.ndarray, lengths: Sequence[int]) -> Tensor:
        rows = np.zeros(len(self._input), np.int32)
        rows[: len(ids)] = ids
        rows[self.tokens : self.tokens + len(ids)] = positions
        starts = rows[2 * self.tokens :]
        starts[: len(lengths) + 1] = [0, *accumulate(lengths)]
        starts[len(lengths) + 1 :] = self.tokens
        self._input.copy_(torch.from_numpy(rows))
        self._replay()
        # The next pass writes over it.
        return self._states[: len(ids)].clone()


class RecordedPasses:
    """What replays a model's short passes."""

    @torch.inference_mode()
    def __init__(
        self, run: Callable[[Packed], Tensor], first_position: int, device: torch.device, record: Record
    ) -> None:
        """Record `run`, which gives the last layer's states (tokens, dim); without graphs all passes are too long.

        first_position: of each text's first token.
        """
        self._first = first_position
        self._passes: list[_Pass] = []
        try:
            self._passes = [_Pass(run, tokens, device, record) for tokens in reversed(TOKENS)][::-1]
        except RuntimeError as error:
            # Slower queries are better than none.
            _LOG.warning("short passes run without CUDA graphs: %s", error)

    def __call__(self, ids: Tensor, lengths: Sequence[int]) -> Tensor | None:
        """Return the last layer's states, (tokens, dim), or None when the batch is too long to be recorded."""
        if len(lengths) > TEXTS:
            return None
        fitting = next((one for one in self._passes if one.tokens >= len(ids)), None)
        if fitting is None:
            return None
        positions = np.concatenate([np.arange(self._first, self._first + length) for length in lengths])
        return fitting(ids.numpy(), positions, lengths)
