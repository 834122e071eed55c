"""Loading tensors, and nothing but tensors."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ray_app.weights import load_state, load_torch
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


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "x.pt")
    with pytest.raises(InvalidInput, match="tensors"):
        load_torch(tmp_path / "x.pt")


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_state(tmp_path)
    with pytest.raises(NotFound):
        load_torch(tmp_path / "sparse_linear.pt")
