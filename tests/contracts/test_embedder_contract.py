"""What every `Embedder` promises, asked of the fake, of the model server and of the providers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from fake_vendors import KEY, fake_cohere, fake_openai

from ray_app.client import ModelClient
from ray_app.providers.embedder import ProviderEmbedder
from shirabe.errors import InvalidInput
from shirabe.protocols import Embedder
from shirabe.settings import ModelSettings
from shirabe.types import ALL_OUTPUTS, TextKind

TEXTS = [
    "注文を取り消すと在庫はすぐに戻る。",
    "Cancelling an order returns its stock at once.",
    "def cancel_order(order_id: str) -> None: ...",
    ".",
    "a" * 5000,
    "🙂 ＡＢＣ ～ か\u3099 \x00 \u200b",
    "注文を取り消すと在庫はすぐに戻る。",
]


@pytest_asyncio.fixture(loop_scope="session")
async def served(models_url: str) -> AsyncIterator[ModelClient]:
    client = ModelClient(models_url, timeout_s=60)
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def openai(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProviderEmbedder]:
    async with fake_openai() as server, provider("openai:text-embedding-3-large", server.url, monkeypatch, 256) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def compatible(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProviderEmbedder]:
    async with fake_openai() as server, provider("openai:ada-like", server.url, monkeypatch) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="session")
async def cohere(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProviderEmbedder]:
    async with fake_cohere() as server, provider("cohere:embed-multilingual-v3.0", server.url, monkeypatch) as one:
        yield one


@asynccontextmanager
async def provider(
    model: str, url: str, monkeypatch: pytest.MonkeyPatch, dimensions: int | None = None
) -> AsyncIterator[ProviderEmbedder]:
    monkeypatch.setenv("CONTRACT_KEY", KEY)
    settings = ModelSettings(model=model, provider_url=url, provider_key_env="CONTRACT_KEY", dimensions=dimensions)
    embedder = ProviderEmbedder(settings)
    yield embedder
    await embedder.close()


@pytest.fixture(params=["fake", "served", "openai", "compatible", "cohere"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    if request.param == "fake":
        return FakeEmbedder()
    real: Embedder = request.getfixturevalue(request.param)
    return real


async def test_info_is_stable_and_names_a_vector_space(embedder: Embedder) -> None:
    info = await embedder.info()
    assert info == await embedder.info()
    assert info.name
    assert info.revision
    assert info.dim % 8 == 0
    assert info.max_tokens >= 16
    assert "dense" in info.outputs
    assert set(info.outputs) <= set(ALL_OUTPUTS)


@pytest.mark.parametrize("kind", ["query", "passage"])
async def test_every_text_has_a_direction(embedder: Embedder, kind: TextKind) -> None:
    info = await embedder.info()
    embeddings = await embedder.embed(TEXTS, kind, info.outputs)
    assert len(embeddings) == len(TEXTS)
    for embedding in embeddings:
        assert embedding.dense is not None
        assert embedding.dense.dtype == np.float32
        assert embedding.dense.shape == (info.dim,)
        assert np.linalg.norm(embedding.dense) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", ["query", "passage"])
async def test_tokens_and_weights_where_the_model_has_them(embedder: Embedder, kind: TextKind) -> None:
    info = await embedder.info()
    for embedding in await embedder.embed(TEXTS, kind, info.outputs):
        assert ("tokens" in info.outputs) == (embedding.tokens is not None)
        assert ("bits" in info.outputs) == (embedding.bits is not None)
        assert ("sparse" in info.outputs) == (embedding.sparse is not None)
        if embedding.tokens is not None:
            assert embedding.tokens.dtype == np.float16
            assert embedding.tokens.ndim == 2
            assert 1 <= len(embedding.tokens) < info.max_tokens
            assert embedding.tokens.shape[1] == info.dim
            norms = np.linalg.norm(embedding.tokens.astype(np.float32), axis=1)
            np.testing.assert_allclose(norms, 1, atol=5e-3)
        if embedding.tokens is not None and embedding.bits is not None:
            assert embedding.bits.dtype == np.uint8
            # A value too small for float16 may have lost its sign.
            packed = np.unpackbits(embedding.bits, axis=1)
            clear = np.abs(embedding.tokens) > 1e-6
            np.testing.assert_array_equal(packed[clear], (embedding.tokens > 0)[clear])
        if embedding.sparse is not None:
            assert all(weight > 0 for weight in embedding.sparse.values())
            assert all(type(token) is int and token > 3 for token in embedding.sparse)


async def test_only_what_was_asked_for_comes_back(embedder: Embedder) -> None:
    for output in (await embedder.info()).outputs:
        (embedding,) = await embedder.embed(["在庫"], "passage", [output])
        present = {name for name in ALL_OUTPUTS if getattr(embedding, name) is not None}
        assert present == {output}


async def test_what_the_model_has_not_is_refused(embedder: Embedder) -> None:
    for output in set(ALL_OUTPUTS) - set((await embedder.info()).outputs):
        with pytest.raises(InvalidInput):
            await embedder.embed(["在庫"], "passage", ["dense", output])


async def test_no_output_is_refused(embedder: Embedder) -> None:
    with pytest.raises(InvalidInput):
        await embedder.embed(["在庫"], "passage", [])


@pytest.mark.parametrize("empty", ["", " \n\t", "\u3000"])
async def test_a_text_with_nothing_in_it_is_refused_by_its_place(embedder: Embedder, empty: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await embedder.embed(["在庫", empty, "倉庫"], "passage", ["dense"])
    assert refused.value.place == "texts.1"


async def test_no_text_gives_nothing(embedder: Embedder) -> None:
    assert await embedder.embed([], "passage", ["dense"]) == []


async def test_order_is_kept_over_many_texts(embedder: Embedder) -> None:
    texts = [f"第{number}条 " + "在庫の引き当て " * (number % 9) for number in range(150)]
    together = await embedder.embed(texts, "passage", ["dense"])
    assert len(together) == len(texts)
    for number in (0, 63, 64, 149):
        (alone,) = await embedder.embed([texts[number]], "passage", ["dense"])
        assert alone.dense is not None
        scores = [float(alone.dense @ other.dense) for other in together if other.dense is not None]
        assert scores[number] == pytest.approx(max(scores), abs=1e-5)
        assert scores[number] == pytest.approx(1, abs=1e-4)


async def test_a_result_does_not_depend_on_its_company(embedder: Embedder) -> None:
    outputs = (await embedder.info()).outputs
    batch = await embedder.embed(TEXTS, "passage", outputs)
    for text, one in zip(TEXTS, batch, strict=True):
        (alone,) = await embedder.embed([text], "passage", outputs)
        assert alone.dense is not None
        assert one.dense is not None
        assert alone.dense @ one.dense == pytest.approx(1, abs=1e-5)
        if alone.sparse is not None and one.sparse is not None:
            assert alone.sparse == pytest.approx(one.sparse, abs=1e-3)


async def test_callers_side_by_side_get_their_own(embedder: Embedder) -> None:
    texts = [f"utils{number}.py" for number in range(12)]
    together = await asyncio.gather(*(embedder.embed([text], "query", ["dense"]) for text in texts))
    expected = await embedder.embed(texts, "query", ["dense"])
    for (one,), other in zip(together, expected, strict=True):
        assert one.dense is not None
        assert other.dense is not None
        assert one.dense @ other.dense == pytest.approx(1, abs=1e-5)


async def test_same_meaning_is_nearer_than_another(embedder: Embedder) -> None:
    query, near, far = await embedder.embed(
        ["cancel an order", "how to cancel an order", "weather in Kyoto tomorrow"], "passage", ["dense"]
    )
    assert query.dense is not None
    assert near.dense is not None
    assert far.dense is not None
    assert query.dense @ near.dense > query.dense @ far.dense
