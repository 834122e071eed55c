"""Which files of a checkpoint folder hold its weights, and whether they are whole; nothing is loaded here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from shirabe.errors import InvalidInput, NotFound

SAFETENSORS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
TORCH: Final = "pytorch_model.bin"
SPARSE_HEAD: Final = "sparse_linear.pt"
COLBERT_HEAD: Final = "colbert_linear.pt"


def weight_files(folder: Path) -> list[str]:
    """Return the names of the files with the encoder's tensors: one, or the shards that an index names.

    Raises: NotFound when the folder has none, InvalidInput when the index is damaged.
    """
    if (folder / SAFETENSORS).is_file():
        return [SAFETENSORS]
    if (folder / INDEX).is_file():
        return _shards(folder / INDEX)
    if (folder / TORCH).is_file():
        return [TORCH]
    raise NotFound(f"neither {SAFETENSORS}, {INDEX} nor {TORCH} in {folder}")


def require_whole(folder: Path, names: Iterable[str]) -> None:
    """Raise InvalidInput naming a weight file that was cut short: at once, before a model is loaded elsewhere."""
    for name in names:
        path = folder / name
        # A file of torch is a zip archive, whose directory stands at the end.
        whole = _is_covered(path) if path.suffix == ".safetensors" else zipfile.is_zipfile(path)
        if not whole:
            raise InvalidInput("damaged or cut short", str(path))


def _is_covered(path: Path) -> bool:
    """Tell whether a safetensors file has the bytes that its header speaks of."""
    try:
        with safe_open(path, framework="np"):
            return True
    except (SafetensorError, ValueError, OSError):
        return False


def _shards(index: Path) -> list[str]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvalidInput(f"not an index of shards: {error}", str(index)) from error
    for name in names:
        # A shard lies beside its index; a path could lead anywhere.
        if not isinstance(name, str) or Path(name).name != name:
            raise InvalidInput(f"names {name!r}, which is not a file beside it", str(index))
        if not (index.parent / name).is_file():
            raise NotFound(f"no {name} in {index.parent}, which {index.name} names")
    return names
