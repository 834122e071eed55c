"""A provider's model through the whole system: its vendor over HTTP, Ray Serve, the index, and a search."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from fake_vendors import KEY, FakeVendor, fake_openai
from real_system import drop, facade, found, own

from shirabe.cli.compose import open_parts
from shirabe.cli.models_process import ModelsProcess, ensure_checkpoint
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.settings import Settings
from shirabe.types import Source

SPECS = Path(__file__).resolve().parents[2] / "samples" / "specs"
QUERY = "allocate stock to an order"


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
    finally:
        await server.stop()
    assert KEY not in server.log.read_text(encoding="utf-8", errors="replace")
