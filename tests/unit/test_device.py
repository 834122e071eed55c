"""What a device changes of a scheduler's bounds."""

from __future__ import annotations

import torch

from ray_app.config import ServerConfig
from ray_app.device import limits

CONFIG = ServerConfig(batch_tokens=4096, queue_tokens=100_000, timeout_s=60)


def test_passages_rest_on_processors_that_a_search_needs_too() -> None:
    assert limits(CONFIG, torch.device("cpu")).rest_s > 0
    assert limits(CONFIG, torch.device("cuda")).rest_s == 0


def test_batches_of_a_processor_are_over_soon() -> None:
    on_cpu, on_gpu = limits(CONFIG, torch.device("cpu")), limits(CONFIG, torch.device("cuda"))
    assert on_cpu.passage_batch < on_gpu.passage_batch == 4096
    assert on_cpu.queue == on_gpu.queue == 100_000
    assert on_cpu.wait_s == on_gpu.wait_s == 30
