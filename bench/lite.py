"""bge-m3-lite on a checkpoint of our choice.

The package loads one set of files and no other: BAAI's, checked by their digests. So its parts are put together here
over the weights that everyone in a comparison gets: its tokeniser with the checkpoint's vocabulary, its graph, its
session, its batching and its heads. Where a checkpoint's tokeniser has no precompiled normaliser (m3-mini's has none)
it goes without, which only saves it time. It runs on a CPU.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Collection, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.lite_graph import write_graph
from ray_app.checkpoint import Checkpoint
from shirabe.types import Output, TextKind

# Kinds of a SentencePiece model's pieces.
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3


class LiteEmbedder:
    """bge-m3-lite's embedder in fp32. Dense vectors are CLS only."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        if device.type != "cpu":
            raise ValueError("runs on a CPU only")
        self._checkpoint = checkpoint
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        graph = Path(self._folder.name) / "model.onnx"
        write_graph(checkpoint.folder, checkpoint.architecture, graph)
        self._model = _embedder(checkpoint, graph)
        self.batch = 12

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute outputs of the texts."""
        self.embed(texts, kind, outputs)

    def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> dict[str, Any]:
        """Return what the package returns: `dense_vecs`, `lexical_weights`, `colbert_vecs`."""
        embedded: dict[str, Any] = self._model.encode(
            self._checkpoint.prefixed(texts, kind),
            batch_size=self.batch,
            return_dense="dense" in outputs,
            return_sparse="sparse" in outputs,
            return_colbert_vecs="tokens" in outputs or "bits" in outputs,
        )
        return embedded

    def note(self, kind: TextKind) -> str:
        """Return its settings."""
        del kind  # the same for both
        return f"{version('bge-m3-lite')}, its parts on these weights, batch {self.batch}, fused graph"

    def close(self) -> None:
        """Remove the graph."""
        self._model.close()
        self._folder.cleanup()


def _embedder(checkpoint: Checkpoint, graph: Path) -> Any:
    """Return its `BGEM3Embedder`, put together as its constructor would from the files it knows."""
    from bge_m3_lite import embedder
    from bge_m3_lite._torch_pickle import load_state_dict
    from bge_m3_lite.model import OnnxBackbone
    from bge_m3_lite.tokenizer import XLMRobertaTokenizer

    embedder.HIDDEN_SIZE = checkpoint.architecture.dim
    lite = embedder.BGEM3Embedder.__new__(embedder.BGEM3Embedder)
    lite.tokenizer = XLMRobertaTokenizer(_pieces(checkpoint.folder))
    lite.backbone = OnnxBackbone(graph, num_threads=torch.get_num_threads())
    lite.max_length = checkpoint.max_tokens
    for head in ("sparse", "colbert"):
        state = load_state_dict(checkpoint.folder / f"{head}_linear.pt")
        setattr(lite, f"{head}_w", np.ascontiguousarray(state["weight"].T, dtype=np.float32))
        setattr(lite, f"{head}_b", state["bias"].astype(np.float32))
    return lite


def _pieces(folder: Path) -> Any:
    """Return a `tokenizer.json` of XLM-R's family as the SentencePiece model it was made from."""
    from bge_m3_lite.tokenizer import PrecompiledCharsmap, SentencePieceModel

    settings = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    # XLM-R puts its own four before SentencePiece's three, and a mask at the end.
    own = settings["model"]["vocab"][4:-1]
    normalizer = settings["normalizer"]
    steps = normalizer.get("normalizers", [normalizer])
    charsmap = next((step["precompiled_charsmap"] for step in steps if step["type"] == "Precompiled"), None)
    return SentencePieceModel(
        pieces=["<unk>", "<s>", "</s>", *(piece for piece, _ in own)],
        scores=[0.0, 0.0, 0.0, *(score for _, score in own)],
        types=[_UNKNOWN, _CONTROL, _CONTROL, *(_NORMAL for _ in own)],
        unk_id=0,
        charsmap=None if charsmap is None else PrecompiledCharsmap(base64.b64decode(charsmap)),
    )
