"""A model server of two replicas under load: autoscaling, overload, a killed replica."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest_asyncio
from waiting import until

from ray_app.client import ModelClient
from shirabe.cli.models_process import Ready

READY_S = 240.0
PATIENCE_S = 180.0
GONE_S = 60.0
TEXT = "注文を取り消すと在庫はすぐに戻る。Cancelling an order returns its stock. "


@dataclass(frozen=True)
class Served:
    """A server of our own, and the dashboard that knows how its replicas stand."""

    url: str
    dashboard: httpx.AsyncClient

    async def replicas(self) -> list[dict[str, Any]]:
        applications = (await self.dashboard.get("/api/serve/applications/")).raise_for_status().json()["applications"]
        found: list[dict[str, Any]] = applications["models"]["deployments"]["embedder"]["replicas"]
        return [one for one in found if one["state"] == "RUNNING"]


@asynccontextmanager
async def serving(folder: Path, checkpoint: Path, **config: Any) -> AsyncIterator[Served]:
    """Run a model server until the block ends."""
    settings = {"model": str(checkpoint), "state_dir": str(folder), "threads": 1} | config
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ray_app.server", "--config", json.dumps(settings)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            ready = Ready.model_validate_json(await process.stdout.readline())
        assert ready.token_path is not None
        headers = {"Authorization": f"Bearer {ready.token_path.read_text()}"}
        async with httpx.AsyncClient(base_url=ready.dashboard_url or "", headers=headers, timeout=30) as dashboard:
            yield Served(ready.url, dashboard)
    finally:
        # As when whoever started it is gone: nothing of it stays.
        family = psutil.Process(process.pid).children(recursive=True) if process.returncode is None else []
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), GONE_S) == 0
        assert (await asyncio.to_thread(psutil.wait_procs, family, GONE_S))[1] == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(tmp_path_factory: Any, checkpoint: Path) -> AsyncIterator[Served]:
    """Two replicas at most, small queues, quick to scale."""
    async with serving(
        tmp_path_factory.mktemp("load"),
        checkpoint,
        max_replicas=2,
        queue_tokens=4096,
        queue_requests=16,
        target_requests=2,
        upscale_delay_s=2,
        downscale_delay_s=5,
    ) as server:
        yield server


async def _post(http: httpx.AsyncClient, texts: Sequence[str]) -> int:
    body = {"texts": list(texts), "kind": "passage", "outputs": ["dense"]}
    return (await http.post("/m3/encode", json=body)).status_code


async def test_load_brings_a_replica_and_quiet_takes_it_away(served: Served) -> None:
    assert len(await served.replicas()) == 1
    stop = asyncio.Event()

    async def caller(http: httpx.AsyncClient) -> None:
        while not stop.is_set():
            await _post(http, [TEXT * 8] * 2)

    async def two() -> bool:
        return len(await served.replicas()) == 2

    async def one() -> bool:
        return len(await served.replicas()) == 1

    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S) as http, asyncio.TaskGroup() as callers:
        for _ in range(8):
            callers.create_task(caller(http))
        await until(two, "a second replica under load", PATIENCE_S)
        stop.set()
    await until(one, "one replica after the load", PATIENCE_S)


async def test_more_than_the_queue_holds_is_answered_and_forgotten(served: Served) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=served.url, timeout=PATIENCE_S, limits=limits) as http:
        statuses = Counter(await asyncio.gather(*(_post(http, [TEXT * 10] * 4) for _ in range(200))))
        assert set(statuses) == {200, 429}, statuses

        async def empty() -> bool:
            return bool((await http.get("/m3/info")).json()["queued_tokens"] == 0)

        await until(empty, "an empty queue", PATIENCE_S)
        assert await _post(http, [TEXT]) == 200


async def test_a_killed_replica_costs_no_passage(served: Served) -> None:
    client = ModelClient(served.url, timeout_s=60)
    begun = asyncio.Event()
    first = {replica["pid"] for replica in await served.replicas()}

    async def embed(number: int) -> int:
        done = 0
        for turn in range(6):
            texts = [f"{TEXT} {number} {turn} {text}" for text in range(4)]
            done += len(await client.embed(texts, "passage", ["dense"]))
            begun.set()
        return done

    async def replaced() -> bool:
        return bool({replica["pid"] for replica in await served.replicas()} - first)

    try:
        async with asyncio.TaskGroup() as callers:
            tasks = [callers.create_task(embed(number)) for number in range(3)]
            await begun.wait()
            victim = psutil.Process(min(first))
            assert "embedder" in " ".join(victim.cmdline())
            victim.kill()
        assert [task.result() for task in tasks] == [24] * 3
        await until(replaced, "another replica in its place", PATIENCE_S)
    finally:
        await client.close()
