"""What a checkpoint folder says of itself, read and verified without loading its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast, get_args

from ray_app.checksums import checksums
from ray_app.decoder import DecoderShape, read_decoder
from ray_app.json_file import read_object
from ray_app.models import BGE_M3, Family, ModelRecord, Pooling, Role, check_dim, recognise
from ray_app.weight_files import COLBERT_HEAD, SPARSE_HEAD, weight_files
from shirabe.errors import InvalidInput
from shirabe.settings import default_cache_dir
from shirabe.types import ALL_OUTPUTS, ModelInfo, TextKind, digest

MANIFEST: Final = "shirabe.json"
HEADS: Final = (SPARSE_HEAD, COLBERT_HEAD)
# Inputs are not longer than this unless a setting says so, whatever the model takes.
MAX_TOKENS: Final = 8192

_ACTIVATIONS: Final[Mapping[Family, str]] = {"bert": "gelu", "xlm-roberta": "gelu", "qwen3": "silu"}
_EPSILONS: Final[Mapping[Family, str]] = {
    "bert": "layer_norm_eps",
    "xlm-roberta": "layer_norm_eps",
    "qwen3": "rms_norm_eps",
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a transformer. `first_position` is the position id of a text's first token."""

    dim: int
    layers: int
    heads: int
    epsilon: float
    positions: int
    first_position: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model folder: its identity, and everything needed to run it as it was trained.

    `max_tokens` counts special tokens. `dim` is the width of the dense vectors to give. `decoder` is there for Qwen3.
    `sha256` has the checksum of each weight file. `cache_dir` is where what is converted once may be kept.
    """

    folder: Path
    record: ModelRecord
    revision: str
    family: Family
    max_tokens: int
    dim: int
    query_prefix: str
    architecture: Architecture
    decoder: DecoderShape | None
    sha256: Mapping[str, str]
    cache_dir: Path

    @property
    def name(self) -> str:
        """The model's name."""
        return self.record.name

    @property
    def pooling(self) -> Pooling:
        """How one vector is made of a text's token states."""
        return self.record.pooling

    @property
    def passage_prefix(self) -> str:
        """What is put before a passage."""
        return self.record.passage_prefix

    @property
    def has_heads(self) -> bool:
        """Whether sparse and token outputs are there (BGE-M3's layout)."""
        return self.record.has_heads

    @property
    def info(self) -> ModelInfo:
        """The identity of the vector space."""
        return ModelInfo(self.name, self.revision, self.dim, self.max_tokens, self.record.outputs)

    def prefix(self, kind: TextKind) -> str:
        """Return what is put before a text of this kind."""
        return self.query_prefix if kind == "query" else self.passage_prefix

    def prefixed(self, texts: Sequence[str], kind: TextKind) -> list[str]:
        """Return texts of this kind as the model must see them."""
        prefix = self.prefix(kind)
        return [prefix + text for text in texts]


def read_checkpoint(
    folder: Path,
    max_tokens: int | None = None,
    *,
    role: Role = "embedder",
    dim: int | None = None,
    instruction: str | None = None,
    cache_dir: Path | None = None,
) -> Checkpoint:
    """Describe and verify a checkpoint folder.

    What it is comes from its `shirabe.json`, else from the record of a known model, else from BGE-M3's two heads.
    Files whose checksum is known must have it. `max_tokens` bounds the input, special tokens counted. `dim` asks for
    shorter vectors where the model allows it, `instruction` for another task than the record's in a model that is told
    one. `cache_dir` keeps checksums; None means the user's.

    Raises: NotFound when a part is missing, InvalidInput naming the file when it is damaged or not one this code runs.
    """
    config = read_object(folder / "config.json")
    architecture = read_architecture(folder)
    family = cast(Family, config["model_type"])
    manifest = read_object(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
    if manifest is not None:
        record = _manifest_record(folder, manifest, architecture)
    else:
        record = _known_record(folder, config, role, architecture)
    if record.role != role:
        raise InvalidInput(
            f"{record.name} is a model of the kind {record.role}, wanted is one of the kind {role}", str(folder)
        )
    if dim is not None:
        check_dim(record.name, dim, architecture.dim, record.smallest_dim)
    cache = cache_dir or default_cache_dir()
    commit = folder.name if folder.parent.name == "snapshots" else None
    sums = checksums(
        folder,
        [*weight_files(folder), *(HEADS if record.has_heads else ())],
        _expected(record, manifest, commit),
        cache,
        fixed=commit is not None or manifest is not None,
    )
    room = architecture.positions - architecture.first_position
    return Checkpoint(
        folder=folder,
        record=record,
        revision=manifest["revision"] if manifest is not None else _revision(record, commit, config, sums),
        family=family,
        max_tokens=min(record.max_tokens, room, max_tokens or MAX_TOKENS),
        dim=dim or architecture.dim,
        query_prefix=record.query_prefix_for(instruction),
        architecture=architecture,
        decoder=read_decoder(folder) if family == "qwen3" else None,
        sha256=sums,
        cache_dir=cache,
    )


def _manifest_record(folder: Path, manifest: Mapping[str, Any], architecture: Architecture) -> ModelRecord:
    path = str(folder / MANIFEST)
    role = manifest.get("role", "embedder")
    has_heads = any(name in manifest.get("files", ()) or (folder / name).is_file() for name in HEADS)
    try:
        record = ModelRecord(
            name=manifest["name"],
            role=role,
            pooling=manifest["pooling"],
            dim=architecture.dim,
            max_tokens=int(manifest["max_tokens"]),
            licence=manifest.get("licence", "unknown"),
            outputs=() if role == "reranker" else ALL_OUTPUTS if has_heads else ("dense",),
            query_prefix=manifest["query_prefix"],
            passage_prefix=manifest["passage_prefix"],
            instruction=manifest.get("instruction"),
            smallest_dim=manifest.get("smallest_dim"),
            revision=manifest["revision"],
        )
    except KeyError as error:
        raise InvalidInput(f"lacks {error}", path) from error
    if record.pooling not in get_args(Pooling):
        raise InvalidInput(f"unknown pooling {record.pooling!r}", path)
    return record


def _known_record(folder: Path, config: Mapping[str, Any], role: Role, architecture: Architecture) -> ModelRecord:
    record = recognise(folder, str(config.get("_name_or_path", "")), role)
    if record is not None:
        if record.dim != architecture.dim:
            raise InvalidInput(
                f"hidden_size is {architecture.dim}, {record.name} has {record.dim}", str(folder / "config.json")
            )
        return record
    if any((folder / name).is_file() for name in HEADS):
        return BGE_M3
    if role == "reranker":
        return ModelRecord(folder.name, role, "cls", architecture.dim, MAX_TOKENS, "unknown", outputs=())
    raise InvalidInput(
        f"neither {MANIFEST}, a known name nor BGE-M3's {' and '.join(HEADS)}: how to pool is unknown", str(folder)
    )


def _expected(record: ModelRecord, manifest: Mapping[str, Any] | None, commit: str | None) -> dict[str, str]:
    if manifest is not None:
        return {name: file["sha256"] for name, file in manifest.get("files", {}).items()}
    return dict(record.sha256) if commit is not None and commit == record.revision else {}


def _revision(record: ModelRecord, commit: str | None, config: Mapping[str, Any], sums: Mapping[str, str]) -> str:
    """Return the hub's commit where it is known, else a digest of the configuration and all weights."""
    if commit is not None:
        return commit
    if record.revision is not None and record.sha256 and all(sums.get(k) == v for k, v in record.sha256.items()):
        return record.revision
    parts = [part for name, value in sorted(sums.items()) for part in (name, value)]
    return digest(json.dumps(config, sort_keys=True), *parts)[:12]


def read_architecture(folder: Path) -> Architecture:
    """Return the sizes of a checkpoint's transformer.

    Raises: NotFound, InvalidInput naming the file when it is not a BERT, an XLM-R or a Qwen3 this code runs.
    """
    path = folder / "config.json"
    config = read_object(path)
    family: Any = config.get("model_type")
    if family not in _ACTIVATIONS:
        raise InvalidInput(f"model_type is {family!r}, expected one of {', '.join(_ACTIVATIONS)}", str(path))
    activation = _ACTIVATIONS[family]
    if config.get("hidden_act", activation) != activation:
        raise InvalidInput(f"hidden_act is {config['hidden_act']!r}, expected {activation!r}", str(path))
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise InvalidInput("only absolute position embeddings are known", str(path))
    try:
        return Architecture(
            dim=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            epsilon=config[_EPSILONS[family]],
            positions=config["max_position_embeddings"],
            # RoBERTa numbers positions from the padding id + 1.
            first_position=config["pad_token_id"] + 1 if family == "xlm-roberta" else 0,
        )
    except KeyError as error:
        raise InvalidInput(f"lacks {error}", str(path)) from error
