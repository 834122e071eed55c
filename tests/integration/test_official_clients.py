"""The vendors' own Python clients, unchanged, against the models on Ray Serve."""

from __future__ import annotations

from collections.abc import Iterator

import cohere
import httpx
import numpy as np
import openai
import pytest
from cohere.core import ApiError
from huggingface_hub import InferenceClient

from ray_app.client import ModelClient

TEXTS = ["注文を取り消すと在庫はすぐに戻る。", "Cancelling an order returns its stock at once.", "Weather in Kyoto"]


@pytest.fixture(scope="module")
def openai_client(models_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{models_url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def cohere_client(models_url: str) -> Iterator[cohere.ClientV2]:
    with httpx.Client() as http:
        yield cohere.ClientV2(api_key="none", base_url=models_url, httpx_client=http)


async def test_openai_embeddings(openai_client: openai.OpenAI, models_url: str) -> None:
    answer = openai_client.embeddings.create(model="m3-mini", input=TEXTS)
    assert answer.usage.prompt_tokens > 0
    floats = openai_client.embeddings.create(model="m3-mini", input=TEXTS[0], encoding_format="float")
    client = ModelClient(models_url, timeout_s=30)
    try:
        expected = await client.embed(TEXTS, "passage", ["dense"])
    finally:
        await client.close()
    for one, other in zip(answer.data, expected, strict=True):
        assert other.dense is not None
        assert one.embedding == pytest.approx(other.dense.tolist(), abs=1e-5)
    assert floats.data[0].embedding == pytest.approx(answer.data[0].embedding, abs=1e-5)


def test_openai_errors_are_its_own(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="m3-mini") as missing:
        openai_client.embeddings.create(model="text-embedding-3-large", input="a")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="384 dimensions") as refused:
        openai_client.embeddings.create(model="m3-mini", input="a", dimensions=256)
    assert refused.value.param == "dimensions"
    with pytest.raises(openai.BadRequestError, match="another tokenizer"):
        openai_client.embeddings.create(model="m3-mini", input=[1, 2, 3])


def test_openai_models(openai_client: openai.OpenAI) -> None:
    names = [model.id for model in openai_client.models.list()]
    assert names == ["m3-mini", "m3-mini-maxsim"]
    assert openai_client.models.retrieve("m3-mini").id == "m3-mini"


def test_cohere_rerank(cohere_client: cohere.ClientV2) -> None:
    answer = cohere_client.rerank(model="m3-mini-maxsim", query="how to cancel an order", documents=TEXTS)
    assert sorted(one.index for one in answer.results) == [0, 1, 2]
    assert answer.results[-1].index == 2
    scores = [one.relevance_score for one in answer.results]
    assert scores == sorted(scores, reverse=True)
    assert len(cohere_client.rerank(model="m3-mini", query="a", documents=TEXTS, top_n=1).results) == 1


def test_cohere_errors_are_its_own(cohere_client: cohere.ClientV2) -> None:
    with pytest.raises(ApiError) as missing:
        cohere_client.rerank(model="rerank-v3.5", query="a", documents=TEXTS)
    assert missing.value.status_code == 404
    with pytest.raises(ApiError) as refused:
        cohere_client.rerank(model="m3-mini", query="", documents=TEXTS)
    assert refused.value.status_code == 400


@pytest.mark.parametrize("path", ["", "/embed"])
def test_hugging_face_feature_extraction(models_url: str, path: str) -> None:
    client = InferenceClient(f"{models_url}{path}")
    (vector,) = client.feature_extraction(TEXTS[0], truncate=True, truncation_direction="right", normalize=True)
    assert vector.shape == (384,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
    (query,) = client.feature_extraction(TEXTS[0], prompt_name="query")
    assert not np.allclose(vector, query)
