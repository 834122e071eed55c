"""What a checkpoint folder says of itself."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ray_app import checkpoint as module
from ray_app.checkpoint import Checkpoint
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
QWEN3 = {
    "model_type": "qwen3",
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 32768,
    "rope_theta": 1_000_000,
}
MANIFEST = {
    "name": "m3-mini",
    "revision": "abc",
    "pooling": "mean",
    "query_prefix": "query: ",
    "passage_prefix": "passage: ",
    "max_tokens": 512,
}
COMMIT = "5617a9f61b028005a4858fdac845db406aefb181"


def _folder(folder: Path, config: dict[str, Any], manifest: dict[str, Any] | None = None, heads: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"weights")
    if manifest is not None:
        (folder / "shirabe.json").write_text(json.dumps(manifest))
    if heads:
        (folder / "sparse_linear.pt").write_bytes(b"sparse")
        (folder / "colbert_linear.pt").write_bytes(b"colbert")
    return folder


def read_checkpoint(folder: Path, *arguments: int, **settings: Any) -> Checkpoint:
    return module.read_checkpoint(folder, *arguments, cache_dir=folder.parent / "cache", **settings)


def test_bge_m3_is_known_by_its_heads(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(_folder(tmp_path / "tuned", XLM_R))
    assert checkpoint.name == "BAAI/bge-m3"
    assert checkpoint.pooling == "cls"
    assert checkpoint.max_tokens == 8192
    assert checkpoint.has_heads
    assert checkpoint.prefix("query") == checkpoint.prefix("passage") == ""
    assert checkpoint.architecture.dim == checkpoint.dim == 1024
    assert checkpoint.architecture.first_position == 2


@pytest.mark.parametrize("file", ["sparse_linear.pt", "model.safetensors"])
def test_other_weights_are_another_revision(tmp_path: Path, file: str) -> None:
    folder = _folder(tmp_path / "tuned", XLM_R)
    first = read_checkpoint(folder).revision
    assert first == read_checkpoint(folder).revision
    (folder / file).write_bytes(b"tuned further")
    assert read_checkpoint(folder).revision != first


def test_a_hub_snapshot_keeps_its_commit(tmp_path: Path) -> None:
    folder = tmp_path / "models--me--tuned" / "snapshots" / ("a" * 40)
    assert read_checkpoint(_folder(folder, XLM_R)).revision == folder.name


def test_a_pinned_snapshot_must_have_the_record_s_weights(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "models--BAAI--bge-m3" / "snapshots" / COMMIT, XLM_R)
    with pytest.raises(InvalidInput, match=r"sparse_linear\.pt.*expected 45c93804d214"):
        read_checkpoint(folder)


def test_a_snapshot_that_changes_is_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "models--me--tuned" / "snapshots" / ("a" * 40), XLM_R)
    read_checkpoint(folder)
    (folder / "model.safetensors").write_bytes(b"wei")
    with pytest.raises(InvalidInput, match="damaged or replaced") as caught:
        read_checkpoint(folder)
    assert caught.value.place.endswith("model.safetensors")


@pytest.mark.parametrize("missing", ["sparse_linear.pt", "colbert_linear.pt"])
@pytest.mark.parametrize("manifest", [None, MANIFEST])
def test_a_missing_head_is_named(tmp_path: Path, missing: str, manifest: dict[str, Any] | None) -> None:
    folder = _folder(tmp_path / "tuned", XLM_R, manifest)
    (folder / missing).unlink()
    with pytest.raises(NotFound, match=missing):
        read_checkpoint(folder)


def test_both_heads_missing_is_noticed_where_the_model_is_known_to_have_them(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"sparse_linear\.pt"):
        read_checkpoint(_folder(tmp_path / "bge-m3", XLM_R, heads=False))


def test_a_file_of_the_manifest_must_have_its_checksum(tmp_path: Path) -> None:
    good = {"model.safetensors": {"bytes": 7, "sha256": hashlib.sha256(b"weights").hexdigest()}}
    folder = _folder(tmp_path / "mini", XLM_R, MANIFEST | {"files": good}, heads=False)
    assert read_checkpoint(folder).revision == "abc"
    (folder / "model.safetensors").write_bytes(b"other!!")
    with pytest.raises(InvalidInput, match="damaged or replaced"):
        read_checkpoint(folder)


def test_the_manifest_wins(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(_folder(tmp_path / "bge-m3", XLM_R, MANIFEST))
    assert (checkpoint.name, checkpoint.revision, checkpoint.pooling) == ("m3-mini", "abc", "mean")
    assert checkpoint.prefix("query") == "query: "
    assert checkpoint.prefix("passage") == "passage: "
    assert checkpoint.info.max_tokens == 512


def test_e5_is_known_by_its_name(tmp_path: Path) -> None:
    config = XLM_R | {"max_position_embeddings": 514, "_name_or_path": "intfloat/multilingual-e5-large"}
    checkpoint = read_checkpoint(_folder(tmp_path / "some", config, heads=False))
    assert (checkpoint.pooling, checkpoint.max_tokens, checkpoint.info.outputs) == ("mean", 512, ("dense",))
    assert checkpoint.prefix("passage") == "passage: "
    with pytest.raises(InvalidInput, match="1024 dimensions, no other"):
        read_checkpoint(checkpoint.folder, dim=256)
    with pytest.raises(InvalidInput, match="takes no instruction"):
        read_checkpoint(checkpoint.folder, instruction="Find code")


def test_qwen3_takes_an_instruction_and_a_dimension(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "Qwen3-Embedding-0.6B", QWEN3, heads=False)
    checkpoint = read_checkpoint(folder, dim=256, instruction="Find the code that does this")
    assert checkpoint.prefix("query") == "Instruct: Find the code that does this\nQuery:"
    assert checkpoint.prefix("passage") == ""
    assert checkpoint.info.dim == 256
    assert checkpoint.max_tokens == 8192
    assert read_checkpoint(folder, 32768).max_tokens == 32768
    assert checkpoint.decoder is not None
    assert checkpoint.decoder.theta == 1_000_000
    with pytest.raises(InvalidInput, match="32 to 1024 dimensions, not 16"):
        read_checkpoint(folder, dim=16)


def test_newer_files_keep_the_rotary_settings_apart(tmp_path: Path) -> None:
    config = {name: value for name, value in QWEN3.items() if name != "rope_theta"}
    rope = {"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}
    checkpoint = read_checkpoint(_folder(tmp_path / "qwen3-embedding-0.6b", config | rope, heads=False))
    assert checkpoint.decoder is not None
    assert checkpoint.decoder.theta == 5e5


@pytest.mark.parametrize(
    "change",
    [
        {"rope_scaling": {"type": "yarn"}},
        {"use_sliding_window": True},
        {"attention_bias": True},
        {"hidden_act": "gelu"},
    ],
)
def test_another_decoder_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_checkpoint(_folder(tmp_path / "qwen3-embedding-0.6b", QWEN3 | change, heads=False))
    assert caught.value.place.endswith("config.json")


def test_a_name_that_the_sizes_contradict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"hidden_size is 1024, Qwen/Qwen3-Embedding-4B has 2560"):
        read_checkpoint(_folder(tmp_path / "Qwen3-Embedding-4B", QWEN3, heads=False))


def test_a_reranker_is_no_embedder_and_the_other_way_round(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "bge-reranker-v2-m3", XLM_R, heads=False)
    assert read_checkpoint(folder, role="reranker").name == "BAAI/bge-reranker-v2-m3"
    with pytest.raises(InvalidInput, match="wanted is one of the kind embedder"):
        read_checkpoint(folder)
    with pytest.raises(InvalidInput, match="wanted is one of the kind reranker"):
        read_checkpoint(_folder(tmp_path / "bge-m3", XLM_R), role="reranker")


def test_a_reranker_made_from_an_embedder_has_its_own_name(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "ours", XLM_R | {"_name_or_path": "BAAI/bge-m3"}, heads=False)
    assert read_checkpoint(folder, role="reranker").name == "ours"


def test_longest_input_is_the_smallest_of_model_manifest_and_setting(tmp_path: Path) -> None:
    short = XLM_R | {"max_position_embeddings": 130}
    folder = _folder(tmp_path / "short", short, MANIFEST)
    assert read_checkpoint(folder).max_tokens == 128
    assert read_checkpoint(folder, 64).max_tokens == 64
    assert read_checkpoint(folder, 4096).max_tokens == 128


def test_an_unknown_dense_model_needs_a_manifest(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "unknown", XLM_R, heads=False)
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
        read_checkpoint(_folder(tmp_path / "other", XLM_R | change))
    assert caught.value.place.endswith("config.json")


def test_a_missing_size_is_named(tmp_path: Path) -> None:
    config = {name: value for name, value in XLM_R.items() if name != "hidden_size"}
    with pytest.raises(InvalidInput, match="hidden_size"):
        read_checkpoint(_folder(tmp_path / "other", config))


@pytest.mark.parametrize("manifest", [{"name": "x"}, MANIFEST | {"pooling": "first"}])
def test_a_bad_manifest_is_named(tmp_path: Path, manifest: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_checkpoint(_folder(tmp_path / "other", XLM_R, manifest))
    assert caught.value.place.endswith("shirabe.json")


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"config\.json"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match="not JSON"):
        read_checkpoint(tmp_path)


def test_no_weights(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "empty", XLM_R, MANIFEST, heads=False)
    (folder / "model.safetensors").unlink()
    with pytest.raises(NotFound, match=r"model\.safetensors"):
        read_checkpoint(folder)
