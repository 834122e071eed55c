"""What a checkpoint folder says of itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from ray_app.checkpoint import read_checkpoint
from shirabe.errors import InvalidInput, NotFound

XLM_R = {
    "model_type": "xlm-roberta",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "layer_norm_eps": 1e-5,
    "max_position_embeddings": 8194,
    "pad_token_id": 1,
}
MANIFEST = {
    "name": "m3-mini",
    "revision": "abc",
    "pooling": "mean",
    "query_prefix": "query: ",
    "passage_prefix": "passage: ",
    "max_tokens": 512,
}


def _folder(tmp_path: Path, config: dict[str, Any], manifest: dict[str, Any] | None = None, heads: bool = True) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if manifest is not None:
        (tmp_path / "shirabe.json").write_text(json.dumps(manifest))
    if heads:
        (tmp_path / "sparse_linear.pt").write_bytes(b"sparse")
        (tmp_path / "colbert_linear.pt").write_bytes(b"colbert")
    return tmp_path


def test_bge_m3_is_known_by_its_heads(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(_folder(tmp_path, XLM_R))
    assert checkpoint.name == "BAAI/bge-m3"
    assert checkpoint.pooling == "cls"
    assert checkpoint.max_tokens == 8192
    assert checkpoint.has_heads
    assert checkpoint.prefix("query") == checkpoint.prefix("passage") == ""
    assert checkpoint.architecture.dim == 1024
    assert checkpoint.architecture.first_position == 2


def test_other_heads_are_another_revision(tmp_path: Path) -> None:
    folder = _folder(tmp_path, XLM_R)
    first = read_checkpoint(folder).revision
    assert first == read_checkpoint(folder).revision
    (folder / "sparse_linear.pt").write_bytes(b"tuned")
    assert read_checkpoint(folder).revision != first


def test_a_hub_snapshot_keeps_its_commit(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / "5617a9f61b028005a4858fdac845db406aefb181"
    folder.mkdir(parents=True)
    assert read_checkpoint(_folder(folder, XLM_R)).revision == folder.name


def test_the_manifest_wins(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(_folder(tmp_path, XLM_R, MANIFEST))
    assert (checkpoint.name, checkpoint.revision, checkpoint.pooling) == ("m3-mini", "abc", "mean")
    assert checkpoint.prefix("query") == "query: "
    assert checkpoint.prefix("passage") == "passage: "
    assert checkpoint.info.max_tokens == 512


def test_longest_input_is_the_smallest_of_model_manifest_and_setting(tmp_path: Path) -> None:
    short = XLM_R | {"max_position_embeddings": 130}
    folder = _folder(tmp_path, short, MANIFEST)
    assert read_checkpoint(folder).max_tokens == 128
    assert read_checkpoint(folder, max_tokens=64).max_tokens == 64
    assert read_checkpoint(folder, max_tokens=4096).max_tokens == 128


def test_dense_only_needs_a_manifest(tmp_path: Path) -> None:
    folder = _folder(tmp_path, XLM_R, heads=False)
    with pytest.raises(InvalidInput, match="how to pool"):
        read_checkpoint(folder)
    (folder / "shirabe.json").write_text(json.dumps(MANIFEST))
    assert not read_checkpoint(folder).has_heads


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "llama"}, "model_type"),
        ({"hidden_act": "relu"}, "hidden_act"),
        ({"position_embedding_type": "relative_key"}, "position"),
    ],
)
def test_another_architecture_is_refused(tmp_path: Path, change: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        read_checkpoint(_folder(tmp_path, XLM_R | change))
    assert caught.value.place.endswith("config.json")


def test_a_missing_size_is_named(tmp_path: Path) -> None:
    config = {name: value for name, value in XLM_R.items() if name != "hidden_size"}
    with pytest.raises(InvalidInput, match="hidden_size"):
        read_checkpoint(_folder(tmp_path, config))


@pytest.mark.parametrize("manifest", [{"name": "x"}, MANIFEST | {"pooling": "last"}])
def test_a_bad_manifest_is_named(tmp_path: Path, manifest: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_checkpoint(_folder(tmp_path, XLM_R, manifest))
    assert caught.value.place.endswith("shirabe.json")


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"config\.json"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match="not JSON"):
        read_checkpoint(tmp_path)
