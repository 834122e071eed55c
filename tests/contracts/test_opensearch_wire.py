"""What ml-commons of OpenSearch 3.6 needs of a model server (its connectors cast, and do not forgive)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
from fake_models import REVISION, FakeModel, FakeScorer, serve

from ray_app.lane import Lane
from ray_app.surface.parts import Encoded, PairScorer, Scored
from shirabe.errors import Overloaded
from shirabe.types import Output, TextKind

DOCUMENTS = ["cancel an order", "weather in Kyoto", "how to cancel", "order history", "cancel an order now"]


class Exact(FakeScorer):
    """Gives the relevances whose usual spelling a Java cast trips over."""

    def __init__(self, *relevances: float) -> None:
        self._relevances = list(relevances)

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        return Scored(self._relevances, self._relevances, 1, 0)


def _client(scorer: PairScorer | None = None) -> httpx.AsyncClient:
    return serve(FakeModel(), scorer)[0]


async def _rerank(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    body = {"query": "cancel an order", "documents": DOCUMENTS, "model": None, "top_n": 1000} | changes
    response = await client.post("/v2/rerank", json=body)
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("scorer", [None, FakeScorer()])
async def test_w1_every_document_is_scored_under_its_index(scorer: PairScorer | None) -> None:
    results = (await _rerank(_client(scorer))).json()["results"]
    assert sorted(result["index"] for result in results) == list(range(len(DOCUMENTS)))
    assert all(type(result["index"]) is int for result in results)
    assert all(one["relevance_score"] >= two["relevance_score"] for one, two in pairwise(results))


async def test_w1_the_server_clamps_top_n() -> None:
    assert len((await _rerank(_client(), top_n=2)).json()["results"]) == 2
    assert len((await _rerank(_client(), top_n=len(DOCUMENTS) + 1)).json()["results"]) == len(DOCUMENTS)


async def test_w2_scores_are_short_decimals_whatever_the_value() -> None:
    values = [1.0, 0.0, 3.0123456789012345e-05, 1e-12, 0.1 + 0.2]
    response = await _rerank(_client(Exact(*values)))
    spelled: list[str] = []
    json.loads(response.text, parse_float=lambda text: spelled.append(text) or Decimal(text))  # type: ignore[func-returns-value]
    assert len(spelled) == len(values), "an integer where a decimal must stand"
    assert all(re.fullmatch(r"-?\d+\.\d{1,8}", text) for text in spelled), spelled
    said = {result["index"]: result["relevance_score"] for result in response.json()["results"]}
    assert [said[number] for number in range(len(values))] == pytest.approx(values, abs=1e-8)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v2/rerank", "/opensearch/sparse", "/rerank", "/embed"])
async def test_w3_overload_says_throttling(path: str) -> None:
    model = FakeModel()
    model.failure = Overloaded("the queue is full", 2.5)
    client, _ = serve(model)
    body = {"input": ["a"], "model": "fake-m3", "query": "a", "documents": ["b"], "inputs": ["a"]}
    response = await client.post(path, json=body)
    assert response.status_code == 429
    assert response.headers["x-amzn-ErrorType"] == "ThrottlingException"
    assert response.headers["Retry-After"] == "3"


async def test_w4_one_vector_per_input_in_order_of_the_model_s_width() -> None:
    model = FakeModel(dim=64)
    client, _ = serve(model)
    texts = [f"text {number}" for number in range(40)]
    data = (await client.post("/v1/embeddings", json={"input": texts, "model": "acme/fake-m3"})).json()["data"]
    assert [one["index"] for one in data] == list(range(40))
    assert {len(one["embedding"]) for one in data} == {64}
    for number in (0, 17, 39):
        alone = await client.post("/v1/embeddings", json={"input": texts[number], "model": "fake-m3"})
        assert alone.json()["data"][0]["embedding"] == data[number]["embedding"]


class Weightless(FakeModel):
    """Finds no token worth a weight in any text."""

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        encoded = await super().encode(texts, kind, outputs, lane, cut=cut)
        for row in encoded.rows:
            assert row.sparse_weights is not None
            row.sparse_weights[:] = 0
        return encoded


@pytest.mark.parametrize("model", [FakeModel(), Weightless()])
async def test_w5_sparse_maps_are_positive_and_never_empty(model: FakeModel) -> None:
    client, _ = serve(model)
    response = await client.post("/opensearch/sparse", json={"input": ["cancel order", "!", "order"]})
    maps = response.json()["response"]
    assert len(maps) == 3
    for one in maps:
        assert one
        assert all(re.fullmatch(r"\d+", token) for token in one)
        assert all(isinstance(weight, float) and weight > 0 for weight in one.values())


@pytest.mark.parametrize("text", ['{"a":1}', '["x"]', '"quoted"', "back\\slash\n\ttab", "line\u2028break"])
async def test_w6_text_that_looks_like_json_is_text(text: str) -> None:
    client, _ = serve(FakeModel())
    assert (await client.post("/v1/embeddings", json={"input": [text], "model": "fake-m3"})).status_code == 200
    assert (await client.post("/opensearch/sparse", json={"input": text})).status_code == 200
    assert (await client.post("/v2/rerank", json={"query": text, "documents": [text]})).status_code == 200


async def test_w6_what_ml_commons_makes_of_such_a_query_is_refused_clearly() -> None:
    client, _ = serve(FakeModel())
    body = '{ "documents": ["a"], "query": "{"a":1}", "model": "fake-m3-maxsim", "top_n": 1 }'
    response = await client.post("/v2/rerank", content=body)
    assert response.status_code == 400
    assert "JSON" in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "a", "model": "fake-m3"}),
        ("/opensearch/sparse", {"input": "a"}),
        ("/v2/rerank", {"query": "a", "documents": ["b"]}),
        ("/embed", {"inputs": "a"}),
        ("/m3/encode", {"texts": ["a"], "kind": "query", "outputs": ["dense"]}),
    ],
)
async def test_w7_the_revision_is_said(path: str, body: dict[str, Any]) -> None:
    client, _ = serve(FakeModel())
    response = await client.post(path, json=body)
    assert response.headers["X-Model-Revision"] == REVISION
    assert (await client.get("/info")).json()["model_sha"] == REVISION
    assert {one["revision"] for one in (await client.get("/v1/models")).json()["data"]} == {REVISION}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "a", "model": "fake-m3"}),
        ("/opensearch/sparse", {"input": "a"}),
        ("/v2/rerank", {"query": "a", "documents": ["b"]}),
    ],
)
async def test_w7_who_was_set_up_for_another_revision_is_refused(path: str, body: dict[str, Any]) -> None:
    client, _ = serve(FakeModel())
    assert (await client.post(path, json=body | {"revision": REVISION})).status_code == 200
    refused = await client.post(path, json=body | {"revision": "of-last-year"})
    assert refused.status_code == 400
    assert REVISION in refused.text and "of-last-year" in refused.text
