"""Callers that keep a model server full, and what a query takes beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

import numpy as np
from rich.table import Table

from bench.texts import QUESTIONS
from shirabe.errors import Overloaded
from shirabe.protocols import Embedder
from shirabe.types import ALL_OUTPUTS

T = TypeVar("T")


@dataclass(slots=True)
class Latencies:
    """Seconds of queries alone and beside ingest, and how much ingest got done meanwhile."""

    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    refused: int = 0
    texts: int = 0
    busy_s: float = 0.0

    def ratio(self, percent: float) -> float:
        """Return how many times longer a percentile is beside ingest."""
        return percentile(self.busy, percent) / percentile(self.idle, percent)

    @property
    def texts_s(self) -> float:
        """Texts of ingest a second, while queries came beside it."""
        return self.texts / self.busy_s


def percentile(seconds: Sequence[float], percent: float) -> float:
    """Return a percentile."""
    return float(np.percentile(seconds, percent))


async def served(client: Embedder, requests: Sequence[Sequence[str]], callers: int) -> None:
    """Have the passages of each request embedded, as many requests at a time as there are callers."""

    async def send(texts: Sequence[str]) -> None:
        await client.embed(texts, "passage", ALL_OUTPUTS)

    await each_once(requests, send, callers)


async def each_once(items: Iterable[T], send: Callable[[T], Awaitable[None]], callers: int) -> None:
    """Send each item once, as many at a time as there are callers."""
    left = iter(items)

    async def caller() -> None:
        for item in left:
            await send(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())


async def queries_beside_ingest(
    client: Embedder, requests: Sequence[Sequence[str]], callers: int, queries: int, rounds: int
) -> Latencies:
    """Time queries, one after another, in turns alone and beside callers who send passages without a pause."""
    seen = Latencies()
    each = -(-queries // rounds)
    await _ask(client, len(QUESTIONS))
    for _ in range(rounds):
        times, refused = await _ask(client, each)
        seen.idle += times
        seen.refused += refused
        async with _ingest(client, requests, callers) as done:
            before, begun = len(done), time.perf_counter()
            times, refused = await _ask(client, each)
            seen.busy_s += time.perf_counter() - begun
            seen.texts += sum(done[before:])
        seen.busy += times
        seen.refused += refused
    return seen


@asynccontextmanager
async def _ingest(client: Embedder, requests: Sequence[Sequence[str]], callers: int) -> AsyncIterator[list[int]]:
    """Send the requests again and again; give the texts of each that was answered, from when every caller had one."""
    done: list[int] = []
    running = asyncio.Event()

    async def caller(first: int) -> None:
        for number in count(first, callers):
            texts = requests[number % len(requests)]
            await client.embed(texts, "passage", ALL_OUTPUTS)
            done.append(len(texts))
            if len(done) >= callers:
                running.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(caller(first)) for first in range(callers)]
        await running.wait()
        yield done
        for task in tasks:
            task.cancel()


async def _ask(client: Embedder, queries: int) -> tuple[list[float], int]:
    """Return the seconds of each query that was answered, and how many were refused."""
    times: list[float] = []
    for number in range(queries):
        begun = time.perf_counter()
        with suppress(Overloaded):
            await client.embed([QUESTIONS[number % len(QUESTIONS)]], "query", ALL_OUTPUTS)
            times.append(time.perf_counter() - begun)
    return times, queries - len(times)


def latency_table(seen: Latencies, alone_texts_s: float) -> Table:
    """Return the percentiles as a table. alone_texts_s: what ingest does without queries, texts a second."""
    view = Table(title="one query through Ray Serve", title_justify="left")
    for heading in ("", "p50", "p99", "queries"):
        view.add_column(heading, justify="right" if heading else "left")
    for name, times in (("alone", seen.idle), ("while ingest keeps the server full", seen.busy)):
        shown = (f"{percentile(times, percent) * 1000:.1f} ms" for percent in (50, 99))
        view.add_row(name, *shown, str(len(times)))
    view.add_row("times longer", *(f"{seen.ratio(percent):.2f}" for percent in (50, 99)), "")
    share = f"{seen.texts_s / alone_texts_s:.0%}"
    view.add_row(f"ingest kept {share} of its texts a second; queries refused", "", "", str(seen.refused))
    return view
