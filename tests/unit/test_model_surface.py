"""Each API family over models without weights: shapes, choices, limits, and errors in the family's own words."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
import pytest
from fake_models import MAX_TOKENS, FakeModel, FakeScorer, serve

from ray_app.lane import Lane
from ray_app.surface.late import max_sim
from ray_app.surface.parts import Encoded
from ray_app.wire import unpack
from shirabe.errors import Forbidden, Overloaded, ShirabeError, Timeout, Unavailable
from shirabe.types import Output, TextKind

LONG = "x" * (MAX_TOKENS + 1)
ENCODE: dict[str, Any] = {"texts": ["a b", "c"], "kind": "query", "outputs": ["dense", "sparse", "tokens", "bits"]}
OPENAI: dict[str, Any] = {"input": ["a b", "c"], "model": "fake-m3"}
TEI: dict[str, Any] = {"inputs": ["a b", "c"]}
COHERE: dict[str, Any] = {"query": "cancel order", "documents": ["weather", "cancel order"]}
TEI_RERANK: dict[str, Any] = {"query": "cancel order", "texts": ["weather", "cancel order"]}


async def _post(path: str, body: dict[str, Any], status: int = 200, model: FakeModel | None = None) -> httpx.Response:
    client, _ = serve(model or FakeModel(), FakeScorer())
    response = await client.post(path, json=body)
    assert response.status_code == status, response.text
    return response


async def test_encode_in_binary_and_in_json_says_the_same() -> None:
    client, _ = serve(FakeModel())
    binary = await client.post("/m3/encode", json=ENCODE)
    spoken = await client.post("/m3/encode", json=ENCODE, headers={"Accept": "application/json"})
    answer = spoken.json()
    assert (answer["model"], answer["revision"]) == ("acme/fake-m3", "rev-1")
    for one, said in zip(unpack(binary.content, 2, ENCODE["outputs"]), answer["embeddings"], strict=True):
        assert one.dense is not None
        assert one.tokens is not None
        assert one.bits is not None
        np.testing.assert_array_equal(one.dense, np.array(said["dense"], np.float32))
        np.testing.assert_array_equal(one.tokens, np.array(said["tokens"], np.float16))
        assert one.sparse == {int(token): weight for token, weight in said["sparse"].items()}
        assert [base64.b64decode(row) for row in said["bits"]] == [row.tobytes() for row in one.bits]


async def test_only_the_outputs_asked_for_are_in_the_json() -> None:
    client, _ = serve(FakeModel())
    body = ENCODE | {"outputs": ["sparse"]}
    answer = (await client.post("/m3/encode", json=body, headers={"Accept": "application/json"})).json()
    assert [set(one) for one in answer["embeddings"]] == [{"sparse"}, {"sparse"}]


async def test_openai_floats_and_base64_are_the_same_vectors() -> None:
    floats = (await _post("/v1/embeddings", OPENAI)).json()
    coded = (await _post("/v1/embeddings", OPENAI | {"encoding_format": "base64"})).json()
    assert floats["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    for one, other in zip(floats["data"], coded["data"], strict=True):
        decoded = np.frombuffer(base64.b64decode(other["embedding"]), "<f4")
        np.testing.assert_array_equal(np.array(one["embedding"], np.float32), decoded)


async def test_fewer_dimensions_are_cut_and_normalised_where_the_model_allows_it() -> None:
    full = (await _post("/v1/embeddings", OPENAI, model=FakeModel(64, 16))).json()["data"]
    cut = (await _post("/v1/embeddings", OPENAI | {"dimensions": 16}, model=FakeModel(64, 16))).json()["data"]
    for one, other in zip(full, cut, strict=True):
        head = np.array(one["embedding"][:16])
        np.testing.assert_allclose(other["embedding"], head / np.linalg.norm(head), atol=1e-6)
    assert (await _post("/v1/embeddings", OPENAI | {"dimensions": 64})).json()["data"] == full
    for dimensions in (15, 65):
        body = OPENAI | {"dimensions": dimensions}
        assert (await _post("/v1/embeddings", body, 400, FakeModel(64, 16))).json()["error"]["param"] == "dimensions"
    refused = (await _post("/v1/embeddings", OPENAI | {"dimensions": 32}, 400)).json()["error"]
    assert "64 dimensions" in refused["message"]
    assert (await _post("/embed", TEI | {"dimensions": 32}, 422)).json()["place"] == "dimensions"


@pytest.mark.parametrize("ids", [[1, 2], [[1, 2], [3]]])
async def test_token_ids_are_refused_with_the_reason(ids: list[Any]) -> None:
    error = (await _post("/v1/embeddings", OPENAI | {"input": ids}, 400)).json()["error"]
    assert error["param"] == "input"
    assert "another tokenizer" in error["message"]
    assert "another tokenizer" in (await _post("/embed", {"inputs": ids}, 422)).json()["error"]


async def test_models_are_listed_and_found_by_name() -> None:
    client, _ = serve(FakeModel(), FakeScorer())
    listed = (await client.get("/v1/models")).json()
    assert [one["id"] for one in listed["data"]] == ["acme/fake-m3", "acme/fake-reranker"]
    assert (await client.get("/v1/models/acme/fake-m3")).json() == listed["data"][0]
    assert (await client.get("/v1/models/fake-reranker")).json() == listed["data"][1]
    assert (await client.get("/v1/models/other")).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/embeddings", OPENAI, lambda body: body["error"]["message"]),
        ("/v1/rerank", COHERE, lambda body: body["error"]["message"]),
        ("/v2/rerank", COHERE, lambda body: body["message"]),
        ("/rerank", COHERE, lambda body: body["message"]),
    ],
)
async def test_a_wrong_model_name_is_not_found(path: str, body: dict[str, Any], message: Any) -> None:
    assert "'text-embedding-3-large'" in message(
        (await _post(path, body | {"model": "text-embedding-3-large"}, 404)).json()
    )


async def test_the_body_tells_whose_rerank_it_is() -> None:
    cohere = (await _post("/rerank", COHERE)).json()
    assert [one["index"] for one in cohere["results"]] == [1, 0]
    assert cohere["results"] == (await _post("/v2/rerank", COHERE)).json()["results"]
    tei = (await _post("/rerank", TEI_RERANK)).json()
    assert [one["index"] for one in tei] == [1, 0]
    assert tei[0]["score"] == pytest.approx(0.5)
    assert (await _post("/rerank", {"query": "a"}, 422)).json()["error_type"] == "Validation"
    assert "message" in (await _post("/rerank", COHERE | {"query": ""}, 400)).json()


async def test_tei_raw_scores_and_texts() -> None:
    answer = (await _post("/rerank", TEI_RERANK | {"raw_scores": True, "return_text": True})).json()
    assert answer == [
        {"index": 1, "score": 0.0, "text": "cancel order"},
        {"index": 0, "score": -2.0, "text": "weather"},
    ]


async def test_documents_may_be_objects_and_come_back_when_asked() -> None:
    body = COHERE | {"documents": [{"text": "weather", "id": 7}, "cancel 注文"], "return_documents": True, "top_n": 1}
    answer = (await _post("/v1/rerank", body)).json()
    assert answer["results"][0]["document"] == {"text": "cancel 注文"}
    assert len(answer["results"]) == 1
    assert answer["usage"]["total_tokens"] > 0


async def test_a_cut_per_document_that_is_not_to_be_had_is_refused() -> None:
    assert (await _post("/v2/rerank", COHERE | {"max_tokens_per_doc": 4096})).json()["results"]
    assert (await _post("/v2/rerank", COHERE | {"max_tokens_per_doc": 8}, 400)).json()["place"] == "max_tokens_per_doc"


async def test_without_a_cross_encoder_late_interaction_reranks_and_says_so() -> None:
    client, _ = serve(FakeModel())
    answer = (await client.post("/v2/rerank", json=COHERE)).json()
    assert answer["model"] == "acme/fake-m3-maxsim"
    assert [one["index"] for one in answer["results"]] == [1, 0]
    assert answer["results"][0]["relevance_score"] == pytest.approx(1, abs=1e-3)
    assert (await client.post("/m3/rerank", json={"query": "a", "passages": ["b"]})).status_code == 404
    assert (await client.get("/info")).json()["reranker"]["model_id"] == "acme/fake-m3-maxsim"


def test_max_sim_is_the_mean_of_each_query_token_s_best() -> None:
    query = np.array([[1, 0], [0, 1]], np.float32)
    passage = np.array([[1, 0], [0.6, 0.8]], np.float32)
    nothing = np.zeros((0, 2), np.float32)
    assert max_sim(query, [passage, nothing]) == pytest.approx([0.9, 0.0])
    assert max_sim(nothing, [passage]) == [0.0]


async def test_tei_embeds_at_both_addresses_and_sparsely() -> None:
    assert (await _post("/", TEI)).json() == (await _post("/embed", TEI)).json()
    sparse = (await _post("/embed_sparse", {"inputs": "a b"})).json()
    assert len(sparse) == 1
    assert all(one["value"] > 0 and isinstance(one["index"], int) for one in sparse[0])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"normalize": False}, "normalize"),
        ({"truncation_direction": "Left"}, "truncation_direction"),
        ({"prompt_name": "title"}, "prompt_name"),
        ({"inputs": []}, "inputs"),
        ({"inputs": ["a", ""]}, "inputs.1"),
    ],
)
async def test_what_tei_offers_and_we_do_not_is_refused(change: dict[str, Any], place: str) -> None:
    assert (await _post("/embed", TEI | change, 422)).json()["place"] == place


async def test_prefixes_and_lanes_are_chosen_as_asked() -> None:
    model = FakeModel()
    client, _ = serve(model)
    await client.post("/v1/embeddings", json=OPENAI)
    await client.post("/v1/embeddings", json=OPENAI | {"input_type": "query"})
    await client.post("/embed", json={"inputs": "short", "prompt_name": "query", "truncation_direction": "Right"})
    await client.post("/m3/encode", json=ENCODE | {"lane": "passage"})
    assert [(kind, lane) for kind, lane, _ in model.calls] == [
        ("passage", "passage"),
        ("query", "query"),
        ("query", "query"),
        ("query", "passage"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/m3/encode", ENCODE | {"texts": ["a", LONG]}, 413),
        ("/v1/embeddings", OPENAI | {"input": ["a", LONG]}, 400),
        ("/embed", {"inputs": ["a", LONG]}, 422),
        ("/embed_sparse", {"inputs": ["a", LONG]}, 422),
        ("/rerank", TEI_RERANK | {"texts": ["a", LONG]}, 422),
        ("/v2/rerank", COHERE | {"documents": ["a", LONG]}, 413),
        ("/m3/rerank", {"query": "q", "passages": ["a", LONG]}, 413),
    ],
)
async def test_too_long_is_cut_and_said_or_refused_as_asked(path: str, body: dict[str, Any], status: int) -> None:
    assert (await _post(path, body)).headers["X-Truncated"] == "1"
    await _post(path, body | {"truncate": False}, status)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/m3/encode", ENCODE | {"texts": ["a"] * 10_000}, 413),
        ("/v1/embeddings", OPENAI | {"input": ["a"] * 10_000}, 400),
        ("/embed", {"inputs": ["a"] * 10_000}, 413),
        ("/opensearch/sparse", {"input": ["a"] * 10_000}, 413),
        ("/v2/rerank", {"query": "a", "documents": ["a"] * 10_000}, 413),
        ("/rerank", {"query": "a", "texts": ["a"] * 10_000}, 413),
    ],
)
async def test_ten_thousand_texts_are_too_many(path: str, body: dict[str, Any], status: int) -> None:
    assert "at most 2048" in (await _post(path, body, status)).text


async def test_a_body_is_read_up_to_the_cap_only() -> None:
    client, _ = serve(FakeModel())
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 1_000_000
            yield b" " * 1_000_000

    assert (await client.post("/embed", content=endless())).status_code == 413
    assert read < 20_000_000


async def test_token_vectors_of_an_answer_are_bounded() -> None:
    client, _ = serve(FakeModel(dim=64 * 1024))
    body = ENCODE | {"texts": ["x" * MAX_TOKENS] * 100, "outputs": ["tokens"]}
    response = await client.post("/m3/encode", json=body)
    assert response.status_code == 413
    assert "token vectors" in response.json()["detail"]


@pytest.mark.parametrize("empty", ["", " \t\n", "\u3000"])
@pytest.mark.parametrize(
    ("path", "body", "field", "status"),
    [
        ("/m3/encode", ENCODE, "texts", 400),
        ("/m3/rerank", {"query": "q"}, "passages", 400),
        ("/v1/embeddings", OPENAI, "input", 400),
        ("/v1/rerank", COHERE, "documents", 400),
        ("/v2/rerank", COHERE, "documents", 400),
        ("/rerank", COHERE, "documents", 400),
        ("/rerank", TEI_RERANK, "texts", 422),
        ("/", TEI, "inputs", 422),
        ("/embed", TEI, "inputs", 422),
        ("/embed_sparse", TEI, "inputs", 422),
        ("/opensearch/sparse", {}, "input", 400),
    ],
)
async def test_an_empty_text_is_refused_everywhere_and_named(
    path: str, body: dict[str, Any], field: str, status: int, empty: str
) -> None:
    assert _place(await _post(path, body | {field: ["a", "b", empty]}, status)) == f"{field}.2"
    if "query" in body:
        assert _place(await _post(path, body | {field: ["a"], "query": empty}, status)) == "query"


def _place(response: httpx.Response) -> Any:
    answer = response.json()
    return answer["error"]["param"] if isinstance(answer.get("error"), dict) else answer["place"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embed", "/opensearch/sparse", "/m3/encode", "/v2/rerank"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"input": NaN, "inputs": NaN, "texts": [NaN], "query": NaN, "documents": [NaN], "model": "fake-m3"}',
        b'{"input": "\\ud800", "inputs": "\\ud800", "texts": ["\\ud800"], "query": "\\ud800", "model": "fake-m3"}',
        b'{"input": [""], "inputs": [""], "texts": [], "query": "", "documents": [""], "model": "fake-m3"}',
        b'{"input": {}, "inputs": {}, "texts": {}, "query": {}, "documents": {}, "model": "fake-m3"}',
    ],
)
async def test_bad_bodies_are_refused_and_the_service_goes_on(path: str, body: bytes) -> None:
    client, _ = serve(FakeModel())
    refused = await client.post(path, content=body)
    assert refused.status_code in (400, 422)
    assert json.loads(refused.text)
    assert (await client.post("/embed", json=TEI)).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "openai"),
    [
        (Overloaded("full"), 429, "rate_limit_error"),
        (Timeout("slow"), 504, "server_error"),
        (Unavailable("down"), 503, "server_error"),
        (Forbidden("the provider does not take the key"), 403, "invalid_request_error"),
    ],
)
async def test_errors_of_the_model_in_each_family_s_words(error: ShirabeError, status: int, openai: str) -> None:
    model = FakeModel()
    model.failure = error
    client, _ = serve(model)
    said = await client.post("/v1/embeddings", json=OPENAI)
    assert (said.status_code, said.json()["error"]["type"]) == (status, openai)
    assert (await client.post("/embed", json=TEI)).json()["error"] == str(error)
    assert (await client.post("/v2/rerank", json=COHERE)).json()["message"] == str(error)
    assert (await client.post("/m3/encode", json=ENCODE)).json()["detail"] == str(error)
    assert (await client.get("/healthz")).status_code == status


async def test_every_path_but_health_wants_the_key() -> None:
    client, _ = serve(FakeModel(), api_key="s3cret")
    for path in ("/health", "/healthz"):
        assert (await client.get(path)).status_code == 200
    for path in ("/info", "/m3/info", "/v1/models"):
        assert (await client.get(path)).status_code == 401
    for shown in ("", "s3cret", "Bearer s3cre", "Basic s3cret", "Bearer s3cret2", "Bearer \xe9"):
        headers = {b"Authorization": shown.encode("latin-1")}
        refused = await client.post("/v1/embeddings", json=OPENAI, headers=headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert "s3cret" not in refused.text
    client.headers["Authorization"] = "Bearer s3cret"
    assert (await client.post("/v1/embeddings", json=OPENAI)).status_code == 200
    assert (await client.post("/embed", json=TEI)).status_code == 200


class Held(FakeModel):
    """Answers when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        await self.gate.wait()
        return await super().encode(texts, kind, outputs, lane, cut=cut)


async def test_more_requests_than_it_takes_are_refused_at_once_and_it_goes_on() -> None:
    model = Held()
    client, _ = serve(model, requests=3)
    asked = [asyncio.create_task(client.post("/embed", json=TEI)) for _ in range(10)]
    done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 7:
        more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        done |= more
    assert {task.result().status_code for task in done} == {429}
    assert all(task.result().headers["Retry-After"] for task in done)
    assert (await client.get("/health")).status_code == 200
    model.gate.set()
    assert [(await task).status_code for task in waiting] == [200] * 3
    assert (await client.post("/embed", json=TEI)).status_code == 200


async def test_a_request_that_takes_too_long_is_answered() -> None:
    client, _ = serve(Held(), timeout_s=0.05)
    response = await client.post("/embed", json=TEI)
    assert response.status_code == 504


async def test_info_says_the_caps() -> None:
    client, _ = serve(FakeModel(), requests=7)
    info = (await client.get("/info")).json()
    assert info["max_client_batch_size"] == 2048
    assert info["max_concurrent_requests"] == 7
    assert info["max_input_length"] == MAX_TOKENS
    assert info["auto_truncate"] is True
    assert info["model_dtype"] == "float16"
    assert "provider_usage" not in info


async def test_what_is_not_there() -> None:
    client, _ = serve(FakeModel())
    for method, path in (("GET", "/m3/encode"), ("POST", "/v1/chat/completions"), ("GET", "/")):
        assert (await client.request(method, path)).status_code == 404
