"""The vendors' own clients against the servers that stand for the vendors: these do what the clients expect.

Then both against the same server: our provider gives what the vendor's client gives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import cohere
import numpy as np
import openai
import pytest
import pytest_asyncio
from cohere.core.api_error import ApiError
from cohere.errors import BadRequestError, NotFoundError, TooManyRequestsError, UnauthorizedError
from fake_vendors import KEY, QUOTA, RATE, FakeVendor, Fault, fake_cohere, fake_openai

from ray_app.providers.embedder import ProviderEmbedder
from shirabe.settings import ModelSettings

LARGE = "text-embedding-3-large"
MULTILINGUAL = "embed-multilingual-v3.0"


@pytest_asyncio.fixture
async def openai_server() -> AsyncIterator[FakeVendor]:
    async with fake_openai() as server:
        yield server


@pytest_asyncio.fixture
async def official(openai_server: FakeVendor) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=openai_server.url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest_asyncio.fixture
async def cohere_server() -> AsyncIterator[FakeVendor]:
    async with fake_cohere() as server:
        yield server


@pytest_asyncio.fixture
async def official_cohere(cohere_server: FakeVendor) -> AsyncIterator[cohere.AsyncClientV2]:
    async with cohere.AsyncClientV2(api_key=KEY, base_url=cohere_server.url) as client:
        yield client


async def test_openai_embeds(official: openai.AsyncOpenAI) -> None:
    one = await official.embeddings.create(model=LARGE, input="在庫", dimensions=256)
    assert len(one.data[0].embedding) == 256
    assert one.usage.total_tokens == 2
    many = await official.embeddings.create(model=LARGE, input=["在庫", "cancel"], encoding_format="float")
    assert [len(row.embedding) for row in many.data] == [3072, 3072]
    assert sorted(row.index for row in many.data) == [0, 1]


async def test_openai_and_ours_get_the_same(
    official: openai.AsyncOpenAI, openai_server: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["在庫を引き当てる", "cancel an order", "🙂"]
    answer = await official.embeddings.create(model=LARGE, input=texts, dimensions=256)
    theirs = [row.embedding for row in sorted(answer.data, key=lambda row: row.index)]
    ours = await _ours(f"openai:{LARGE}", openai_server, monkeypatch, texts, dimensions=256)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    # The client asks for base64 by itself, as we do.
    assert openai_server.requests[0] == openai_server.requests[1]


async def test_openai_knows_the_refusals(official: openai.AsyncOpenAI, openai_server: FakeVendor) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await official.embeddings.create(model="no-such-model", input="a")
    assert missing.value.code == "model_not_found"
    for wrong in ([""], ["a"] * 2049, "order " * 9000):
        with pytest.raises(openai.BadRequestError):
            await official.embeddings.create(model=LARGE, input=wrong)
    with pytest.raises(openai.BadRequestError) as wide:
        await official.embeddings.create(model=LARGE, input="a", dimensions=4000)
    assert wide.value.param == "dimensions"
    with pytest.raises(openai.AuthenticationError) as stranger:
        await official.with_options(api_key="sk-wrong").embeddings.create(model=LARGE, input="a")
    assert stranger.value.code == "invalid_api_key"
    openai_server.faults.extend([QUOTA, RATE])
    for code in ("insufficient_quota", "rate_limit_exceeded"):
        with pytest.raises(openai.RateLimitError) as limited:
            await official.embeddings.create(model=LARGE, input="a")
        assert limited.value.code == code


async def test_openai_waits_as_it_is_told(official: openai.AsyncOpenAI, openai_server: FakeVendor) -> None:
    openai_server.faults.append(Fault(RATE.status, RATE.body, {"Retry-After-Ms": "1"}))
    answer = await official.with_options(max_retries=1).embeddings.create(model=LARGE, input="a")
    assert len(answer.data) == 1
    assert len(openai_server.requests) == 2


async def test_cohere_embeds(official_cohere: cohere.AsyncClientV2) -> None:
    answer = await official_cohere.embed(
        model=MULTILINGUAL, input_type="search_query", texts=["在庫", "cancel"], embedding_types=["float"]
    )
    assert answer.embeddings.float_ is not None
    assert [len(row) for row in answer.embeddings.float_] == [1024, 1024]
    assert answer.meta is not None
    assert answer.meta.billed_units is not None
    assert answer.meta.billed_units.input_tokens == 4


async def test_cohere_and_ours_get_the_same(
    official_cohere: cohere.AsyncClientV2, cohere_server: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["在庫を引き当てる", "cancel an order", "🙂"]
    answer = await official_cohere.embed(
        model=MULTILINGUAL, input_type="search_document", texts=texts, embedding_types=["float"], truncate="END"
    )
    theirs = np.asarray(answer.embeddings.float_)
    ours = await _ours(f"cohere:{MULTILINGUAL}", cohere_server, monkeypatch, texts)
    np.testing.assert_allclose(ours, theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-6)
    assert cohere_server.requests[0] == cohere_server.requests[1]


async def test_cohere_knows_the_refusals(official_cohere: cohere.AsyncClientV2, cohere_server: FakeVendor) -> None:
    async def refused(kind: type[ApiError], model: str = MULTILINGUAL, texts: int = 1) -> None:
        with pytest.raises(kind) as raised:
            await official_cohere.embed(
                model=model,
                input_type="search_query",
                texts=["a"] * texts,
                embedding_types=["float"],
                request_options={"max_retries": 0},
            )
        assert raised.value.body["message"]

    await refused(NotFoundError, model="no-such-model")
    await refused(BadRequestError, texts=97)
    cohere_server.faults.append(Fault(429, {"message": "You are past the limit of 2000 inputs per minute"}))
    await refused(TooManyRequestsError)
    async with cohere.AsyncClientV2(api_key="wrong", base_url=cohere_server.url) as stranger:
        with pytest.raises(UnauthorizedError):
            await stranger.embed(model=MULTILINGUAL, input_type="search_query", texts=["a"], embedding_types=["float"])


async def _ours(
    model: str, server: FakeVendor, monkeypatch: pytest.MonkeyPatch, texts: list[str], dimensions: int | None = None
) -> np.ndarray:
    monkeypatch.setenv("CLIENTS_KEY", KEY)
    settings = ModelSettings(
        model=model, provider_url=server.url, provider_key_env="CLIENTS_KEY", dimensions=dimensions
    )
    embedder = ProviderEmbedder(settings)
    try:
        embeddings = await embedder.embed(texts, "passage", ["dense"])
    finally:
        await embedder.close()
    return np.stack([one.dense for one in embeddings if one.dense is not None])
