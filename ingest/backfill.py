"""The write path on a Ray cluster: Ray Data streams blocks of documents through the stages of the direct job.

    collect ─► block ─► desk ═► feed ─► cut ─► embed ─► write ═► settle in the ledger, block by block
    (this process)            (workers of the cluster)            (this process)

This process reads the source and is the only one that touches the ledger. The ledger is the checkpoint: what it has
settled is not sent again, so a run that was killed is continued by the next. What is under way is bounded in blocks,
here as well as by Ray Data's own backpressure.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ingest.block import Limits, OpenBlocks, blocks_of
from ingest.cluster_stages import COLUMN, Acknowledged, CutStage, EmbedStage, Tools, WriteStage
from ingest.desk import Desk
from ingest.pipeline import first_of
from ingest.plan import Work
from ingest.run import Run
from ingest.settlement import Intent
from shirabe.errors import InvalidInput, ShirabeError, Unavailable

# What is not named here is left to the desk, the feed and whatever else runs.
_CUTTING, _EMBEDDING, _WRITING = 1 / 2, 1 / 8, 1 / 4
_CALLS: Final = 4
"""Batches that an actor which mostly waits for an answer has under way."""
_BLOCKS_PER_CPU: Final = 4
_FEWEST_BLOCKS: Final = 8
_CONNECT_S: Final = 5.0
_RAY_ADDS: Final = "\nFailed to apply UDF"


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of actors: it grows up to `most`, each with a claim to `cpus`."""

    most: int
    cpus: float


def pool_of(cpus: float, share: float) -> Pool:
    """Return the pool that a stage gets of a cluster's free `cpus`: one actor a CPU, or one actor with less."""
    mine = cpus * share
    return Pool(max(1, int(mine)), round(max(0.01, min(1.0, mine)), 2))


def window_of(cpus: float) -> int:
    """Return how many blocks may be under way."""
    return max(_FEWEST_BLOCKS, int(cpus * _BLOCKS_PER_CPU))


@contextlib.contextmanager
def connected(address: str, token_path: Path | None) -> Iterator[None]:
    """Be a driver of the Ray cluster at an address (`host:port` or `ray://host:port`).

    `token_path` holds the cluster's token; None leaves Ray's own variables as they are.

    Raises: InvalidInput for what is no address, Unavailable.
    """
    if token_path is not None:
        # Read when ray is imported. The last one makes loopback this node's address, as it is the cluster's.
        os.environ.update(
            {
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN_PATH": str(token_path),
                "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            }
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what fails is raised, and said once
    _require_reachable(address)
    import ray
    import ray.data  # sets up its logger, whose level is ours to choose afterwards

    with _known_errors():
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


class RayWriter:
    """A `Writer` on the cluster that this process is connected to."""

    def __init__(self, tools: Tools, limits: Limits | None = None) -> None:
        self._tools = tools
        self._limits = limits or Limits()

    async def __call__(self, run: Run, works: AsyncIterator[Work], on_progress: Callable[[], None]) -> None:
        """Bring a run's work into the store. Raises: Unavailable, Overloaded, Timeout, InvalidInput."""
        import ray

        loop = asyncio.get_running_loop()
        with _known_errors():
            cpus = await asyncio.to_thread(_free_cpus)
            desk: Any = ray.remote(Desk).options(num_cpus=0).remote()
            driver = _Driver(run, desk, asyncio.Semaphore(window_of(cpus)), on_progress)
            stream = loop.run_in_executor(None, _stream, self._dataset(desk, run, cpus), driver.settle, loop)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(driver.feed(works, self._limits))
                    committing = group.create_task(driver.commit())
                    await asyncio.shield(stream)
                    committing.cancel()
            except BaseExceptionGroup as errors:
                first = first_of(errors)
                raise first from first.__cause__
            finally:
                ray.kill(desk)  # whatever still runs has nobody to ask for more
                await asyncio.wait([stream])
        driver.require_done()

    def _dataset(self, desk: Any, run: Run, cpus: float) -> Any:
        import ray.data

        data: Any = ray.data
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = 1  # every row goes on at once, instead of when 128 MiB of them are there
        context.raise_original_map_exception = True  # its own wrapper comes back without what it wraps
        cutting, embedding, writing = (pool_of(cpus, share) for share in (_CUTTING, _EMBEDDING, _WRITING))
        tools = self._tools
        return (
            data.from_items([{COLUMN: 0}])
            .flat_map(_feed, fn_kwargs={"desk": desk}, num_cpus=0.01)
            .flat_map(CutStage, fn_constructor_args=(tools, run.stamp), **_on(cutting, 1))
            .map(EmbedStage, fn_constructor_args=(tools,), **_on(embedding, _CALLS))
            .map(WriteStage, fn_constructor_args=(tools, run.version, _intend(desk)), **_on(writing, _CALLS))
        )


class _Driver:
    """This process's side of one run."""

    def __init__(self, run: Run, desk: Any, room: asyncio.Semaphore, on_progress: Callable[[], None]) -> None:
        self._run = run
        self._desk = desk
        self._room = room
        self._on_progress = on_progress
        self._blocks = OpenBlocks()
        self._sent_all = False

    async def feed(self, works: AsyncIterator[Work], limits: Limits) -> None:
        """Lay every block on the desk, as soon as there is room for it."""
        count = 0
        async for block in blocks_of(works, limits):
            await self._room.acquire()
            self._blocks.begin(block)
            await self._desk.put.remote(block)
            count += 1
        await self._desk.end.remote(count)
        self._sent_all = True

    async def commit(self) -> None:
        """Bring the workers' intents into the ledger, many in one transaction."""
        while True:
            await self._run.settlement.intend(await self._desk.intents.remote())
            await self._desk.commit.remote()

    async def settle(self, item: Acknowledged) -> None:
        """Bring what the index acknowledged into the ledger."""
        counts = self._run.counts
        counts.embedded += item.counts.embedded
        counts.cached += item.counts.cached
        if item.failed:
            await self._run.settlement.fail(item.failed)
        done = await self._run.settlement.acknowledge(item.parts)
        for path in (*done, *(failed.path for failed in item.failed)):
            if (number := self._blocks.finish(path)) is not None:
                self._room.release()
                await self._desk.drop.remote(number)
        self._on_progress()

    def require_done(self) -> None:
        """Raise: Unavailable when documents were lost on the way."""
        if not self._sent_all or len(self._blocks):
            raise Unavailable(f"{len(self._blocks)} blocks of documents were lost in the cluster; run it again")


def _require_reachable(address: str) -> None:
    """Ray itself tries an address where nobody listens for many minutes. Raises: InvalidInput, Unavailable."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidInput(f"expected host:port or ray://host:port, got {address!r}", "ingest.ray_address")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except OSError as error:
        raise Unavailable(f"no Ray cluster answers at {address}: {error.strerror or error}") from None


def _free_cpus() -> float:
    import ray

    return float(ray.available_resources().get("CPU", 0.0))  # type: ignore[no-untyped-call]


def _on(pool: Pool, calls: int) -> dict[str, Any]:
    from ray.data import ActorPoolStrategy

    strategy = ActorPoolStrategy(
        min_size=1,
        max_size=pool.most,
        max_tasks_in_flight_per_actor=2 * calls,
        max_concurrent_calls_per_actor=calls,
    )
    return {"compute": strategy, "num_cpus": pool.cpus}


def _feed(_row: dict[str, int], desk: Any) -> Iterator[dict[str, Any]]:
    """Yield the desk's blocks, on a worker."""
    import ray

    number = 0
    while (block := ray.get(desk.take.remote(number))) is not None:
        yield {COLUMN: block}
        number += 1


def _intend(desk: Any) -> Callable[[Sequence[Intent]], Awaitable[None]]:
    async def intend(intents: Sequence[Intent]) -> None:
        await desk.intend.remote(intents)

    return intend


def _stream(dataset: Any, settle: Callable[[Acknowledged], Awaitable[None]], loop: asyncio.AbstractEventLoop) -> None:
    """Run the pipeline, and hand on each acknowledgement before the next is taken."""
    # Without prefetching: a row held back until the next one is there would keep its block open, and the next away.
    for rows in dataset.iter_batches(batch_size=None, prefetch_batches=0):
        for item in rows[COLUMN]:
            asyncio.run_coroutine_threadsafe(_awaited(settle(item)), loop).result()


async def _awaited(waiting: Awaitable[None]) -> None:
    await waiting


@contextlib.contextmanager
def _known_errors() -> Iterator[None]:
    """Turn Ray's errors into ours: the one that a worker raised, where there is one."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        raise _raised_by_a_worker(error) or _failed(error) from error
    except ShirabeError:
        raise
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _failed(error) from error


def _raised_by_a_worker(error: Exception) -> ShirabeError | None:
    """Return our error that ended a worker's stage, without what Ray Data adds to its message."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, ShirabeError):
        cause.message = cause.message.partition(_RAY_ADDS)[0]
        cause.args = (cause.message, *cause.args[1:])
        return cause
    return None


def _failed(error: Exception) -> Unavailable:
    return Unavailable(f"the Ray cluster failed: {str(error).strip().splitlines()[-1][:500]}")
