"""Qwen3-Embedding and multilingual-e5 against transformers and sentence-transformers on small random checkpoints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    Qwen3Model,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from bench.checkpoints import Shape, write
from ray_app.checkpoint import read_checkpoint
from ray_app.encoder import M3Encoder
from ray_app.qwen3_encoder import Qwen3Encoder
from shirabe.errors import InvalidInput
from shirabe.types import Floats

CPU = torch.device("cpu")
TEXTS = [
    "注文を取り消すと、引き当て済みの在庫はただちに戻される。",
    "def allocate(order: Order, *, warehouse: str = 'tokyo') -> list[Allocation]:\n    return []",
    "a",
    "",
    "長い文書。" * 60,
    "在庫 " * 90,
]
QWEN3 = Shape(64, 3, 4, 96, vocabulary=300, positions=32_768, key_heads=2, head_dim=32, spread=0.2)
WIDTH = 32
SIZES: dict[str, Any] = {
    "vocab_size": 250_002,
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.3,
    "pad_token_id": 1,
}


@pytest.fixture(scope="module")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen3") / "checkpoint"
    write("qwen3-0.6b", folder, folder, QWEN3)
    return folder


def _qwen3(folder: Path, **settings: Any) -> Qwen3Encoder:
    return Qwen3Encoder(read_checkpoint(folder, cache_dir=folder.parent / "cache", **settings), CPU, "fp32")


def _dense(encoder: Any, texts: list[str], kind: Any) -> list[Floats]:
    return [row.dense for row in encoder.encode(texts, kind, ["dense"])]


def test_qwen3_agrees_with_transformers(qwen3_folder: Path) -> None:
    encoder = _qwen3(qwen3_folder)
    model: Any = Qwen3Model.from_pretrained(qwen3_folder, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(qwen3_folder)
    texts = [*TEXTS, "long text " * 900]
    for kind in ("query", "passage"):
        prefix = encoder.checkpoint.prefix(kind)
        for text, vector in zip(texts, _dense(encoder, texts, kind), strict=True):
            ids = tokenizer(prefix + text, return_tensors="pt", truncation=True, max_length=8192)["input_ids"]
            with torch.no_grad():
                last = model(input_ids=ids).last_hidden_state[0, -1].numpy()
            assert float(vector @ last) / np.linalg.norm(last) >= 0.9999, text[:20]
    assert max(map(len, encoder.encode_pre(texts, "passage"))) == 8192


def test_fewer_dimensions_are_the_first_ones_of_length_one(qwen3_folder: Path) -> None:
    whole = _dense(_qwen3(qwen3_folder), TEXTS, "passage")
    short = _dense(_qwen3(qwen3_folder, dim=32), TEXTS, "passage")
    for long, cut in zip(whole, short, strict=True):
        assert cut.shape == (32,)
        np.testing.assert_allclose(cut, long[:32] / np.linalg.norm(long[:32]), atol=1e-6)


def test_an_instruction_changes_queries_alone(qwen3_folder: Path) -> None:
    plain, told = _qwen3(qwen3_folder), _qwen3(qwen3_folder, instruction="Find the test of this function")
    np.testing.assert_array_equal(_dense(plain, TEXTS, "passage"), _dense(told, TEXTS, "passage"))
    assert float(_dense(plain, ["a"], "query")[0] @ _dense(told, ["a"], "query")[0]) < 0.999


def test_neither_batch_nor_order_changes_a_vector(qwen3_folder: Path) -> None:
    encoder = _qwen3(qwen3_folder)
    together = _dense(encoder, TEXTS, "passage")
    backwards = _dense(encoder, TEXTS[::-1], "passage")[::-1]
    alone = [_dense(encoder, [text], "passage")[0] for text in TEXTS]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, backwards, atol=1e-5)


def test_qwen3_gives_dense_vectors_only(qwen3_folder: Path) -> None:
    with pytest.raises(InvalidInput, match="dense vectors only"):
        _qwen3(qwen3_folder).check_outputs(["dense", "sparse"])


def test_a_tokenizer_that_does_not_end_texts_is_refused(qwen3_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(qwen3_folder, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer | {"post_processor": None}))
    with pytest.raises(InvalidInput, match="does not end a text"):
        _qwen3(folder)


def _save_e5(model: Any, folder: Path, tokenizer_from: Path) -> None:
    model.eval().save_pretrained(folder)
    shutil.copy(tokenizer_from / "tokenizer.json", folder)
    shutil.copy(tokenizer_from / "tokenizer_config.json", folder)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_e5_agrees_with_sentence_transformers(family: str, checkpoint: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    torch.manual_seed(3)
    folder = tmp_path / "e5"
    model: Any
    if family == "bert":
        model = BertModel(BertConfig(**SIZES, max_position_embeddings=512), add_pooling_layer=False)
    else:
        sizes = XLMRobertaConfig(**SIZES, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)
        model = XLMRobertaModel(sizes, add_pooling_layer=False)
    _save_e5(model, folder, checkpoint)
    description = {
        "name": "tiny-e5",
        "revision": "1",
        "pooling": "mean",
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
        "max_tokens": 512,
    }
    (folder / "shirabe.json").write_text(json.dumps(description))
    encoder = M3Encoder(read_checkpoint(folder, cache_dir=tmp_path / "cache"), CPU, "fp32")
    words = Transformer(str(folder), max_seq_length=512)
    theirs = SentenceTransformer(modules=[words, Pooling(WIDTH, "mean")], device="cpu")
    for kind in ("query", "passage"):
        texts = [*TEXTS, "長い文書。" * 400]
        expected = theirs.encode([f"{kind}: {text}" for text in texts], normalize_embeddings=True)
        for text, ours, other in zip(texts, _dense(encoder, texts, kind), expected, strict=True):
            assert float(ours @ other) >= 0.9999, text[:20]
