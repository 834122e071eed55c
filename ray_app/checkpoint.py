"""What a checkpoint folder says of itself, read without loading its weights."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from shirabe.errors import InvalidInput, NotFound
from shirabe.types import ModelInfo, TextKind

Pooling = Literal["cls", "mean"]

MANIFEST: Final = "shirabe.json"
HEADS: Final = ("sparse_linear.pt", "colbert_linear.pt")
MAX_TOKENS: Final = 8192

_FAMILIES: Final = ("bert", "xlm-roberta")


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a BERT-like encoder. `first_position` is the position id of a text's first token."""

    dim: int
    layers: int
    heads: int
    epsilon: float
    positions: int
    first_position: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model folder: its identity, and everything needed to run it as it was trained.

    `max_tokens` counts special tokens. `has_heads` tells whether sparse and token outputs are there (BGE-M3's layout).
    """

    folder: Path
    name: str
    revision: str
    pooling: Pooling
    query_prefix: str
    passage_prefix: str
    max_tokens: int
    has_heads: bool
    architecture: Architecture

    @property
    def info(self) -> ModelInfo:
        """The identity of the vector space."""
        return ModelInfo(self.name, self.revision, self.architecture.dim, self.max_tokens)

    def prefix(self, kind: TextKind) -> str:
        """Return what is put before a text of this kind."""
        return self.query_prefix if kind == "query" else self.passage_prefix


def read_checkpoint(folder: Path, max_tokens: int | None = None) -> Checkpoint:
    """Describe a checkpoint folder: its `shirabe.json`, else the defaults of BGE-M3 where its two heads are there.

    `max_tokens` lowers the longest input, special tokens counted.

    Raises: NotFound when there is no checkpoint, InvalidInput naming the file when it is not one this code runs.
    """
    config = _read_json(folder / "config.json")
    architecture = read_architecture(folder)
    has_heads = all((folder / name).is_file() for name in HEADS)
    manifest_path = folder / MANIFEST
    manifest = _read_json(manifest_path) if manifest_path.is_file() else _defaults(folder, config, has_heads)
    room = architecture.positions - architecture.first_position
    try:
        longest = min(int(manifest["max_tokens"]), room, max_tokens or room)
        checkpoint = Checkpoint(
            folder=folder,
            name=manifest["name"],
            revision=manifest["revision"],
            pooling=manifest["pooling"],
            query_prefix=manifest["query_prefix"],
            passage_prefix=manifest["passage_prefix"],
            max_tokens=longest,
            has_heads=has_heads,
            architecture=architecture,
        )
    except KeyError as error:
        raise InvalidInput(f"lacks {error}", str(manifest_path)) from error
    if checkpoint.pooling not in ("cls", "mean"):
        raise InvalidInput(f"unknown pooling {checkpoint.pooling!r}", str(manifest_path))
    return checkpoint


def _defaults(folder: Path, config: dict[str, Any], has_heads: bool) -> dict[str, Any]:
    if not has_heads:
        raise InvalidInput(
            f"neither {MANIFEST} nor BGE-M3's {' and '.join(HEADS)}: how to pool is unknown", str(folder)
        )
    return {
        "name": "BAAI/bge-m3",
        "revision": _revision(folder, config),
        "pooling": "cls",
        "query_prefix": "",
        "passage_prefix": "",
        "max_tokens": MAX_TOKENS,
    }


def _revision(folder: Path, config: dict[str, Any]) -> str:
    """Return the hub's commit where the folder is a hub snapshot, else a hash of the heads and the configuration.

    The heads are fine-tuned together with the encoder, so they tell versions apart without reading gigabytes.
    """
    if folder.parent.name == "snapshots":
        return folder.name
    state = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in HEADS:
        state.update((folder / name).read_bytes())
    return state.hexdigest()[:12]


def read_architecture(folder: Path) -> Architecture:
    """Return the sizes of a checkpoint's encoder.

    Raises: NotFound, InvalidInput naming the file when it is not a BERT or XLM-R this code runs.
    """
    path = folder / "config.json"
    config = _read_json(path)
    family = config.get("model_type")
    if family not in _FAMILIES:
        raise InvalidInput(f"model_type is {family!r}, expected one of {', '.join(_FAMILIES)}", str(path))
    if config.get("hidden_act", "gelu") != "gelu":
        raise InvalidInput(f"hidden_act is {config['hidden_act']!r}, expected 'gelu'", str(path))
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise InvalidInput("only absolute position embeddings are known", str(path))
    try:
        return Architecture(
            dim=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            epsilon=config["layer_norm_eps"],
            positions=config["max_position_embeddings"],
            # RoBERTa numbers positions from the padding id + 1.
            first_position=config["pad_token_id"] + 1 if family == "xlm-roberta" else 0,
        )
    except KeyError as error:
        raise InvalidInput(f"lacks {error}", str(path)) from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFound(f"no {path.name} in {path.parent}")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"not JSON: {error}", str(path)) from error
    if not isinstance(value, dict):
        raise InvalidInput("not a JSON object", str(path))
    return value
