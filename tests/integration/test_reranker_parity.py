"""Our cross-encoder against FlagEmbedding's FlagReranker on a small random checkpoint of bge-reranker-v2-m3's kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.checkpoints import Shape, write
from ray_app.cross_encoder import CrossEncoder, probabilities
from shirabe.errors import InvalidInput
from shirabe.types import Floats

SHAPE = Shape(32, 2, 4, 64, vocabulary=250_002, positions=8194, spread=0.4)
QUERY = "取り消した注文の在庫はいつ戻るか"
PASSAGES = [
    "注文を取り消すと、引き当て済みの在庫はただちに戻される。",
    "Cancelling an order releases the stock that was allocated to it.",
    "def allocate(order: Order, *, warehouse: str = 'tokyo') -> list[Allocation]:\n    return []",
    "a",
    "長い文書。" * 400,
    "在庫 " * 90,
    "非常に長い文書 " * 2500,
    "k-NN 検索で `rank_features` を使うには？",
]
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reranker") / "checkpoint"
    write("bge-reranker-v2-m3", folder, checkpoint, SHAPE)
    return folder


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    from FlagEmbedding import FlagReranker

    # One pair at a time, or it pads them all to the longest.
    return FlagReranker(str(folder), use_fp16=False, devices="cpu", batch_size=1)


def _ours(folder: Path, max_tokens: int) -> CrossEncoder:
    return CrossEncoder(folder, torch.device("cpu"), max_tokens, folder.parent / "cache", "fp32")


@pytest.mark.parametrize("max_tokens", [512, 1024, 8192])
def test_logits_agree_with_flag_reranker(folder: Path, theirs: Any, max_tokens: int) -> None:
    encoder = _ours(folder, max_tokens)
    assert max(map(len, encoder.encode_pre(QUERY, PASSAGES))) == max_tokens
    expected = theirs.compute_score([(QUERY, passage) for passage in PASSAGES], max_length=max_tokens)
    scores = encoder.score(QUERY, PASSAGES, batch_tokens=2048)
    assert np.ptp(scores) > 10 * TOLERANCE
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)


def test_a_long_query_is_cut_as_flag_reranker_does(folder: Path, theirs: Any) -> None:
    query = "在庫の戻し方を調べています。" * 100
    expected = theirs.compute_score([(query, passage) for passage in PASSAGES[:3]], max_length=512)
    np.testing.assert_allclose(_ours(folder, 512).score(query, PASSAGES[:3], 2048), expected, atol=TOLERANCE)


def test_relevances_agree_with_flag_reranker(folder: Path, theirs: Any) -> None:
    pairs = [(QUERY, passage) for passage in PASSAGES[:4]]
    expected = theirs.compute_score(pairs, max_length=512, normalize=True)
    scores = _ours(folder, 512).score(QUERY, PASSAGES[:4], 2048)
    np.testing.assert_allclose(probabilities(scores), expected, atol=TOLERANCE)


def test_neither_batch_nor_order_changes_a_logit(folder: Path) -> None:
    encoder = _ours(folder, 1024)
    together: Floats = encoder.score(QUERY, PASSAGES, batch_tokens=100_000)
    alone = [encoder.score(QUERY, [passage], batch_tokens=16)[0] for passage in PASSAGES]
    backwards = encoder.score(QUERY, PASSAGES[::-1], batch_tokens=600)[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    np.testing.assert_allclose(together, backwards, atol=1e-4)
    assert len(encoder.score(QUERY, [], batch_tokens=16)) == 0


def test_an_embedder_is_no_cross_encoder(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="of the kind embedder"):
        CrossEncoder(checkpoint, torch.device("cpu"), cache_dir=tmp_path)
