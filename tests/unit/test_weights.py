"""Loading tensors, and nothing but tensors."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench.checkpoints import Shape, write
from ray_app.checkpoint import Checkpoint, read_checkpoint
from ray_app.weight_files import require_whole
from ray_app.weights import load_head, load_state, load_torch
from shirabe.errors import InvalidInput, NotFound

STATE = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3)}


class Payload:
    """What a hostile file would run when it is unpickled."""

    ran = False

    def __reduce__(self) -> tuple[object, ...]:
        return Payload._run, ()

    @staticmethod
    def _run() -> None:
        Payload.ran = True


def test_safetensors_are_preferred(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    save_file(STATE, tmp_path / "model.safetensors")
    assert torch.equal(load_state(tmp_path)["a"], STATE["a"])


def test_a_torch_file_is_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "pytorch_model.bin")
    assert torch.equal(load_state(tmp_path)["a"], STATE["a"])


def test_a_file_that_runs_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": Payload()}, path)
    with pytest.raises(InvalidInput):
        load_state(tmp_path)
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(InvalidInput):
        load_torch(path)
    assert not Payload.ran


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x05\x00\x00\x00\x00\x00\x00\x00{oops")
    with pytest.raises(InvalidInput) as caught:
        load_state(tmp_path)
    assert caught.value.place.endswith(name)


def test_shards_are_put_together(tmp_path: Path) -> None:
    save_file({"a": STATE["a"]}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": STATE["a"] + 1}, tmp_path / "model-00002-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert load_state(tmp_path).keys() == {"a", "b"}
    (tmp_path / names["b"]).unlink()
    with pytest.raises(NotFound, match="model-00002-of-00002"):
        load_state(tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    with pytest.raises(InvalidInput, match="not a file beside it"):
        load_state(tmp_path)
    index.write_text("{}")
    with pytest.raises(InvalidInput, match="not an index"):
        load_state(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("left", [0, 7, 60, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, name: str, left: float) -> None:
    path = tmp_path / name
    state = {"a": torch.zeros(64, 64)}
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(left if left >= 1 else left * len(data))])
    for look in (lambda: load_state(tmp_path), lambda: require_whole(tmp_path, [name])):
        with pytest.raises(InvalidInput) as caught:
            look()
        assert caught.value.place == str(path)


def test_whole_files_are_whole(tiny: Checkpoint) -> None:
    require_whole(tiny.folder, tiny.sha256)
    save_file(STATE, tiny.folder / "model.safetensors")
    require_whole(tiny.folder, ["model.safetensors"])


@pytest.fixture
def tiny(tmp_path: Path) -> Checkpoint:
    """A folder in BGE-M3's layout with no tokeniser that works."""
    for name in ("tokenizer.json", "special_tokens_map.json", "tokenizer_config.json"):
        (tmp_path / name).write_text("{}")
    folder = tmp_path / "m3"
    write("bge-m3", folder, tmp_path, Shape(8, 1, 2, 16, vocabulary=10, positions=18))
    return read_checkpoint(folder, cache_dir=tmp_path / "cache")


def test_a_head_is_converted_once_and_beside_the_folder(tiny: Checkpoint) -> None:
    before = sorted(tiny.folder.iterdir())
    weight, bias = load_head(tiny, "sparse")
    assert (weight.shape, bias.shape) == ((1, 8), (1,))
    assert torch.equal(weight, load_torch(tiny.folder / "sparse_linear.pt")["weight"])
    assert sorted(tiny.folder.iterdir()) == before
    (converted,) = (tiny.cache_dir / "heads").iterdir()
    assert converted.name == f"{tiny.sha256['sparse_linear.pt']}.safetensors"
    (tiny.folder / "sparse_linear.pt").unlink()
    assert torch.equal(load_head(tiny, "sparse")[0], weight)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"weight": torch.zeros(1, 8)}, "lacks 'bias'"),
        ({"weight": torch.zeros(1, 7), "bias": torch.zeros(1)}, "shape"),
        ({"weight": torch.zeros(2, 8), "bias": torch.zeros(2)}, "shape"),
    ],
)
def test_a_head_of_another_shape_is_named(tiny: Checkpoint, head: dict[str, torch.Tensor], said: str) -> None:
    torch.save(head, tiny.folder / "sparse_linear.pt")
    changed = replace(tiny, sha256={"sparse_linear.pt": "another"})
    with pytest.raises(InvalidInput, match=said) as caught:
        load_head(changed, "sparse")
    assert caught.value.place.endswith("sparse_linear.pt")


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "x.pt")
    with pytest.raises(InvalidInput, match="tensors"):
        load_torch(tmp_path / "x.pt")


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_state(tmp_path)
    with pytest.raises(NotFound):
        load_torch(tmp_path / "sparse_linear.pt")
