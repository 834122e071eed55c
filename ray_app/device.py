"""Where and with how much a model computes."""

from __future__ import annotations

import os
from typing import Final

import torch

from ray_app.config import ServerConfig
from ray_app.lane import Limits

# On a CPU a forward pass of this size is as efficient as a larger one, and is over in a fraction of a second: that is
# what a query may have to wait for.
_CPU_BATCH_TOKENS: Final = 1024
# What a search does after its query is embedded takes this long at most, or nearly; where models share its processors,
# it waits for them.
_CPU_REST_S: Final = 0.12


def open_device(config: ServerConfig) -> torch.device:
    """Return the device to compute on, and give torch its threads (Ray tells a replica's process to use one)."""
    torch.set_num_threads(config.threads or len(os.sched_getaffinity(0)))
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)


def limits(config: ServerConfig, device: torch.device) -> Limits:
    """Return the scheduler's token counts for a device."""
    on_gpu = device.type == "cuda"
    batch = config.batch_tokens if on_gpu else min(config.batch_tokens, _CPU_BATCH_TOKENS)
    # Half of what a caller waits: the other half is for its own batches, and for queries that overtake it.
    return Limits(batch, batch, config.queue_tokens, config.timeout_s / 2, 0.0 if on_gpu else _CPU_REST_S)
