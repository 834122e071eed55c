"""`python -m bench.checkpoints KIND FOLDER`: a checkpoint of a real model's shape with random weights.

For speed and for loading: every tensor has its true size, name and file, and the tokeniser works. What it answers means
nothing, so quality is never measured on one. Needs as much memory and disk as the model it stands for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor

from shirabe.cli.models_process import ensure_checkpoint
from shirabe.settings import load_settings

Kind = Literal["bge-m3", "bge-reranker-v2-m3", "qwen3-0.6b"]
Named = Iterator[tuple[str, tuple[int, ...]]]

_END: Final = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Shape:
    """A transformer's sizes; `key_heads` and `head_dim` are a decoder's, `spread` the weights' standard deviation."""

    dim: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    key_heads: int = 0
    head_dim: int = 0
    spread: float = 0.02


_XLM_R: Final = Shape(1024, 24, 16, 4096, vocabulary=250_002, positions=8194)
SHAPES: Final[dict[Kind, Shape]] = {
    "bge-m3": _XLM_R,
    "bge-reranker-v2-m3": _XLM_R,
    "qwen3-0.6b": Shape(1024, 28, 16, 3072, vocabulary=151_669, positions=32_768, key_heads=8, head_dim=128),
}


def write(kind: Kind, folder: Path, tokenizer_from: Path, shape: Shape | None = None) -> None:
    """Write a checkpoint into a new folder.

    tokenizer_from: a checkpoint folder with XLM-R's tokeniser, whose files are copied for the kinds of that family.

    Raises: FileExistsError.
    """
    shape = shape or SHAPES[kind]
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    {"bge-m3": _write_m3, "bge-reranker-v2-m3": _write_reranker, "qwen3-0.6b": _write_qwen3}[kind](
        folder, tokenizer_from, shape
    )
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors leaves it to its owner alone


def _write_m3(folder: Path, tokenizer_from: Path, shape: Shape) -> None:
    torch.save(_random(_encoder(shape), shape.spread), folder / "pytorch_model.bin")
    for name, rows in (("sparse", 1), ("colbert", shape.dim)):
        head = _random(iter([("weight", (rows, shape.dim)), ("bias", (rows,))]), shape.spread)
        torch.save(head, folder / f"{name}_linear.pt")
    _write_json(folder / "config.json", _xlm_r_config("XLMRobertaModel", shape))
    _copy_tokenizer(folder, tokenizer_from)
    _write_manifest(folder, "random-bge-m3", "embedder", "cls", shape)


def _write_reranker(folder: Path, tokenizer_from: Path, shape: Shape) -> None:
    def names() -> Named:
        yield from ((f"roberta.{name}", size) for name, size in _encoder(shape))
        for part, rows in (("dense", shape.dim), ("out_proj", 1)):
            yield f"classifier.{part}.weight", (rows, shape.dim)
            yield f"classifier.{part}.bias", (rows,)

    save_file(_random(names(), shape.spread), folder / "model.safetensors", metadata={"format": "pt"})
    labels = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    _write_json(folder / "config.json", _xlm_r_config("XLMRobertaForSequenceClassification", shape) | labels)
    _copy_tokenizer(folder, tokenizer_from)
    _write_manifest(folder, "random-bge-reranker-v2-m3", "reranker", "cls", shape)


def _write_qwen3(folder: Path, _tokenizer_from: Path, shape: Shape) -> None:
    state = {name: tensor.bfloat16() for name, tensor in _random(_decoder(shape), shape.spread).items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(
        folder / "config.json",
        {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "hidden_size": shape.dim,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_heads,
            "head_dim": shape.head_dim,
            "intermediate_size": shape.feed_forward,
            "hidden_act": "silu",
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.positions,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1_000_000,
            "tie_word_embeddings": True,
            "dtype": "bfloat16",
        },
    )
    _byte_tokenizer().save(str(folder / "tokenizer.json"))
    tokens = {"eos_token": _END, "pad_token": _END, "tokenizer_class": "PreTrainedTokenizerFast"}
    _write_json(folder / "tokenizer_config.json", tokens)
    instructed = {"query_prefix": "Instruct: {instruction}\nQuery:", "instruction": "Retrieve code", "smallest_dim": 32}
    _write_manifest(folder, "random-qwen3-embedding-0.6b", "embedder", "last", shape, **instructed)


def _encoder(shape: Shape) -> Named:
    dim = shape.dim
    yield "embeddings.word_embeddings.weight", (shape.vocabulary, dim)
    yield "embeddings.position_embeddings.weight", (shape.positions, dim)
    yield "embeddings.token_type_embeddings.weight", (1, dim)
    yield from _norm("embeddings.LayerNorm", dim)
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from _linear(f"{prefix}.attention.self.{part}", dim, dim)
        yield from _linear(f"{prefix}.attention.output.dense", dim, dim)
        yield from _norm(f"{prefix}.attention.output.LayerNorm", dim)
        yield from _linear(f"{prefix}.intermediate.dense", shape.feed_forward, dim)
        yield from _linear(f"{prefix}.output.dense", dim, shape.feed_forward)
        yield from _norm(f"{prefix}.output.LayerNorm", dim)


def _linear(name: str, rows: int, columns: int) -> Named:
    yield f"{name}.weight", (rows, columns)
    yield f"{name}.bias", (rows,)


def _norm(name: str, dim: int) -> Named:
    yield f"{name}.weight", (dim,)
    yield f"{name}.bias", (dim,)


def _decoder(shape: Shape) -> Named:
    dim, wide, narrow = shape.dim, shape.heads * shape.head_dim, shape.key_heads * shape.head_dim
    yield "embed_tokens.weight", (shape.vocabulary, dim)
    yield "norm.weight", (dim,)
    for layer in range(shape.layers):
        prefix = f"layers.{layer}"
        for part, rows in (("q", wide), ("k", narrow), ("v", narrow)):
            yield f"{prefix}.self_attn.{part}_proj.weight", (rows, dim)
        yield f"{prefix}.self_attn.o_proj.weight", (dim, wide)
        yield f"{prefix}.self_attn.q_norm.weight", (shape.head_dim,)
        yield f"{prefix}.self_attn.k_norm.weight", (shape.head_dim,)
        yield f"{prefix}.mlp.gate_proj.weight", (shape.feed_forward, dim)
        yield f"{prefix}.mlp.up_proj.weight", (shape.feed_forward, dim)
        yield f"{prefix}.mlp.down_proj.weight", (dim, shape.feed_forward)
        yield f"{prefix}.input_layernorm.weight", (dim,)
        yield f"{prefix}.post_attention_layernorm.weight", (dim,)


def _random(names: Named, spread: float) -> dict[str, Tensor]:
    """Return tensors as a fresh model has them: scales around 1, everything else around 0."""
    state = {}
    for name, size in names:
        is_scale = len(size) == 1 and name.lower().endswith("norm.weight")
        state[name] = torch.empty(size).normal_(1.0 if is_scale else 0.0, spread)
    return state


def _xlm_r_config(architecture: str, shape: Shape) -> dict[str, Any]:
    return {
        "architectures": [architecture],
        "model_type": "xlm-roberta",
        "hidden_size": shape.dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "hidden_act": "gelu",
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "dtype": "float32",
    }


def _copy_tokenizer(folder: Path, source: Path) -> None:
    for name in ("tokenizer.json", "special_tokens_map.json"):
        shutil.copy(source / name, folder)
    settings = json.loads((source / "tokenizer_config.json").read_text()) | {"model_max_length": 8192}
    _write_json(folder / "tokenizer_config.json", settings)


def _byte_tokenizer() -> Tokenizer:
    """Return a tokeniser that makes each byte a token and ends a text as Qwen3-Embedding's does.

    The real one makes about four bytes a token: compare speeds by tokens, not by texts.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({symbol: index for index, symbol in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(_END, special=True)])
    end = (_END, tokenizer.token_to_id(_END))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {_END}", pair=f"$A {_END} $B {_END}", special_tokens=[end]
    )
    return tokenizer


def _write_manifest(folder: Path, name: str, role: str, pooling: str, shape: Shape, **extra: object) -> None:
    manifest = {
        "name": name,
        "revision": f"random-{shape.dim}x{shape.layers}",
        "role": role,
        "pooling": pooling,
        "query_prefix": "",
        "passage_prefix": "",
        "max_tokens": 8192,
    }
    _write_json(folder / "shirabe.json", manifest | extra)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write the checkpoint named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.checkpoints", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=list(SHAPES))
    parser.add_argument("folder", type=Path, help="folder to create")
    arguments = parser.parse_args()
    settings = load_settings()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    write(arguments.kind, arguments.folder, asyncio.run(ensure_checkpoint(settings)))
    print(arguments.folder)


if __name__ == "__main__":
    main()
