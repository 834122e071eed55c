"""The libraries that run the same weights, each with the batch size that suits it and its best attention.

They are imported only here, when they are asked for: one that is not installed, or cannot run on this machine, becomes
a row that says so.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import redirect_stderr
from importlib.metadata import version
from io import StringIO
from typing import Any, Final, Protocol

import torch

from bench.contest import Result, reason, timed
from bench.lite import LiteEmbedder
from bench.probe import ProbeClock
from ray_app.checkpoint import Checkpoint
from shirabe.types import Output, TextKind

FLAG_FROM_16: Final = "FlagEmbedding, batch 16 or more"
"""FlagEmbedding as the goals of `docs/performance.md` want it: the best of batches of 16 to 256."""
FLAG_AS_IT_COMES: Final = "FlagEmbedding, as it comes"
"""FlagEmbedding with the batch size it has when nobody chooses one."""
BATCHES: Final = (4, 8, 16, 32, 64, 128, 256)
_OF_FLAG: Final[Mapping[str, Sequence[int]]] = {FLAG_FROM_16: BATCHES[2:], FLAG_AS_IT_COMES: (256,)}
# A batch size that is slower by this much than the best before ends the search.
_WORSE: Final = 1.1
_TIMEOUT_S: Final = 3600.0
# What m3serve waits for more texts by default.
_M3SERVE_DELAY_S: Final = 0.005


class Peer(Protocol):
    """A library's embedder, open."""

    batch: int
    """Texts in one of its forward passes."""

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute outputs of the texts."""

    def note(self, kind: TextKind) -> str:
        """Return its version and settings, and what was seen of it while it worked on texts of a kind."""

    def close(self) -> None:
        """End what runs in the background."""


class FlagEmbedder:
    """FlagEmbedding's BGEM3FlagModel."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        from FlagEmbedding import BGEM3FlagModel

        self._checkpoint = checkpoint
        self._model = BGEM3FlagModel(
            str(checkpoint.folder),
            use_fp16=device.type == "cuda",
            devices=str(device),
            pooling_method=checkpoint.pooling,
        )
        self._clock = ProbeClock(self._model.model)
        self.batch = BATCHES[-1]

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute outputs of the texts."""
        self.embed(texts, kind, outputs)

    def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> dict[str, Any]:
        """Return what the library returns: `dense_vecs`, `lexical_weights`, `colbert_vecs`."""
        with redirect_stderr(StringIO()), self._clock:  # it shows its progress
            embedded: dict[str, Any] = self._model.encode(
                self._checkpoint.prefixed(texts, kind),
                batch_size=self.batch,
                max_length=self._checkpoint.max_tokens,
                return_dense="dense" in outputs,
                return_sparse="sparse" in outputs,
                return_colbert_vecs=_wants_tokens(outputs),
            )
        return embedded

    def note(self, kind: TextKind) -> str:
        """Return its settings, and how much of its last call went into a forward pass that it threw away."""
        del kind  # the last call was of this kind
        return f"{version('FlagEmbedding')}, batch {self.batch}, {self._clock.share()}"

    def close(self) -> None:
        """Do nothing."""


class M3ServeEmbedder:
    """m3serve's engine: each text its own request, for its queue sorts and batches them. Dense vectors are CLS only."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        from m3serve.model import BGEM3Encoder

        self._checkpoint = checkpoint
        # Left alone it takes the slower `eager` in fp32, and the best there is on a GPU.
        self._attention = "sdpa" if device.type == "cpu" else None
        self._encoder = BGEM3Encoder(
            str(checkpoint.folder),
            device=str(device),
            use_fp16=device.type == "cuda",
            max_length=checkpoint.max_tokens,
            attn_implementation=self._attention,
        )
        self._runner = asyncio.Runner()
        self._engines: dict[tuple[TextKind, int], Any] = {}
        self.batch = BATCHES[-1]

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute outputs of the texts."""
        self._runner.run(self._embed(self._checkpoint.prefixed(texts, kind), kind, outputs))

    async def _embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        engine = await self._engine(kind)
        wanted = {"return_sparse": "sparse" in outputs, "return_colbert": _wants_tokens(outputs)}
        await asyncio.gather(*(engine.embed([text], timeout=_TIMEOUT_S, **wanted) for text in texts))

    async def _engine(self, kind: TextKind) -> Any:
        """Return the engine for the batch size of now; one query need not wait for others to come."""
        from m3serve import Engine

        key = (kind, self.batch)
        if key not in self._engines:
            await self._stop()
            delay_s = 0.0 if kind == "query" else _M3SERVE_DELAY_S
            self._engines[key] = Engine(_encoder=self._encoder, max_batch_size=self.batch, batch_delay=delay_s)
            await self._engines[key].start()
        return self._engines[key]

    async def _stop(self) -> None:
        while self._engines:
            await self._engines.popitem()[1].stop()

    def note(self, kind: TextKind) -> str:
        """Return its settings."""
        attention = self._attention or "automatic attention"
        return f"{version('m3serve')}, batch {self.batch}, {attention}" + (", no delay" if kind == "query" else "")

    def close(self) -> None:
        """Stop its threads."""
        self._runner.run(self._stop())
        self._runner.close()


class SentenceEncoder:
    """sentence-transformers: dense vectors only."""

    def __init__(self, checkpoint: Checkpoint, device: torch.device) -> None:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

        self._checkpoint = checkpoint
        self._settings = half_and_flash() if device.type == "cuda" else {}
        transformer = Transformer(
            str(checkpoint.folder), model_kwargs=self._settings, max_seq_length=checkpoint.max_tokens
        )
        pooling = Pooling(transformer.get_embedding_dimension(), "cls" if checkpoint.pooling == "cls" else "mean")
        self._model = SentenceTransformer(modules=[transformer, pooling], device=str(device))
        self.batch = BATCHES[-1]

    def encode(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> None:
        """Compute dense vectors. Raises: ValueError when more is asked for."""
        if set(outputs) != {"dense"}:
            raise ValueError("gives dense vectors only")
        self._model.encode(
            self._checkpoint.prefixed(texts, kind),
            batch_size=self.batch,
            normalize_embeddings=True,
            show_progress_bar=False,
        )

    def note(self, kind: TextKind) -> str:
        """Return its settings."""
        del kind  # the same for both
        return ", ".join([version("sentence-transformers"), f"batch {self.batch}", *map(str, self._settings.values())])

    def close(self) -> None:
        """Do nothing."""


Open = Callable[[Checkpoint, torch.device], Peer]
EMBEDDERS: Final[Mapping[str, Open]] = {
    "FlagEmbedding": FlagEmbedder,
    FLAG_FROM_16: FlagEmbedder,
    FLAG_AS_IT_COMES: FlagEmbedder,
    "m3serve": M3ServeEmbedder,
    "bge-m3-lite": LiteEmbedder,
    "sentence-transformers": SentenceEncoder,
}


def open_peer(
    name: str, checkpoint: Checkpoint, device: torch.device, sample: Sequence[str], outputs: Collection[Output]
) -> Peer | Result:
    """Return a peer with its best batch size for a sample of passages, or the row that says why it cannot run."""
    try:
        peer = EMBEDDERS[name](checkpoint, device)
        peer.batch = best_batch(peer, lambda: peer.encode(sample, "passage", outputs), _OF_FLAG.get(name, BATCHES))
    except Exception as error:  # somebody else's code: whatever it raises is its result
        return Result(name, (), reason(error))
    return peer


class Batched(Protocol):
    """What has a batch size."""

    batch: int


def best_batch(peer: Batched, work: Callable[[], object], batches: Sequence[int] = BATCHES) -> int:
    """Return the quickest batch size for a piece of work, from small to large until it gets slower or does not fit.

    Raises: what the peer raises with the smallest one.
    """
    best, least = 0, float("inf")
    for peer.batch in batches:
        try:
            took = min(timed(work), timed(work))
        except RuntimeError:  # out of memory
            if not best:
                raise
            break
        if took > _WORSE * least:
            break
        if took < least:
            best, least = peer.batch, took
    return best


def half_and_flash() -> dict[str, Any]:
    """Return what a Hugging Face model is best loaded with on a GPU."""
    flash = importlib.util.find_spec("flash_attn") is not None
    return {"dtype": torch.float16, "attn_implementation": "flash_attention_2" if flash else "sdpa"}


def _wants_tokens(outputs: Collection[Output]) -> bool:
    """Tell whether token vectors are asked for: our bits are made of them, and no peer has bits."""
    return "tokens" in outputs or "bits" in outputs
