"""Batches by tokens, not by requests: many callers' texts through three stages, each in a thread of its own.

Queries overtake passages, also between two layers of a batch that runs, and passages rest after them; a caller's few
passages take turns with another's many. A full queue is an answer (`Overloaded`), not a wait, and passages never fill
it for queries. When a stage dies every caller gets the error. A batch that is too large for the memory is halved; only
a text that is too large by itself fails.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, Generic, TypeVar, get_args

from ray_app.lane import Item, Lane, Limits, Request, take
from ray_app.observer import Observer
from ray_app.passages import Passages
from ray_app.pause import Pause, no_pause
from ray_app.tokenizer import Ids
from ray_app.turns import Turns
from shirabe.errors import Overloaded, ShirabeError, Unavailable
from shirabe.types import Output

_Raw = TypeVar("_Raw")
_Row = TypeVar("_Row")

Core = Callable[[Sequence[Ids], frozenset[Output], Pause], _Raw]

_FIRST_GUESS_TOKENS_S: Final = 10_000.0
# What else takes the memory may be gone after this.
_MEMORY_WAIT_S: Final = 2.0


class Scheduler(Generic[_Raw, _Row]):
    """Runs one model for many callers on one event loop. `start` it once inside the loop, `close` it in the end."""

    def __init__(
        self,
        core: Core[_Raw],
        post: Callable[[_Raw, frozenset[Output]], Sequence[_Row]],
        limits: Limits,
        observer: Observer | None = None,
        core_thread: ThreadPoolExecutor | None = None,
    ) -> None:
        """Take the model's last two stages, sync; the first, tokenising, comes with each request.

        core: runs the model over a batch of texts' token ids, and calls what it is given between layers; MemoryError
            says that it may run over a smaller batch.
        post: gives one row per text of the batch. observer: is told of the work.
        """
        self._core = core
        self._post = post
        self._limits = limits
        self._observer = observer or Observer()
        self._queries: deque[Item[_Row]] = deque()
        self._passages = Passages[_Row]()
        self._halves: deque[list[Item[_Row]]] = deque()
        self._requests: set[Request[_Row]] = set()
        self._turns = Turns()
        self._asked = threading.Event()
        self._overtaking: set[asyncio.Task[None]] = set()
        self._queued: dict[Lane, int] = {"query": 0, "passage": 0}
        self._tokens_s = _FIRST_GUESS_TOKENS_S
        self._arrived = asyncio.Event()
        self._failure: ShirabeError | None = None
        self._loop_task: asyncio.Task[None] | None = None
        # Queries have a tokenising thread of their own, so they need not wait for a large request's.
        self._pre_threads = {lane: ThreadPoolExecutor(1, f"pre-{lane}") for lane in get_args(Lane)}
        self._core_thread = core_thread or ThreadPoolExecutor(1, "core")
        self._post_thread = ThreadPoolExecutor(1, "post")

    @property
    def queued_tokens(self) -> int:
        """Tokens that wait or run; an upper bound for texts that are not tokenised yet."""
        return sum(self._queued.values())

    def start(self) -> None:
        """Start taking batches."""
        self._loop_task = asyncio.create_task(self._run(), name="scheduler")

    def check(self) -> None:
        """Raise the error a stage died of, if one did."""
        if self._failure is not None:
            raise self._failure

    def reconfigure(self, limits: Limits) -> None:
        """Take other limits from the next request and the next batch on."""
        self._limits = limits

    async def close(self) -> None:
        """Stop; every waiting caller gets `Unavailable`."""
        self._fail(Unavailable("the model is shutting down"))
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        for pool in (*self._pre_threads.values(), self._core_thread, self._post_thread):
            pool.shutdown(wait=False, cancel_futures=True)

    async def submit(
        self, prepare: Callable[[], Sequence[Ids]], most_tokens: int, outputs: frozenset[Output], lane: Lane
    ) -> list[_Row]:
        """Return one row per text that `prepare` tokenises (in a thread; at least one).

        most_tokens: what `prepare` may give at most, tokens; it is held in the queue until the count is known.

        Raises: Overloaded when the queue is full or the memory, Unavailable when a stage died, what `prepare` raises.
        """
        self.check()
        with self._room(most_tokens, lane):
            prepared = await asyncio.get_running_loop().run_in_executor(self._pre_threads[lane], prepare)
        self.check()
        answer: asyncio.Future[list[_Row]] = asyncio.get_running_loop().create_future()
        request = Request(outputs, lane, len(prepared), answer)
        tokens = sum(map(len, prepared))
        self._requests.add(request)
        self._hold(tokens, lane)
        try:
            items = [Item(request, index, ids) for index, ids in enumerate(prepared)]
            if lane == "query":
                self._queries.extend(items)
                self._asked.set()
            else:
                self._passages.extend(items, self._limits.passage_batch)
            self._arrived.set()
            return await answer
        finally:
            # The rest of a request whose caller has gone is dropped when its batch is made.
            self._requests.discard(request)
            self._hold(-tokens, lane)

    @contextmanager
    def _room(self, tokens: int, lane: Lane) -> Iterator[None]:
        # What a query overtakes it does not wait for.
        ahead = self._queued["query"] if lane == "query" else self.queued_tokens
        # A request larger than the queue runs when nothing else waits: refusing it would be for ever.
        if ahead and (ahead + tokens > self._limits.queue or ahead > self._limits.wait_s * self._tokens_s):
            self._observer.rejected()
            raise Overloaded("the model's queue is full", retry_after_s=min(max(ahead / self._tokens_s / 2, 0.1), 30.0))
        self._hold(tokens, lane)
        try:
            yield
        finally:
            self._hold(-tokens, lane)

    def _hold(self, tokens: int, lane: Lane) -> None:
        self._queued[lane] += tokens
        self._observer.queued(self.queued_tokens)

    async def _run(self) -> None:
        """Take batches for ever: while one is in the forward pass, the one before it is in post-processing."""
        loop = asyncio.get_running_loop()
        finishing: asyncio.Task[None] | None = None
        try:
            while True:
                batch = self._next_batch()
                if not batch:
                    self._arrived.clear()
                    await self._arrived.wait()
                    continue
                begun, outputs = time.perf_counter(), _outputs(batch)
                self._tell_waits(batch, begun)
                ids = [item.ids for item in batch]
                is_query = batch[0].request.lane == "query"
                self._turns.begin()
                pause = no_pause if is_query else partial(self._let_queries_in, loop)
                try:
                    raw = await loop.run_in_executor(self._core_thread, self._core, ids, outputs, pause)
                except MemoryError:
                    self._halve(batch)
                    continue
                if not is_query:
                    self._turns.earn()
                elif self._passages_wait:
                    self._turns.spend(self._limits.rest_s)
                else:
                    self._turns.owe(self._limits.rest_s)
                self._measure(batch, time.perf_counter() - begun)
                if finishing is not None:
                    await finishing
                finishing = asyncio.create_task(self._finish(batch, raw, outputs))
        except Exception as error:
            self._fail(_as_unavailable(error))
        finally:
            for task in self._overtaking if finishing is None else (finishing, *self._overtaking):
                task.cancel()

    def _let_queries_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run what queries wait, between two layers of a batch of passages, in that one's thread, and rest after them.

        Meanwhile the loop only adds to the lane: `_run` waits for the batch of passages.
        """
        self._turns.earn()
        going = True
        while going:
            self._asked.clear()
            going = (self._turns.for_queries and self._run_queries(loop)) or self._turns.rest(self._asked.wait)
        self._turns.begin()

    def _run_queries(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Run a batch of queries in this thread; False when none waits."""
        batch = sorted(take(self._queries, self._limits.query_batch), key=len)
        if not batch:
            return False
        begun, outputs = time.perf_counter(), _outputs(batch)
        raw: _Raw | None = None
        self._turns.begin()
        with suppress(MemoryError):
            raw = self._core([item.ids for item in batch], outputs, no_pause)
        self._turns.spend(self._limits.rest_s)
        loop.call_soon_threadsafe(self._overtook, batch, raw, outputs, begun, time.perf_counter() - begun)
        return True

    def _overtook(
        self, batch: list[Item[_Row]], raw: _Raw | None, outputs: frozenset[Output], begun: float, seconds: float
    ) -> None:
        """Take a batch of queries that ran between two layers on to its callers."""
        self._tell_waits(batch, begun)
        if raw is None:
            self._halve(batch)
            return
        self._measure(batch, seconds)
        task = asyncio.create_task(self._finish(batch, raw, outputs))
        self._overtaking.add(task)
        task.add_done_callback(self._overtaking.discard)

    async def _finish(self, batch: Sequence[Item[_Row]], raw: _Raw, outputs: frozenset[Output]) -> None:
        try:
            rows = await asyncio.get_running_loop().run_in_executor(self._post_thread, self._post, raw, outputs)
            for item, row in zip(batch, rows, strict=True):
                item.request.put(item.index, row)
        except MemoryError:
            self._refuse(batch)
        except Exception as error:
            self._fail(_as_unavailable(error))

    def _halve(self, batch: list[Item[_Row]]) -> None:
        """Lay a batch that found no memory in front of the others, in two parts; refuse one that has no parts."""
        if len(batch) == 1:
            self._refuse(batch)
            return
        self._observer.out_of_memory()
        middle = len(batch) // 2
        self._halves.extendleft((batch[middle:], batch[:middle]))

    def _refuse(self, batch: Sequence[Item[_Row]]) -> None:
        """Fail the callers of a batch that found no memory; the others go on."""
        self._observer.out_of_memory()
        tokens = sum(map(len, batch))
        for request in {item.request for item in batch}:
            request.fail(Overloaded(f"not enough memory for {tokens} tokens now", _MEMORY_WAIT_S))

    def _measure(self, batch: Sequence[Item[_Row]], seconds: float) -> None:
        tokens = sum(map(len, batch))
        self._tokens_s += 0.1 * (tokens / max(seconds, 1e-6) - self._tokens_s)
        lane = batch[0].request.lane
        self._observer.ran(tokens, self._limits.query_batch if lane == "query" else self._limits.passage_batch)

    def _tell_waits(self, batch: Sequence[Item[_Row]], now: float) -> None:
        for request in {item.request for item in batch if not item.request.begun}:
            request.begun = True
            self._observer.waited(request.lane, now - request.arrived_s)

    def _fail(self, error: ShirabeError) -> None:
        if self._failure is None:
            self._failure = error
        self._arrived.set()
        for request in self._requests:
            request.fail(self._failure)

    @property
    def _passages_wait(self) -> bool:
        return bool(self._halves or self._passages)

    def _next_batch(self) -> list[Item[_Row]]:
        self.check()
        if self._queries and (self._turns.for_queries or not self._passages_wait):
            batch = take(self._queries, self._limits.query_batch)
            if batch:
                return sorted(batch, key=len)
        while self._halves:
            batch = [item for item in self._halves.popleft() if not item.request.answer.done()]
            if batch:
                return batch
        return self._passages.next(self._limits.passage_batch) or take(self._queries, self._limits.query_batch)


def _outputs(batch: Sequence[Item[_Row]]) -> frozenset[Output]:
    return frozenset[Output]().union(*(item.request.outputs for item in batch))


def _as_unavailable(error: Exception) -> ShirabeError:
    failure = Unavailable(f"the model failed: {type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure
