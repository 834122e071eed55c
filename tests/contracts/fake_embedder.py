"""A small real model of an embedder: hashed words instead of a network, with the right shapes and norms."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Collection, Sequence

import numpy as np

from shirabe.errors import InvalidInput
from shirabe.types import Embedding, Floats, ModelInfo, Output, TextKind

_PIECE = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")
_VOCABULARY = 250_002
_FIRST_ORDINARY = 4  # the ids below are special tokens


class FakeEmbedder:
    """An `Embedder` in which texts that share pieces are near each other. `dim` must be a multiple of 8."""

    def __init__(self, dim: int = 64, max_tokens: int = 512) -> None:
        self._info = ModelInfo("fake-hash", "1", dim, max_tokens)
        self.calls: list[tuple[TextKind, tuple[str, ...]]] = []

    async def info(self) -> ModelInfo:
        return self._info

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        if not outputs:
            raise InvalidInput("ask for one output at least", "outputs")
        for number, text in enumerate(texts):
            if not text.strip():
                raise InvalidInput("is empty", f"texts.{number}")
        self.calls.append((kind, tuple(texts)))
        return [self._embed(text, outputs) for text in texts]

    def _embed(self, text: str, outputs: Collection[Output]) -> Embedding:
        # The last row stands for EOS, whose vector a real model keeps too.
        pieces = [piece.lower() for piece in _PIECE.findall(text)][: self._info.max_tokens - 2]
        rows = np.stack([_direction(piece, self._info.dim) for piece in [*pieces, "</s>"]])
        mean = rows.mean(axis=0)
        return Embedding(
            dense=(mean / np.linalg.norm(mean)).astype(np.float32) if "dense" in outputs else None,
            sparse={_token_id(piece): 0.5 + _unit(piece) for piece in pieces} if "sparse" in outputs else None,
            tokens=rows.astype(np.float16) if "tokens" in outputs else None,
            bits=np.packbits(rows > 0, axis=1) if "bits" in outputs else None,
        )


def _seed(piece: str) -> int:
    return int.from_bytes(hashlib.blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _token_id(piece: str) -> int:
    return _FIRST_ORDINARY + _seed(piece) % (_VOCABULARY - _FIRST_ORDINARY)


def _unit(piece: str) -> float:
    return (_seed(piece) >> 32) / 2**32


@functools.lru_cache(maxsize=65_536)
def _direction(piece: str, dim: int) -> Floats:
    direction = np.random.default_rng(_seed(piece)).standard_normal(dim).astype(np.float32)
    return np.asarray(direction / np.linalg.norm(direction), np.float32)
