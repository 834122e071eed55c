"""What nobody should send: the server says so in clear words, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ray_app.tokenizer import CheckpointTokenizer

ENCODE: dict[str, Any] = {"texts": ["在庫"], "kind": "passage", "outputs": ["dense"]}


@pytest.fixture
def http(models_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=models_url, timeout=60) as client:
        yield client
        # Whatever was sent, the next caller is served.
        assert client.post("/m3/encode", json=ENCODE).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", b'{"model": "m3-mini", "input": NaN}'),
        ("/v1/embeddings", b'{"model": "m3-mini", "input": ""}'),
        ("/v1/embeddings", b'{"model": "m3-mini", "input": "\\ud800"}'),
        ("/embed", b'{"inputs": [NaN]}'),
        ("/embed", b'{"inputs": ""}'),
        ("/embed_sparse", b'{"inputs": "\\udfff"}'),
        ("/rerank", b'{"query": NaN, "texts": ["a"]}'),
        ("/v2/rerank", b'{"query": "a", "documents": ["\\ud800"]}'),
        ("/opensearch/sparse", b'{"input": [null]}'),
        ("/m3/encode", b'{"texts": [NaN], "kind": "query", "outputs": ["dense"]}'),
        ("/m3/encode", b'{"texts": ["\\ud800"], "kind": "query", "outputs": ["dense"]}'),
        ("/m3/encode", b'{"texts": ["a", " "], "kind": "query", "outputs": ["dense"]}'),
        ("/v2/rerank", b'{"query": "a", "documents": [""]}'),
        ("/opensearch/sparse", b'{"input": ["\\u3000"]}'),
    ],
)
def test_what_is_no_text_is_refused(http: httpx.Client, path: str, body: bytes) -> None:
    refused = http.post(path, content=body)
    assert refused.status_code in (400, 422)
    assert "json" in refused.headers["content-type"]


@pytest.mark.parametrize("character", ["あ", " ", "a"])
def test_a_million_characters_are_cut_and_that_is_said(http: httpx.Client, character: str) -> None:
    text = "在庫 " + character * 999_990 + " order"
    answer = http.post("/m3/encode", json=ENCODE | {"texts": [text, "short"]})
    assert answer.status_code == 200
    # A run of spaces is one space to the tokenizer: nothing is cut of that text.
    assert answer.headers["X-Truncated"] == ("0" if character == " " else "1")


def test_a_million_characters_are_refused_where_cutting_is_not_wanted(http: httpx.Client) -> None:
    text = "在庫を確認する。" * 125_000
    assert http.post("/embed", json={"inputs": text, "truncate": False}).status_code == 422
    refused = http.post("/v1/embeddings", json={"input": text, "model": "m3-mini", "truncate": False})
    assert refused.json()["error"]["code"] == "context_length_exceeded"


def test_only_what_would_be_cut_is_refused_where_cutting_is_not_wanted(http: httpx.Client, checkpoint: Path) -> None:
    longest = http.get("/info").json()["max_input_length"]
    (one,) = CheckpointTokenizer(checkpoint, longest).encode(["passage: a"])
    fitting = " ".join("a" * (longest - len(one) + 1))
    longer = f"{fitting} a"
    for path, name in (("/embed", "inputs"), ("/embed_sparse", "inputs")):
        taken = http.post(path, json={name: fitting, "truncate": False})
        assert (taken.status_code, taken.headers["X-Truncated"]) == (200, "0")
        refused = http.post(path, json={name: ["short", longer], "truncate": False})
        assert (refused.status_code, refused.json()["detail"]) == (
            422,
            f"text 1 is longer than the {longest} tokens the model takes",
        )
    both = http.post("/m3/encode", json=ENCODE | {"texts": [fitting, longer, longer * 9]})
    assert both.headers["X-Truncated"] == "2"


def test_a_model_that_is_not_there_is_not_found(http: httpx.Client) -> None:
    for path, body in (
        ("/v1/embeddings", {"input": "a"}),
        ("/v1/rerank", {"query": "a", "documents": ["b"]}),
        ("/v2/rerank", {"query": "a", "documents": ["b"]}),
    ):
        refused = http.post(path, json=body | {"model": "BAAI/bge-m4"})
        assert refused.status_code == 404
        assert "BAAI/bge-m4" in refused.text
        assert "m3-mini" in refused.text


def test_ten_thousand_texts_are_refused_with_the_cap(http: httpx.Client) -> None:
    texts = [f"text {number}" for number in range(10_000)]
    cap = http.get("/info").json()["max_client_batch_size"]
    for path, body in (
        ("/embed", {"inputs": texts}),
        ("/v1/embeddings", {"input": texts, "model": "m3-mini"}),
        ("/m3/encode", ENCODE | {"texts": texts}),
        ("/v2/rerank", {"query": "a", "documents": texts}),
    ):
        refused = http.post(path, json=body)
        assert refused.status_code in (400, 413)
        assert f"at most {cap}" in refused.text
