"""Loading a checkpoint's tensors: safetensors mapped into memory, or a torch file with `weights_only=True`."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import Final, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ray_app.checkpoint import Checkpoint
from ray_app.weight_files import weight_files
from shirabe.errors import InvalidInput, NotFound

HeadName = Literal["sparse", "colbert"]
HEAD_NAMES: Final[tuple[HeadName, ...]] = get_args(HeadName)


def load_state(folder: Path) -> dict[str, Tensor]:
    """Return a checkpoint's tensors on the CPU, mapped: pages are read when they are touched.

    The word embeddings, most of a multilingual model, so cost only the rows that are used.

    Raises: NotFound when the folder has no weights this code reads, InvalidInput when they are damaged.
    """
    state: dict[str, Tensor] = {}
    for name in weight_files(folder):
        path = folder / name
        state |= load_safetensors(path) if path.suffix == ".safetensors" else load_torch(path)
    return state


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, mapped.

    Raises: InvalidInput when it is damaged or cut short.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, ValueError, OSError) as error:
        raise InvalidInput(f"damaged: {error}", str(path)) from error


def load_torch(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a torch file, refusing anything in it that is not a tensor.

    Raises: NotFound, InvalidInput.
    """
    if not path.is_file():
        raise NotFound(f"no {path.name} in {path.parent}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, OSError) as error:
        raise InvalidInput(f"not a state dict of tensors: {error}", str(path)) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InvalidInput("not a state dict of tensors", str(path))
    return state


def load_head(checkpoint: Checkpoint, name: HeadName) -> tuple[Tensor, Tensor]:
    """Return the weight (rows, dim) and bias (rows,) of one of BGE-M3's heads; the sparse one has one row.

    The torch file is converted once to safetensors in the cache, under its checksum; the folder may be read-only.

    Raises: InvalidInput naming the file when it is damaged or has another shape.
    """
    source = f"{name}_linear.pt"
    path = checkpoint.folder / source
    converted = checkpoint.cache_dir / "heads" / f"{checkpoint.sha256[source]}.safetensors"
    if not converted.is_file():
        _convert(path, converted)
    state = load_safetensors(converted)
    try:
        weight, bias = state["weight"], state["bias"]
    except KeyError as error:
        raise InvalidInput(f"lacks {error}", str(path)) from error
    rows = 1 if name == "sparse" else len(weight)
    if weight.shape != (rows, checkpoint.architecture.dim) or bias.shape != (rows,):
        raise InvalidInput(f"has the shape {tuple(weight.shape)}, not {(rows, checkpoint.architecture.dim)}", str(path))
    return weight, bias


def _convert(source: Path, target: Path) -> None:
    state = {name: tensor.contiguous() for name, tensor in load_torch(source).items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
            file = Path(temporary) / target.name
            save_file(state, file)
            file.chmod(0o644)  # safetensors leaves it to its owner alone
            os.replace(file, target)
    except OSError as error:
        raise InvalidInput(f"the cache is not writable: {error.strerror}", str(target.parent)) from error
