"""A provider's model through the whole system: its vendor over HTTP, Ray Serve, the index, and a search."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fake_vendors import KEY, FakeVendor, fake_openai
from real_system import drop, facade, found, own
from waiting import until

from shirabe.cli.compose import open_parts
from shirabe.cli.models_process import ModelsProcess, Ready, ensure_checkpoint
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.settings import Settings
from shirabe.types import Source

SPECS = Path(__file__).resolve().parents[2] / "samples" / "specs"
QUERY = "allocate stock to an order"
PATIENCE_S = 90.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def vendor() -> AsyncIterator[FakeVendor]:
    async with fake_openai() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mine(settings: Settings, vendor: FakeVendor, opensearch_url: str) -> AsyncIterator[Settings]:
    chosen = own(settings)
    key = chosen.state_dir / "vendor.key"
    key.touch(mode=0o600)
    key.write_text(KEY)
    models = settings.models.model_copy(
        update={
            "model": "openai:text-embedding-3-large",
            "dimensions": 256,
            # A provider has one replica all the same.
            "max_replicas": 2,
            "provider_url": vendor.url,
            "provider_key_file": key,
        }
    )
    yield chosen.model_copy(update={"models": models})
    await drop(opensearch_url, chosen.opensearch.alias)
    shutil.rmtree(chosen.state_dir.parent, ignore_errors=True)


async def _assert_use_is_told(ready: Ready, vendor: FakeVendor) -> None:
    """What the vendor was asked for stands in /info, and on Ray's metrics page as soon as Ray writes it there."""
    texts = [text for request in vendor.requests for text in request["input"]]
    tokens = sum(map(vendor.count_tokens, texts))
    async with httpx.AsyncClient(timeout=30) as http:
        info = (await http.get(f"{ready.url}/info")).json()
        usage = {"requests": len(vendor.requests), "retries": 0, "texts": len(texts), "tokens": tokens}
        assert info["provider_usage"] == usage | {"cost_usd": pytest.approx(tokens * 0.13e-6)}
        assert info["model_dtype"] == "unknown"

        async def told() -> bool:
            page = (await http.get(str(ready.metrics_url))).text
            found = re.findall(r"^ray_shirabe_provider_(\w+)_total\{[^}]*\} (\S+)$", page, re.MULTILINE)
            # A counter that never counted has no line.
            return {name: pytest.approx(float(value)) for name, value in found} == {
                name: amount for name, amount in info["provider_usage"].items() if amount
            }

        await until(told, "the provider's use on the metrics page", PATIENCE_S)


async def test_a_vendor_s_model_indexes_and_finds(
    settings: Settings, mine: Settings, vendor: FakeVendor, opensearch_url: str, checkpoint: Path
) -> None:
    # Chunks are counted in the bundled model's tokens, so that they are the same chunks for every model.
    assert await ensure_checkpoint(settings.model_copy(update={"models": mine.models})) == checkpoint
    server = ModelsProcess(mine, checkpoint)
    try:
        ready = await server.start(require_free_port(LOOPBACK, 0))
        async with open_parts(mine, opensearch_url, ready.url, checkpoint) as parts:
            info = await parts.models.info()
            assert (info.name, info.dim, info.outputs) == ("openai:text-embedding-3-large", 256, ("dense",))
            await parts.job.add(Source("specs", "markdown", str(SPECS)))
            report = await parts.job.sync("specs")
            assert report.failures == ()
            assert report.chunks > 50
            asked = sum(len(request["input"]) for request in vendor.requests)
            assert asked == report.embedded
            assert {request["dimensions"] for request in vendor.requests} == {256}
            async with facade(parts, mine) as client:
                answer = await found(client, query=QUERY, explain=True)
                by_meaning = await found(client, query=QUERY, mode="dense", top_k=3)
                refused = await client.post("/v1/search", json={"query": "stock", "mode": "sparse"})
            assert answer["degraded"] == []
            assert len(answer["hits"]) == 10
            legs = {leg for hit in answer["hits"] for leg in hit["legs"]}
            assert {"lexical", "dense"} <= legs
            assert not legs & {"sparse", "late"}
            assert "en/allocation.md" in {hit["path"] for hit in by_meaning["hits"]}
            assert refused.status_code == 400
            assert "no sparse weights" in refused.text
            again = await parts.job.sync("specs", full=True)
            assert again.embedded == 0
        await _assert_use_is_told(ready, vendor)
    finally:
        await server.stop()
    assert KEY not in server.log.read_text(encoding="utf-8", errors="replace")
