"""A model behind its queue: what was cut, and what happens when the device has no memory left."""

from __future__ import annotations

import threading
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
import torch

from ray_app.config import ServerConfig
from ray_app.model_queue import ModelQueue, load
from ray_app.observer import Observer
from ray_app.problems import TooLong
from ray_app.tokenizer import Ids, Tokenised
from shirabe.errors import NotFound, Overloaded
from shirabe.types import Output

LONGEST = 8
NONE: frozenset[Output] = frozenset()


class Device:
    """Gives each text's length back; raises what torch raises when a batch has more than `memory` tokens."""

    def __init__(self) -> None:
        self.memory = 1000
        self.failed: list[weakref.ref[torch.Tensor]] = []
        self.held: list[int] = []

    def give_back(self) -> None:
        self.held.append(sum(tensor() is not None for tensor in self.failed))

    def core(self, batch: Sequence[Ids], *_: object) -> list[int]:
        states = torch.zeros(sum(map(len, batch)))
        if len(states) > self.memory:
            self.failed.append(weakref.ref(states))
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [len(ids) for ids in batch]

    def post(self, raw: list[int], _: frozenset[Output]) -> list[int]:
        return raw


class Cuts(Observer):
    def __init__(self) -> None:
        self.texts = 0

    def truncated(self, texts: int) -> None:
        self.texts += texts


@asynccontextmanager
async def running(device: Device, observer: Observer | None = None) -> AsyncIterator[ModelQueue[list[int], int]]:
    loaded, thread = load(lambda: device)
    queue = ModelQueue(
        loaded.core, loaded.post, ServerConfig(), torch.device("cpu"), observer or Observer(), LONGEST, thread
    )
    yield queue
    await queue._scheduler.close()


def tokens(*lengths: int, cut: Sequence[int] = ()) -> Tokenised:
    return Tokenised((np.zeros(length, np.int32) for length in lengths), cut)


async def run(queue: ModelQueue[list[int], int], ids: Tokenised, *, cut: bool = True) -> tuple[list[int], int, int]:
    ran = await queue.run(lambda: ids, map(len, ids), NONE, "passage", cut=cut)
    return ran.rows, ran.tokens, ran.truncated


async def test_a_text_as_long_as_the_model_takes_is_not_cut() -> None:
    notes = Cuts()
    async with running(Device(), notes) as queue:
        assert await run(queue, tokens(3, LONGEST), cut=False) == ([3, LONGEST], 11, 0)
        assert notes.texts == 0
        longer = tokens(3, LONGEST, LONGEST, cut=[2])
        assert await run(queue, longer) == ([3, LONGEST, LONGEST], 19, 1)
        assert notes.texts == 1
        with pytest.raises(TooLong, match="text 2 is longer than the 8 tokens"):
            await run(queue, longer, cut=False)
        assert notes.texts == 1


async def test_out_of_memory_halves_the_batch_and_fails_only_what_is_too_large_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = Device()
    monkeypatch.setattr(torch.cuda, "empty_cache", device.give_back)
    async with running(device) as queue:
        device.memory = 16
        assert await run(queue, tokens(8, 8, 8, 8)) == ([8] * 4, 32, 0)
        with pytest.raises(Overloaded, match="not enough memory for 20 tokens"):
            await run(queue, tokens(8, 20))
        assert await run(queue, tokens(8)) == ([8], 8, 0)
        queue.check()
    # What a pass that failed had in hand is free when the memory is given back.
    assert device.held == [0, 0, 0]


async def test_a_model_is_built_in_the_thread_that_runs_it() -> None:
    built: list[str] = []

    def build() -> Device:
        built.append(threading.current_thread().name)
        return Device()

    _, thread = load(build)

    assert built == [thread.submit(lambda: threading.current_thread().name).result()]
    assert built != [threading.current_thread().name]
    thread.shutdown()


async def test_what_building_a_model_raises_is_raised() -> None:
    def build() -> Device:
        raise NotFound("no such folder")

    with pytest.raises(NotFound, match="no such folder"):
        load(build)
