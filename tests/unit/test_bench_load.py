"""Ingest never pauses while queries are timed beside it, and an overloaded server is judged by every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import httpx
from fake_embedder import FakeEmbedder

from bench.ingest_load import Latencies, queries_beside_ingest, served
from bench.overload import Report, recovery_s
from shirabe.errors import Overloaded
from shirabe.types import Embedding, Output, TextKind

CALLERS = 3
REQUESTS = [[f"text {number}", "another"] for number in range(7)]


class Watched(FakeEmbedder):
    """Yields to others in each call, and notes how many requests of passages were there beside each query."""

    def __init__(self, refuse_every: int = 0) -> None:
        super().__init__()
        self.beside: list[int] = []
        self.most = 0
        self._passages = 0
        self._refuse_every = refuse_every

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        if kind == "query":
            self.beside.append(self._passages)
            await asyncio.sleep(0)
            if self._refuse_every and len(self.beside) % self._refuse_every == 0:
                raise Overloaded("full", 1.0)
            return await super().embed(texts, kind, outputs)
        self._passages += 1
        self.most = max(self.most, self._passages)
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            return await super().embed(texts, kind, outputs)
        finally:
            self._passages -= 1


async def test_queries_are_timed_alone_and_beside_callers_who_never_pause() -> None:
    model = Watched()
    seen = await queries_beside_ingest(model, REQUESTS, CALLERS, queries=40, rounds=2)

    assert (len(seen.idle), len(seen.busy), seen.refused) == (40, 40, 0)
    timed = model.beside[10:]  # the first ones warm up
    alone, busy = timed[:20] + timed[40:60], timed[20:40] + timed[60:]
    assert set(alone) == {0}
    assert min(busy) >= CALLERS - 1  # one may be between two requests
    assert seen.texts > 0
    assert seen.busy_s > 0


async def test_a_query_that_is_refused_is_counted_and_not_timed() -> None:
    seen = await queries_beside_ingest(Watched(refuse_every=5), REQUESTS, CALLERS, queries=20, rounds=1)
    assert (len(seen.idle), len(seen.busy), seen.refused) == (16, 16, 8)


async def test_each_request_is_served_once_by_so_many_callers() -> None:
    model = Watched()
    await served(model, REQUESTS, CALLERS)
    assert sorted(texts for _, texts in model.calls) == sorted(map(tuple, REQUESTS))
    assert model.most == CALLERS


def test_times_longer_is_a_ratio_of_percentiles() -> None:
    seen = Latencies(idle=[0.01] * 99 + [0.1], busy=[0.02] * 99 + [0.4])
    assert round(seen.ratio(50), 3) == 2.0
    assert seen.ratio(100) == 4.0


async def test_a_refusal_is_not_a_query_that_is_back_to_normal() -> None:
    statuses = iter([429, 503, 200])

    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(next(statuses))

    async with httpx.AsyncClient(base_url="http://models", transport=httpx.MockTransport(answer)) as http:
        assert await recovery_s(http, idle_s=60.0) is not None
    assert next(statuses, None) is None


def test_a_report_passes_when_all_was_answered_and_queries_recovered() -> None:
    fine = Report(statuses={"200": 9, "429": 3}, query_statuses={"200": 5}, recovery_s=0.1)
    assert fine.passed
    assert not Report(statuses={"200": 9, "504": 1}, query_statuses={"200": 5}, recovery_s=0.1).passed
    assert not Report(statuses={"200": 9}, query_statuses={"ReadTimeout": 1}, recovery_s=0.1).passed
    assert not Report(statuses={"200": 9}, query_statuses={"200": 5}, recovery_s=None).passed
