"""Cross-encoders on the same random weights: ours, FlagEmbedding's and sentence-transformers'.

The weights are random, of the sizes of the embedder that is measured, because no trained reranker is bundled: they are
as fast as trained ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Final, Protocol

import torch

from bench import checkpoints
from bench.contest import Result, reason
from bench.peers import BATCHES, FLAG_AS_IT_COMES, FLAG_FROM_16, best_batch
from bench.probe import ProbeClock
from bench.sizes import BATCH_TOKENS
from ray_app.cross_encoder import CrossEncoder
from shirabe.settings import Precision

MAX_TOKENS: Final = 512
_OF_FLAG: Final[Mapping[str, Sequence[int]]] = {FLAG_FROM_16: BATCHES[2:], FLAG_AS_IT_COMES: (128,)}


def write_like(embedder: Path, folder: Path) -> None:
    """Write a random reranker of an embedder's sizes, with its tokeniser, into a new folder."""
    config = json.loads((embedder / "config.json").read_text(encoding="utf-8"))
    shape = checkpoints.Shape(
        dim=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        feed_forward=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        # XLM-R counts positions from 2.
        positions=max(config["max_position_embeddings"], MAX_TOKENS + 2),
    )
    checkpoints.write("bge-reranker-v2-m3", folder, embedder, shape)


class Scorer(Protocol):
    """A cross-encoder, open."""

    def score(self, query: str, passages: Sequence[str]) -> None:
        """Score passages for a query."""

    def note(self) -> str:
        """Return its settings, and what was seen of it while it worked."""


class Reranker(Scorer, Protocol):
    """A library's cross-encoder, open."""

    batch: int
    """Pairs in one of its forward passes."""


class OurCross:
    """Ours."""

    def __init__(self, folder: Path, device: torch.device, precision: Precision) -> None:
        self._model = CrossEncoder(folder, device, MAX_TOKENS, folder / "cache", precision)
        self._budget = BATCH_TOKENS[device.type]

    def score(self, query: str, passages: Sequence[str]) -> None:
        """Score passages for a query."""
        self._model.score(query, passages, self._budget)

    def note(self) -> str:
        """Return the settings."""
        return f"batches of {self._budget} tokens"

    def tokens(self, query: str, passages: Sequence[str]) -> int:
        """Return the tokens of all pairs."""
        return sum(map(len, self._model.encode_pre(query, passages)))


class FlagCross:
    """FlagEmbedding's FlagReranker.

    Left at its batch of 128 it pads a hundred pairs to the longest of them, and does so twice.
    """

    def __init__(self, folder: Path, device: torch.device) -> None:
        from FlagEmbedding import FlagReranker

        self._model = FlagReranker(str(folder), use_fp16=device.type == "cuda", devices=str(device))
        self._clock = ProbeClock(self._model.model)
        self.batch = BATCHES[-1]

    def score(self, query: str, passages: Sequence[str]) -> None:
        """Score passages for a query."""
        pairs = [(query, passage) for passage in passages]
        with redirect_stderr(StringIO()), self._clock:  # it shows its progress
            self._model.compute_score(pairs, batch_size=self.batch, max_length=MAX_TOKENS)

    def note(self) -> str:
        """Return its settings, and how much of its last call went into a forward pass that it threw away."""
        return f"{version('FlagEmbedding')}, batch {self.batch}, {self._clock.share()}"


class SentenceCross:
    """sentence-transformers' CrossEncoder."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from sentence_transformers import CrossEncoder

        settings = {"dtype": torch.float16} if device.type == "cuda" else {}
        self._model = CrossEncoder(str(folder), device=str(device), max_length=MAX_TOKENS, model_kwargs=settings)
        self.batch = BATCHES[-1]

    def score(self, query: str, passages: Sequence[str]) -> None:
        """Score passages for a query."""
        pairs = [(query, passage) for passage in passages]
        self._model.predict(pairs, batch_size=self.batch, show_progress_bar=False)

    def note(self) -> str:
        """Return its settings."""
        return f"{version('sentence-transformers')}, batch {self.batch}"


RERANKERS: Final[Mapping[str, Callable[[Path, torch.device], Reranker]]] = {
    "FlagEmbedding": FlagCross,
    FLAG_FROM_16: FlagCross,
    FLAG_AS_IT_COMES: FlagCross,
    "sentence-transformers": SentenceCross,
}


def open_reranker(
    name: str, folder: Path, device: torch.device, query: str, passages: Sequence[str]
) -> Reranker | Result:
    """Return a peer with its best batch size for these pairs, or the row that says why it cannot run."""
    try:
        peer = RERANKERS[name](folder, device)
        peer.batch = best_batch(peer, lambda: peer.score(query, passages), _OF_FLAG.get(name, BATCHES))
    except Exception as error:  # somebody else's code: whatever it raises is its result
        return Result(name, (), reason(error))
    return peer
