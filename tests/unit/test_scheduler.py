"""The token-budget batcher, around a model whose pace the test sets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import numpy as np
import pytest

from ray_app.lane import Lane, Limits
from ray_app.observer import Observer
from ray_app.pause import Pause, no_pause
from ray_app.scheduler import Scheduler
from ray_app.tokenizer import Ids
from ray_app.turns import Turns
from shirabe.errors import Overloaded, Unavailable
from shirabe.types import Output

DENSE: frozenset[Output] = frozenset({"dense"})
PATIENCE_S = 10.0


def text(name: int, length: int) -> Ids:
    """A text of `length` tokens that can be told apart by its first."""
    return np.full(length, name, np.int32)


class FakeModel:
    """Gives each text's first token back; the gate holds the forward pass, `broken` names the stage that fails.

    `memory` is how many tokens a forward pass may have. It has two layers; `second` holds the later one of passages.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.second = threading.Event()
        self.second.set()
        self.entered = threading.Semaphore(0)
        self.batches: list[list[tuple[int, int]]] = []
        self.outputs: list[frozenset[Output]] = []
        self.broken = ""
        self.memory = 1_000_000

    def core(self, batch: Sequence[Ids], outputs: frozenset[Output], pause: Pause) -> list[int]:
        self.batches.append([(int(ids[0]), len(ids)) for ids in batch])
        self.outputs.append(outputs)
        self.entered.release()
        if not self.gate.wait(PATIENCE_S):
            raise TimeoutError("the test never opened the gate")
        if self.broken == "core":
            raise ValueError("odd")
        if sum(map(len, batch)) > self.memory:
            raise MemoryError("no more")
        pause()
        if pause is not no_pause and not self.second.wait(PATIENCE_S):
            raise TimeoutError("the test never opened the second gate")
        return [int(ids[0]) for ids in batch]

    def post(self, raw: list[int], outputs: frozenset[Output]) -> list[int]:
        if self.broken == "post":
            raise ArithmeticError("odd")
        if self.broken == "memory of post":
            self.broken = ""
            raise MemoryError("no more")
        return raw

    async def in_forward(self) -> None:
        """Wait until one more batch is in the forward pass."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE_S)


@asynccontextmanager
async def running(
    model: FakeModel, batch: int = 100, queue: int = 10_000, observer: Observer | None = None, rest_s: float = 0.0
) -> AsyncIterator[Scheduler[list[int], int]]:
    limits = Limits(query_batch=batch, passage_batch=batch, queue=queue, rest_s=rest_s)
    scheduler = Scheduler(model.core, model.post, limits, observer)
    scheduler.start()
    try:
        yield scheduler
    finally:
        model.gate.set()
        model.second.set()
        await scheduler.close()


def submit(
    scheduler: Scheduler[list[int], int], texts: Sequence[Ids], lane: Lane, outputs: frozenset[Output] = DENSE
) -> asyncio.Task[list[int]]:
    return asyncio.create_task(scheduler.submit(lambda: texts, sum(map(len, texts)), outputs, lane))


def waiting(scheduler: Scheduler[list[int], int], lane: Lane) -> int:
    """Texts that are ready for a batch; `queued_tokens` counts those that are still being tokenised, too."""
    return len(scheduler._queries if lane == "query" else scheduler._passages)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the scheduler has no event for it
            await asyncio.sleep(0)


async def test_rows_come_back_in_order_though_batches_are_sorted() -> None:
    model = FakeModel()
    async with running(model) as scheduler:
        texts = [text(name, length) for name, length in enumerate([90, 5, 60, 30, 5, 99])]
        assert await submit(scheduler, texts, "passage") == [0, 1, 2, 3, 4, 5]
    lengths = [[length for _, length in batch] for batch in model.batches]
    assert lengths == [[5, 5, 30, 60], [90], [99]]


async def test_no_batch_exceeds_the_budget_but_a_text_longer_than_it_runs_alone() -> None:
    model = FakeModel()
    async with running(model) as scheduler:
        assert await submit(scheduler, [text(0, 250), text(1, 40), text(2, 40), text(3, 40)], "passage") == [0, 1, 2, 3]
    assert sorted(sum(length for _, length in batch) for batch in model.batches) == [40, 80, 250]


async def test_callers_share_a_batch() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model) as scheduler:
        first = submit(scheduler, [text(0, 10)], "passage")
        await model.in_forward()
        others = [submit(scheduler, [text(name, 10)], "passage") for name in range(1, 6)]
        await until(lambda: waiting(scheduler, "passage") == 5)
        model.gate.set()
        assert await asyncio.gather(first, *others) == [[0], [1], [2], [3], [4], [5]]
    assert [len(batch) for batch in model.batches] == [1, 5]


async def test_a_batch_computes_what_any_of_its_callers_asked_for() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model) as scheduler:
        first = submit(scheduler, [text(0, 10)], "query")
        await model.in_forward()
        others = [
            submit(scheduler, [text(1, 10)], "query", frozenset({"sparse"})),
            submit(scheduler, [text(2, 10)], "query", frozenset({"bits"})),
        ]
        await until(lambda: waiting(scheduler, "query") == 2)
        model.gate.set()
        await asyncio.gather(first, *others)
    assert model.outputs == [DENSE, {"sparse", "bits"}]


async def test_a_query_waits_for_one_batch_of_passages_at_most() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model) as scheduler:
        ingest = submit(scheduler, [text(name, 50) for name in range(20)], "passage")
        await model.in_forward()
        query = submit(scheduler, [text(99, 8)], "query")
        await until(lambda: waiting(scheduler, "query") == 1)
        model.gate.set()
        assert await query == [99]
        assert await ingest == list(range(20))
    assert model.batches[1] == [(99, 8)]


async def query_among_layers(
    model: FakeModel, scheduler: Scheduler[list[int], int], queries: Sequence[Ids]
) -> tuple[asyncio.Task[list[int]], asyncio.Task[list[int]]]:
    """Let queries come while a batch of passages is in its first layer; the second stays shut."""
    model.gate.clear()
    model.second.clear()
    passages = submit(scheduler, [text(1, 50)], "passage")
    await model.in_forward()
    asked = submit(scheduler, queries, "query")
    await until(lambda: waiting(scheduler, "query") == len(queries))
    model.gate.set()
    return passages, asked


async def test_a_query_is_answered_between_two_layers_of_passages() -> None:
    model, notes = FakeModel(), Notes()
    async with running(model, observer=notes) as scheduler:
        passages, asked = await query_among_layers(model, scheduler, [text(2, 5), text(3, 4)])
        async with asyncio.timeout(PATIENCE_S):
            assert await asked == [2, 3]
        assert not passages.done()
        model.second.set()
        assert await passages == [1]
        assert scheduler.queued_tokens == 0
    assert model.batches == [[(1, 50)], [(3, 4), (2, 5)]]
    assert notes.batches == [(9, 100), (50, 100)]
    assert notes.waits == ["passage", "query"]


class LongRest(Turns):
    """Rests after a query until it is over."""

    def __init__(self) -> None:
        super().__init__()
        self.over = threading.Event()
        self.owed: list[float] = []

    def owe(self, rest_s: float) -> None:
        self.owed.append(rest_s)

    def rest(self, wait: Callable[[float], object]) -> bool:
        if not self.owed or self.over.is_set():
            return False
        wait(0.01)
        return True


async def test_passages_rest_after_a_query_and_let_the_next_one_in() -> None:
    model, turns = FakeModel(), LongRest()
    model.gate.clear()
    async with running(model, batch=10, rest_s=0.5) as scheduler:
        scheduler._turns = turns
        passage = submit(scheduler, [text(0, 10)], "passage")
        await model.in_forward()
        first = submit(scheduler, [text(1, 10)], "query")
        await until(lambda: waiting(scheduler, "query") == 1)
        model.gate.set()
        assert await first == [1]
        # The passages are between two layers still: who asks now need not wait for the rest of them.
        assert await submit(scheduler, [text(2, 10)], "query") == [2]
        assert not passage.done()
        turns.over.set()
        assert await passage == [0]
        # A query that nothing was waiting behind is rested after, too.
        assert await submit(scheduler, [text(3, 10)], "query") == [3]
    assert turns.owed == [0.5, 0.5, 0.5]


async def test_queries_between_layers_that_find_no_memory_are_halved_and_the_passages_go_on() -> None:
    model = FakeModel()
    async with running(model) as scheduler:
        model.memory = 60
        passages, asked = await query_among_layers(model, scheduler, [text(2, 40), text(3, 30)])
        await model.in_forward()
        model.second.set()
        assert await asked == [2, 3]
        assert await passages == [1]
    assert [len(batch) for batch in model.batches] == [1, 2, 1, 1]


async def test_passages_get_on_though_queries_never_end() -> None:
    model = FakeModel()
    async with running(model) as scheduler:
        scheduler._turns = Turns(clock=lambda: 0.0)
        scheduler._turns._credit_s = 0.0
        passages, asked = await query_among_layers(model, scheduler, [text(2, 5)])
        model.second.set()
        assert await passages == [1]
        assert await asked == [2]
    assert model.batches == [[(1, 50)], [(2, 5)]]


async def test_passages_do_not_starve_under_queries() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model, batch=10) as scheduler:
        # Each look at this clock takes a tenth of a second.
        scheduler._turns = Turns(clock=partial(next, count(step=0.1)))
        first = submit(scheduler, [text(0, 10)], "query")
        await model.in_forward()
        ingest = submit(scheduler, [text(77, 10)], "passage")
        queries = [submit(scheduler, [text(name, 10)], "query") for name in range(1, 61)]
        await until(lambda: scheduler.queued_tokens == 62 * 10)
        model.gate.set()
        await asyncio.gather(first, ingest, *queries)
    place = model.batches.index([(77, 10)])
    assert 0 < place < 30


async def test_long_passages_do_not_starve_under_short_ones() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model, batch=100) as scheduler:
        first = submit(scheduler, [text(0, 10)], "passage")
        await model.in_forward()
        long = submit(scheduler, [text(1, 100)], "passage")
        await until(lambda: scheduler.queued_tokens == 110)
        short = submit(scheduler, [text(2, 5) for _ in range(1000)], "passage")
        await until(lambda: scheduler.queued_tokens == 110 + 5000)
        model.gate.set()
        await asyncio.gather(first, long, short)
    place = next(i for i, batch in enumerate(model.batches) if (1, 100) in batch)
    assert place <= 10
    assert len(model.batches) > 40


async def test_a_caller_with_few_passages_does_not_wait_for_all_of_another() -> None:
    model = FakeModel()
    async with running(model) as scheduler:
        model.gate.clear()
        many = submit(scheduler, [text(1, 50) for _ in range(20)], "passage")
        await model.in_forward()
        few = submit(scheduler, [text(2, 40)], "passage")
        await until(lambda: waiting(scheduler, "passage") == 19)
        model.gate.set()

        assert await few == [2]
        assert not many.done()
        await many

    assert [(2, 40)] in model.batches[:3]


async def test_many_passages_get_every_other_batch_though_few_never_end() -> None:
    model = FakeModel()
    async with running(model) as scheduler:
        model.gate.clear()
        many = submit(scheduler, [text(1, 100) for _ in range(4)], "passage")
        await model.in_forward()
        few = [submit(scheduler, [text(2, 100)], "passage") for _ in range(10)]
        await until(lambda: waiting(scheduler, "passage") == 13)
        model.gate.set()
        await asyncio.gather(many, *few)

    assert [batch[0][0] for batch in model.batches[:8]] == [1, 2, 1, 2, 1, 2, 1, 2]


async def test_a_full_queue_is_an_answer() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model, queue=100) as scheduler:
        first = submit(scheduler, [text(0, 60)], "passage")
        await model.in_forward()
        with pytest.raises(Overloaded) as caught:
            await submit(scheduler, [text(1, 60)], "passage")
        assert 0 < caught.value.retry_after_s <= 30
        fitting = submit(scheduler, [text(2, 30)], "query")
        await until(lambda: scheduler.queued_tokens == 90)
        model.gate.set()
        assert [await first, await fitting] == [[0], [2]]
        assert await submit(scheduler, [text(3, 60)], "passage") == [3]
        assert scheduler.queued_tokens == 0


async def test_passages_never_fill_the_queue_for_queries() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model, queue=100) as scheduler:
        first = submit(scheduler, [text(0, 60)], "passage")
        await model.in_forward()
        second = submit(scheduler, [text(1, 40)], "passage")
        await until(lambda: waiting(scheduler, "passage") == 1)
        query = submit(scheduler, [text(2, 80)], "query")
        await until(lambda: waiting(scheduler, "query") == 1)
        lanes: tuple[Lane, ...] = ("passage", "query")
        for lane in lanes:
            with pytest.raises(Overloaded):
                await submit(scheduler, [text(3, 30)], lane)
        model.gate.set()
        assert [await first, await second, await query] == [[0], [1], [2]]


async def test_what_would_wait_too_long_is_refused_though_the_queue_has_room() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model) as scheduler:
        # By its first guess the scheduler takes a thousandth of a second for ten tokens.
        scheduler.reconfigure(Limits(query_batch=100, passage_batch=100, queue=10_000, wait_s=0.001))
        first = submit(scheduler, [text(0, 60)], "passage")
        await model.in_forward()
        with pytest.raises(Overloaded):
            await submit(scheduler, [text(1, 5)], "passage")
        scheduler.reconfigure(Limits(query_batch=100, passage_batch=100, queue=10_000, wait_s=0.1))
        second = submit(scheduler, [text(1, 5)], "passage")
        await until(lambda: waiting(scheduler, "passage") == 1)
        model.gate.set()
        assert [await first, await second] == [[0], [1]]


async def test_a_request_larger_than_the_queue_runs_when_nothing_waits() -> None:
    model = FakeModel()
    async with running(model, queue=100) as scheduler:
        assert await submit(scheduler, [text(0, 500)], "passage") == [0]


async def test_a_caller_that_left_costs_no_forward_pass() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model, batch=10) as scheduler:
        first = submit(scheduler, [text(0, 10)], "passage")
        await model.in_forward()
        gone = submit(scheduler, [text(1, 10), text(2, 10)], "passage")
        asked = submit(scheduler, [text(3, 10)], "query")
        await until(lambda: scheduler.queued_tokens == 40)
        gone.cancel()
        asked.cancel()
        await asyncio.gather(gone, asked, return_exceptions=True)
        assert scheduler.queued_tokens == 10
        model.gate.set()
        assert await first == [0]
        assert await submit(scheduler, [text(4, 10)], "passage") == [4]
    assert model.batches == [[(0, 10)], [(4, 10)]]


@pytest.mark.parametrize("stage", ["core", "post"])
async def test_when_a_stage_dies_every_caller_hears(stage: str) -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model, batch=10) as scheduler:
        callers = [submit(scheduler, [text(name, 10)], "passage") for name in range(5)]
        callers.append(submit(scheduler, [text(9, 10)], "query"))
        await until(lambda: scheduler.queued_tokens == 60)
        await model.in_forward()
        model.broken = stage
        model.gate.set()
        async with asyncio.timeout(PATIENCE_S):
            results = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(result) for result in results] == [Unavailable] * 6
        with pytest.raises(Unavailable):
            scheduler.check()
        with pytest.raises(Unavailable):
            await submit(scheduler, [text(7, 10)], "query")
        assert scheduler.queued_tokens == 0


@pytest.mark.parametrize("lane", ["query", "passage"])
async def test_a_batch_too_large_for_the_memory_is_halved(lane: Lane) -> None:
    model, notes = FakeModel(), Notes()
    model.memory = 30
    async with running(model, observer=notes) as scheduler:
        assert await submit(scheduler, [text(name, 10) for name in range(8)], lane) == list(range(8))
        scheduler.check()
    assert [len(batch) for batch in model.batches] == [8, 4, 2, 2, 4, 2, 2]
    assert notes.memory == 3


async def test_a_text_too_large_for_the_memory_fails_its_caller_only() -> None:
    model, notes = FakeModel(), Notes()
    model.gate.clear()
    async with running(model, observer=notes) as scheduler:
        first = submit(scheduler, [text(0, 5)], "passage")
        await model.in_forward()
        large = submit(scheduler, [text(1, 10), text(2, 50)], "passage")
        small = submit(scheduler, [text(3, 10), text(4, 10)], "passage")
        await until(lambda: waiting(scheduler, "passage") == 4)
        model.memory = 30
        model.gate.set()
        with pytest.raises(Overloaded, match="not enough memory for 50 tokens") as caught:
            await large
        assert caught.value.retry_after_s > 0
        assert [await first, await small] == [[0], [3, 4]]
        # The memory is there again: the server goes on, and the same text passes.
        model.memory = 1_000_000
        assert await submit(scheduler, [text(2, 50)], "passage") == [2]
        scheduler.check()
        assert scheduler.queued_tokens == 0
    assert notes.memory == 3


async def test_no_memory_after_the_forward_pass_fails_the_batch_only() -> None:
    model = FakeModel()
    model.broken = "memory of post"
    async with running(model) as scheduler:
        with pytest.raises(Overloaded, match="not enough memory for 30 tokens"):
            await submit(scheduler, [text(1, 10), text(2, 20)], "passage")
        assert await submit(scheduler, [text(3, 10)], "passage") == [3]
        scheduler.check()


async def test_a_text_that_cannot_be_tokenised_fails_its_caller_only() -> None:
    model = FakeModel()

    def prepare() -> list[Ids]:
        raise ValueError("odd text")

    async with running(model) as scheduler:
        with pytest.raises(ValueError, match="odd text"):
            await scheduler.submit(prepare, 10, DENSE, "passage")
        assert scheduler.queued_tokens == 0
        assert await submit(scheduler, [text(1, 10)], "passage") == [1]


async def test_closing_tells_who_waits() -> None:
    model = FakeModel()
    model.gate.clear()
    async with running(model) as scheduler:
        caller = submit(scheduler, [text(0, 10)], "query")
        await model.in_forward()
        await scheduler.close()
        with pytest.raises(Unavailable):
            await caller


async def test_other_limits_hold_from_the_next_request_on() -> None:
    model = FakeModel()
    async with running(model, batch=100, queue=100) as scheduler:
        model.gate.clear()
        first = submit(scheduler, [text(1, 90)], "passage")
        await model.in_forward()
        with pytest.raises(Overloaded):
            await submit(scheduler, [text(2, 20)], "passage")
        scheduler.reconfigure(Limits(query_batch=10, passage_batch=10, queue=1000))
        second = submit(scheduler, [text(2, 10), text(3, 10)], "passage")
        model.gate.set()
        assert await first == [1]
        assert await second == [2, 3]
        assert model.batches == [[(1, 90)], [(2, 10)], [(3, 10)]]


class Notes(Observer):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.waits: list[str] = []
        self.batches: list[tuple[int, int]] = []
        self.refused = 0
        self.memory = 0

    def queued(self, tokens: int) -> None:
        self.queue.append(tokens)

    def waited(self, lane: Lane, seconds: float) -> None:
        assert seconds >= 0
        self.waits.append(lane)

    def ran(self, tokens: int, budget: int) -> None:
        self.batches.append((tokens, budget))

    def rejected(self) -> None:
        self.refused += 1

    def out_of_memory(self) -> None:
        self.memory += 1


async def test_an_observer_hears_of_the_work() -> None:
    model, notes = FakeModel(), Notes()
    scheduler = Scheduler(model.core, model.post, Limits(query_batch=50, passage_batch=100, queue=100), notes)
    scheduler.start()
    try:
        await submit(scheduler, [text(1, 60), text(2, 60)], "passage")
        await submit(scheduler, [text(3, 20)], "query")
        model.gate.clear()
        held = submit(scheduler, [text(4, 90)], "query")
        await model.in_forward()
        await model.in_forward()
        await model.in_forward()
        await model.in_forward()
        with pytest.raises(Overloaded):
            await submit(scheduler, [text(5, 20)], "query")
        model.gate.set()
        await held
    finally:
        await scheduler.close()
    assert notes.batches == [(60, 100), (60, 100), (20, 50), (90, 50)]
    assert notes.waits == ["passage", "query", "query"]
    assert notes.refused == 1
    assert max(notes.queue) == 120
    assert notes.queue[-1] == 0
