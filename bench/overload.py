"""`python -m bench.overload`: a model server offered more than it can serve, for two minutes by default.

First it is measured what the server does with as many callers as it can use; then twice that is offered at a fixed
pace, whether or not answers come, with queries beside it. Every request must be answered, with 200 or 429;
the actors' memory must stay flat; a query's time must stay bounded, and be back to normal soon after. The exit status
is 1 when something was answered otherwise, or a query did not get back to normal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from bench.server import add_server, model_server, parse
from bench.texts import QUESTIONS, mixed_passages
from shirabe.errors import Unavailable

TEXTS_A_REQUEST: Final = 16
CALLERS: Final = 6
TIMEOUT_S: Final = 120.0
SETTLED: Final = 1.5
"""A query takes its normal time again when it takes at most this much of it."""
RECOVERY_LIMIT_S: Final = 60.0
QUERY_PAUSE_S: Final = 0.25
_FINE: Final = frozenset({"200", "429"})


@dataclass
class Report:
    """What happened. Times are seconds, memory is bytes of Ray's actors."""

    capacity_requests_s: float = 0.0
    offered_requests_s: float = 0.0
    duration_s: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)
    served_requests_s: float = 0.0
    query_idle_s: float = 0.0
    query_p50_s: float = 0.0
    query_p99_s: float = 0.0
    query_statuses: dict[str, int] = field(default_factory=dict)
    drain_s: float = 0.0
    recovery_s: float | None = None
    memory_before: int = 0
    memory_third: int = 0
    memory_after: int = 0

    @property
    def all_answered(self) -> bool:
        """Whether every request and every query got 200 or 429."""
        return self.statuses.keys() | self.query_statuses.keys() <= _FINE

    @property
    def passed(self) -> bool:
        """Whether all were answered, and a query took its normal time again soon after."""
        return self.all_answered and self.recovery_s is not None


class Load:
    """Requests of passages against one server."""

    def __init__(self, http: httpx.AsyncClient, passages: Sequence[str]) -> None:
        self._http = http
        self._passages = passages
        self._sent = 0
        self.last_sent = 0.0
        self.statuses: Counter[str] = Counter()

    async def send(self) -> None:
        """Send one request and count what comes back."""
        start = self._sent * TEXTS_A_REQUEST % len(self._passages)
        self._sent += 1
        self.last_sent = time.perf_counter()
        texts = self._passages[start : start + TEXTS_A_REQUEST]
        self.statuses[await post(self._http, texts, "passage")] += 1

    async def capacity(self, seconds: float) -> float:
        """Return the requests a second that a few callers, each waiting for its answer, get served."""
        end = time.perf_counter() + seconds

        async def caller() -> None:
            while time.perf_counter() < end:
                await self.send()

        self.statuses.clear()
        begun = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return self.statuses["200"] / (time.perf_counter() - begun)

    async def offer(self, requests_s: float, seconds: float) -> None:
        """Send at a pace, whatever comes back, and wait for every answer."""
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(round(requests_s * seconds)):
                await asyncio.sleep(max(0.0, begun + number / requests_s - time.perf_counter()))
                group.create_task(self.send())


async def post(http: httpx.AsyncClient, texts: Sequence[str], kind: str) -> str:
    """Return the status of a request, or the name of what came instead."""
    body = {"texts": list(texts), "kind": kind, "outputs": ["dense", "sparse"]}
    try:
        return str((await http.post("/m3/encode", json=body)).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


async def query(http: httpx.AsyncClient, number: int) -> tuple[float, str]:
    """Return the seconds and the status of one query."""
    begun = time.perf_counter()
    status = await post(http, [QUESTIONS[number % len(QUESTIONS)]], "query")
    return time.perf_counter() - begun, status


async def idle_query_s(http: httpx.AsyncClient) -> float:
    """Return the median seconds of a query when nothing else runs."""
    return statistics.median([(await query(http, number))[0] for number in range(30)])


async def query_until(done: Callable[[], bool], http: httpx.AsyncClient) -> list[tuple[float, str]]:
    """Ask one query after another with a pause between them, until told that it is over."""
    answers: list[tuple[float, str]] = []
    while not done():
        answers.append(await query(http, len(answers)))
        await asyncio.sleep(QUERY_PAUSE_S)
    return answers


async def recovery_s(http: httpx.AsyncClient, idle_s: float) -> float | None:
    """Return the seconds until a query is answered in its normal time again; None when that takes too long."""
    begun = time.perf_counter()
    while True:
        took, status = await query(http, 0)
        waited = time.perf_counter() - begun
        if status == "200" and took <= SETTLED * idle_s:
            return waited
        if waited > RECOVERY_LIMIT_S:
            return None


def memory(url: str) -> int:
    """Return the resident bytes of Ray's actors (replicas, proxy, controller) on the node that listens at a URL.

    Raises: Unavailable when nothing that may be looked at listens there.
    """
    port = httpx.URL(url).port
    connections = psutil.net_connections("tcp")
    listening = (one.pid for one in connections if one.status == "LISTEN" and one.laddr and one.laddr.port == port)
    proxy = next(listening, None)
    if proxy is None:
        raise Unavailable(f"no process of this machine that can be looked at listens at {url}")
    raylet = psutil.Process(proxy).parent()
    actors = [] if raylet is None else raylet.children()
    return sum(one.memory_info().rss for one in actors)


async def measure(url: str, seconds: float, factor: float) -> Report:
    """Run the whole of it against a server."""
    report = Report(duration_s=seconds)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    passages = mixed_passages(1024)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits, trust_env=False) as http:
        load = Load(http, passages)
        report.query_idle_s = await idle_query_s(http)
        report.capacity_requests_s = await load.capacity(min(15.0, seconds))
        report.offered_requests_s = factor * report.capacity_requests_s
        report.memory_before = memory(url)
        load.statuses.clear()
        begun = time.perf_counter()
        flood = asyncio.create_task(load.offer(report.offered_requests_s, seconds))
        asked = asyncio.create_task(query_until(flood.done, http))
        await asyncio.sleep(seconds / 3)
        report.memory_third = memory(url)
        await flood
        ended = time.perf_counter()
        report.served_requests_s = load.statuses["200"] / (ended - begun)
        report.drain_s = ended - load.last_sent
        report.recovery_s = await recovery_s(http, report.query_idle_s)
        answers = await asked
        report.memory_after = memory(url)
    times = sorted(took for took, status in answers if status == "200")
    report.query_p50_s = statistics.median(times)
    report.query_p99_s = times[min(len(times) - 1, int(len(times) * 0.99))]
    report.query_statuses = dict(Counter(status for _, status in answers))
    report.statuses = dict(load.statuses)
    return report


def show(report: Report) -> None:
    """Print the report as a table."""
    table = Table(title="Offered more than it can serve", show_header=False)
    rates = (report.capacity_requests_s, report.offered_requests_s, report.served_requests_s)
    queries = (report.query_idle_s, report.query_p50_s, report.query_p99_s)
    sizes = (report.memory_before, report.memory_third, report.memory_after)
    table.add_row("can serve / offered / served, requests a second", _joined(rates))
    table.add_row(f"answers in {report.duration_s:.0f} s", _counted(report.statuses))
    table.add_row("every request answered with 200 or 429", "yes" if report.all_answered else "NO")
    table.add_row("query: idle / p50 / p99 under load, ms", _joined([seconds * 1000 for seconds in queries]))
    table.add_row("answers to queries", _counted(report.query_statuses))
    recovery = f"not within {RECOVERY_LIMIT_S:.0f}" if report.recovery_s is None else f"{report.recovery_s:.1f}"
    table.add_row("all answered after the last was sent, s", f"{report.drain_s:.1f}")
    table.add_row("a query back to normal after that, s", recovery)
    table.add_row("actors' memory before / at a third / after, MiB", _joined([size / 2**20 for size in sizes]))
    Console().print(table)


def _joined(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in values)


def _counted(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


async def run(arguments: argparse.Namespace) -> bool:
    """Measure a server that runs, or one of our own; tell whether it did as it must."""
    async with model_server(arguments) as server:
        report = await measure(server.url, arguments.seconds, arguments.factor)
    show(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return report.passed


def main() -> int:
    """Read the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__.splitlines()[0])
    add_server(parser)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--factor", type=float, default=2.0, help="how much is offered, in what can be served")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return 0 if asyncio.run(run(parse(parser))) else 1


if __name__ == "__main__":
    sys.exit(main())
