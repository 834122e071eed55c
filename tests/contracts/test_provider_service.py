"""A provider's model behind the surface of the model server: its own API and OpenAI's, with real HTTP to the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from fake_clock import FakeClock
from fake_models import asgi
from fake_vendors import KEY, RATE, FakeVendor, fake_openai, openai_error, vector

from ray_app.client import ModelClient
from ray_app.config import ServerConfig
from ray_app.observer import Observer
from ray_app.provider_service import ProviderService
from ray_app.providers.usage import Usage
from ray_app.service import Bounds
from ray_app.surface.routes import open_service
from shirabe.errors import InvalidInput, ShirabeError


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with fake_openai() as server:
        yield server


@pytest.fixture
def config(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> ServerConfig:
    monkeypatch.setenv("SERVICE_KEY", KEY)
    return ServerConfig(
        model="openai:text-embedding-3-large",
        provider_url=vendor.url,
        provider_key_env="SERVICE_KEY",
        dimensions=256,
        queue_tokens=1024,
    )


@pytest_asyncio.fixture
async def model(config: ServerConfig) -> AsyncIterator[ProviderService]:
    service = ProviderService(config, Observer(), FakeClock())
    yield service
    await service.close()


def transport(model: ProviderService) -> httpx.ASGITransport:
    return httpx.ASGITransport(asgi(open_service(model, None, Bounds(64, 10), None)))


async def post(model: ProviderService, path: str, body: dict[str, Any]) -> httpx.Response:
    async with httpx.AsyncClient(transport=transport(model), base_url="http://models") as client:
        return await client.post(path, json=body)


async def test_our_client_sees_a_dense_model(model: ProviderService) -> None:
    client = ModelClient("http://models", 10, transport(model))
    info = await client.info()
    assert (info.name, info.revision, info.dim) == ("openai:text-embedding-3-large", "256d", 256)
    assert (info.max_tokens, info.outputs) == (8191, ("dense",))
    (one,) = await client.embed(["在庫"], "passage", ["dense"])
    assert one.dense is not None
    assert one.dense @ vector("在庫", 3072, 256) == pytest.approx(1, abs=1e-6)
    assert model.usage.texts == 1
    with pytest.raises(InvalidInput, match="dense"):
        await client.embed(["在庫"], "passage", ["dense", "sparse"])
    await client.close()


async def test_openai_s_clients_can_use_it_by_its_name(model: ProviderService) -> None:
    body = {"model": "text-embedding-3-large", "input": ["在庫"], "dimensions": 64}
    answer = (await post(model, "/v1/embeddings", body)).json()
    # A shorter vector is the beginning of a longer one, at length 1 again: what the vendor itself does.
    np.testing.assert_allclose(answer["data"][0]["embedding"], vector("在庫", 3072, 64), atol=1e-5)
    assert answer["usage"]["total_tokens"] == 2


async def test_a_text_too_long_is_refused_where_that_is_wanted(model: ProviderService, vendor: FakeVendor) -> None:
    with pytest.raises(ShirabeError, match="8191"):
        await model.encode(["order " * 9000], "passage", frozenset({"dense"}), "passage", cut=False)
    assert vendor.requests == []
    encoded = await model.encode(["order " * 9000], "passage", frozenset({"dense"}), "passage")
    assert encoded.truncated == 1


async def test_a_full_queue_is_an_answer(model: ProviderService, vendor: FakeVendor) -> None:
    arrived, leave = asyncio.Event(), asyncio.Event()

    async def gate() -> None:
        arrived.set()
        await leave.wait()

    vendor.gate = gate
    body = {"texts": ["a" * 1800], "kind": "passage", "outputs": ["dense"]}
    first = asyncio.create_task(post(model, "/m3/encode", body))
    await arrived.wait()
    assert model.queued_tokens == 900
    refused = await post(model, "/m3/encode", body)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
    leave.set()
    assert (await first).status_code == 200
    assert model.queued_tokens == 0


async def test_info_says_what_was_used_and_what_it_costs(config: ServerConfig, vendor: FakeVendor) -> None:
    told: list[Usage] = []

    class Told(Observer):
        def used(self, usage: Usage) -> None:
            told.append(usage)

    model = ProviderService(config, Told(), FakeClock())
    async with httpx.AsyncClient(transport=transport(model), base_url="http://models") as client:
        before = (await client.get("/info")).json()
        vendor.faults.append(RATE)
        await client.post("/embed", json={"inputs": ["cancel order", "在庫"]})
        vendor.faults.append(openai_error(400, "no", "invalid_request_error"))
        await client.post("/embed", json={"inputs": "在庫"})
        after = (await client.get("/info")).json()
    await model.close()
    # Nobody but the vendor knows what its model computes in.
    assert before["model_dtype"] == "unknown"
    assert before["provider_usage"] == {"requests": 0, "retries": 0, "texts": 0, "tokens": 0, "cost_usd": 0}
    cost_usd = pytest.approx(6 * 0.13e-6)
    assert after["provider_usage"] == {"requests": 3, "retries": 1, "texts": 2, "tokens": 6, "cost_usd": cost_usd}
    assert [asdict(usage) for usage in told] == [
        {"requests": 2, "retries": 1, "texts": 2, "tokens": 6, "cost_usd": cost_usd},
        {"requests": 1, "retries": 0, "texts": 0, "tokens": 0, "cost_usd": 0},
    ]


async def test_a_model_of_unknown_width_is_asked_at_the_start(config: ServerConfig, vendor: FakeVendor) -> None:
    unknown = config.model_copy(update={"model": "openai:ada-like", "dimensions": None})
    service = await asyncio.to_thread(ProviderService, unknown, Observer())
    assert service.card.dim == 1536
    assert service.card.smallest_dim is None
    await service.close()


async def test_a_missing_key_is_said_at_the_start(config: ServerConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVICE_KEY")
    with pytest.raises(InvalidInput, match="SERVICE_KEY"):
        ProviderService(config, Observer())
