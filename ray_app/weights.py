"""Loading a checkpoint's tensors: safetensors mapped into memory, or a torch file with `weights_only=True`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from shirabe.errors import InvalidInput, NotFound

SAFETENSORS: Final = "model.safetensors"
TORCH: Final = "pytorch_model.bin"


def load_state(folder: Path) -> dict[str, Tensor]:
    """Return a checkpoint's tensors on the CPU, mapped: pages are read when they are touched.

    The word embeddings, most of a multilingual model, so cost only the rows that are used.

    Raises: NotFound when the folder has no weights this code reads, InvalidInput when they are damaged.
    """
    mapped, pickled = folder / SAFETENSORS, folder / TORCH
    if mapped.is_file():
        try:
            with safe_open(mapped, framework="pt", device="cpu") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except SafetensorError as error:
            raise InvalidInput(f"damaged: {error}", str(mapped)) from error
    if pickled.is_file():
        return load_torch(pickled)
    raise NotFound(f"neither {SAFETENSORS} nor {TORCH} in {folder}")


def load_torch(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a torch file, refusing anything in it that is not a tensor.

    Raises: NotFound, InvalidInput.
    """
    if not path.is_file():
        raise NotFound(f"no {path.name} in {path.parent}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise InvalidInput(f"not a state dict of tensors: {error}", str(path)) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InvalidInput("not a state dict of tensors", str(path))
    return state
