"""A cross-encoder on Ray Serve behind the embedder's door, found by its name in an offline hub cache.

The model is a small random one of bge-reranker-v2-m3's architecture: what the server answers is compared with the same
files in this process.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import cohere
import httpx
import numpy as np
import pytest
import pytest_asyncio
import torch

from bench.checkpoints import Shape, write
from ray_app.client import ModelClient
from ray_app.config import ServerConfig
from ray_app.cross_encoder import CrossEncoder, probabilities
from ray_app.models import BGE_RERANKER_V2_M3
from ray_app.observer import Observer
from ray_app.reranker_service import CrossReranker, reranker_card
from shirabe.cli.models_process import ModelsProcess
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.settings import Settings
from shirabe.types import Floats

SHAPE = Shape(32, 2, 4, 64, vocabulary=250_002, positions=8194, spread=0.4)
NAME = "random-bge-reranker-v2-m3"
QUERY = "取り消した注文の在庫はいつ戻るか"
PASSAGES = [
    "注文を取り消すと、引き当て済みの在庫はただちに戻される。",
    "Cancelling an order returns its stock at once.",
    "Weather in Kyoto",
    "def allocate(order: Order) -> list[Allocation]: ...",
    "在庫 " * 2000,
    "長い文書。" * 100,
]
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reranker") / "checkpoint"
    write("bge-reranker-v2-m3", folder, checkpoint, SHAPE)
    return folder


@pytest.fixture(scope="module")
def hub_cache(folder: Path) -> Iterator[Path]:
    """The checkpoint as the hub's library keeps one: files under their checksums, a commit that links to them."""
    cache = folder.parent / "hub"
    repository = cache / f"models--{BGE_RERANKER_V2_M3.name.replace('/', '--')}"
    snapshot = repository / "snapshots" / str(BGE_RERANKER_V2_M3.revision)
    snapshot.mkdir(parents=True)
    blobs = repository / "blobs"
    blobs.mkdir()
    for file in folder.iterdir():
        blob = blobs / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(cache))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield cache


@pytest.fixture(scope="module")
def expected(folder: Path) -> Floats:
    encoder = CrossEncoder(folder, torch.device("cpu"), cache_dir=folder.parent / "cache", precision="fp32")
    scores = encoder.score(QUERY, PASSAGES, batch_tokens=1024)
    assert np.ptp(scores) > 10 * TOLERANCE
    assert np.diff(np.sort(scores)).min() > 2 * TOLERANCE
    return scores


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(settings: Settings, checkpoint: Path, hub_cache: Path) -> AsyncIterator[str]:
    models = settings.models.model_copy(update={"reranker": BGE_RERANKER_V2_M3.name, "precision": "fp32", "threads": 1})
    state_dir = settings.state_dir.parent / "reranker-server"
    state_dir.mkdir()
    server = ModelsProcess(settings.model_copy(update={"models": models, "state_dir": state_dir}), checkpoint)
    try:
        yield (await server.start(require_free_port(LOOPBACK, 0))).url
    finally:
        await server.stop()


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


def _order(scores: Floats) -> list[int]:
    order: list[int] = np.argsort(-scores).tolist()
    return order


def test_it_says_which_cross_encoder_it_has(http: httpx.Client) -> None:
    assert http.get("/m3/info").json()["reranker"] is True
    info = http.get("/info").json()
    assert info["reranker"] == {"model_id": NAME, "model_sha": "random-32x2"}
    assert info["model_dtype"] == "float32"
    assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["m3-mini", NAME]


async def test_our_client_gets_the_logits(url: str, expected: Floats) -> None:
    client = ModelClient(url, timeout_s=60)
    try:
        np.testing.assert_allclose(await client.rerank(QUERY, PASSAGES), expected, atol=TOLERANCE)
    finally:
        await client.close()


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_cohere_s_shape_is_in_the_order_of_the_logits(http: httpx.Client, expected: Floats, path: str) -> None:
    answer = http.post(path, json={"model": NAME, "query": QUERY, "documents": PASSAGES})
    assert answer.headers["X-Truncated"] == "1"
    results = answer.json()["results"]
    assert [one["index"] for one in results] == _order(expected)
    relevances = np.sort(probabilities(expected))[::-1]
    np.testing.assert_allclose([one["relevance_score"] for one in results], relevances, atol=TOLERANCE)


@pytest.mark.parametrize("raw", [True, False])
def test_tei_s_shape_is_in_the_order_of_the_logits(http: httpx.Client, expected: Floats, raw: bool) -> None:
    answer = http.post("/rerank", json={"query": QUERY, "texts": PASSAGES, "raw_scores": raw}).json()
    assert [one["index"] for one in answer] == _order(expected)
    scores = np.sort(expected if raw else probabilities(expected))[::-1]
    np.testing.assert_allclose([one["score"] for one in answer], scores, atol=TOLERANCE)


def test_cohere_s_own_client(url: str, expected: Floats) -> None:
    with httpx.Client() as own:
        client = cohere.ClientV2(api_key="none", base_url=url, httpx_client=own)
        answer = client.rerank(model=NAME, query=QUERY, documents=PASSAGES, top_n=3)
    assert [one.index for one in answer.results] == _order(expected)[:3]


def test_only_pairs_that_would_be_cut_are_refused(http: httpx.Client, folder: Path) -> None:
    card = reranker_card(ServerConfig(reranker=str(folder), cache_dir=folder.parent / "cache"))
    encoder = CrossEncoder(folder, torch.device("cpu"), cache_dir=folder.parent / "cache")
    (one,) = encoder.encode_pre("a", ["a"])
    fitting = " ".join("a" * (card.max_tokens - len(one) + 1))
    body = {"query": "a", "texts": ["b", fitting], "truncate": False}
    taken = http.post("/rerank", json=body)
    assert (taken.status_code, taken.headers["X-Truncated"]) == (200, "0")
    refused = http.post("/rerank", json=body | {"texts": ["b", f"{fitting} a"]})
    assert refused.status_code == 422
    assert refused.json()["detail"] == f"text 1 is longer than the {card.max_tokens} tokens the model takes"


def test_what_is_no_text_is_refused_and_the_server_goes_on(http: httpx.Client) -> None:
    for body, place in (
        (b'{"query": "a", "passages": ["b", ""]}', "passages.1"),
        (b'{"query": " ", "passages": ["b"]}', "query"),
        (b'{"query": "a", "passages": [NaN]}', "passages.0"),
    ):
        refused = http.post("/m3/rerank", content=body)
        assert (refused.status_code, refused.json()["place"]) == (400, place)
    assert http.post("/m3/rerank", content=b'{"query": "a", "passages": ["\\ud800"]}').status_code == 400
    assert http.post("/m3/rerank", json={"query": "a", "passages": ["b"]}).status_code == 200


async def test_a_folder_is_the_same_model_as_its_name(folder: Path, hub_cache: Path, expected: Floats) -> None:
    by_folder = ServerConfig(reranker=str(folder), cache_dir=folder.parent / "cache", precision="fp32")
    by_name = by_folder.model_copy(update={"reranker": BGE_RERANKER_V2_M3.name})
    assert reranker_card(by_folder) == reranker_card(by_name)
    reranker = CrossReranker(by_folder, Observer())
    try:
        scored = await reranker.score(QUERY, PASSAGES)
    finally:
        await reranker._queue._scheduler.close()
    np.testing.assert_allclose(scored.scores, expected, atol=TOLERANCE)
    assert scored.truncated == 1
