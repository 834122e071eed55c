"""Embeddings between server and client: columns of all texts' values, as safetensors bytes.

dense float32 (texts, dim) · sparse_ids int32 and sparse_weights float32 with sparse_offsets int64 (texts + 1,) · tokens
float16 (rows, dim) and bits uint8 (rows, dim / 8) with token_offsets int64 (texts + 1,). Text i owns the rows from
offsets[i] up to offsets[i + 1].
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shirabe.errors import Unavailable
from shirabe.types import Bytes, Embedding, Floats, Halves, Output

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One text's embedding in arrays; absent parts are None. Sparse ids ascend."""

    dense: Floats | None = None
    sparse_ids: npt.NDArray[np.int32] | None = None
    sparse_weights: Floats | None = None
    tokens: Halves | None = None
    bits: Bytes | None = None

    def sparse_items(self) -> list[tuple[int, float]]:
        """Return (token id, weight) in Python's numbers; ValueError when sparse weights were not computed."""
        ids, weights = _have(self.sparse_ids), _have(self.sparse_weights)
        return list(zip(ids.tolist(), weights.tolist(), strict=True))


def pack(rows: Sequence[Row], outputs: Collection[Output]) -> bytes:
    """Return the bytes of a response holding `outputs` of each row; rows may hold more."""
    columns: dict[str, Array] = {}
    if "dense" in outputs:
        columns["dense"] = np.stack([_have(row.dense) for row in rows])
    if "sparse" in outputs:
        ids = [_have(row.sparse_ids) for row in rows]
        columns["sparse_ids"] = np.concatenate(ids)
        columns["sparse_weights"] = np.concatenate([_have(row.sparse_weights) for row in rows])
        columns["sparse_offsets"] = _offsets(ids)
    for name in ("tokens", "bits"):
        if name in outputs:
            parts = [_have(getattr(row, name)) for row in rows]
            columns[name] = np.concatenate(parts)
            columns["token_offsets"] = _offsets(parts)
    data: bytes = save(columns)
    return data


def unpack(data: bytes, texts: int, outputs: Collection[Output]) -> list[Embedding]:
    """Return the embeddings of a response for `texts` texts.

    Raises: Unavailable when the bytes are not such a response.
    """
    try:
        columns: dict[str, Array] = load(data)
        dense = columns["dense"] if "dense" in outputs else [None] * texts
        sparse = _sparse(columns) if "sparse" in outputs else [None] * texts
        tokens = _parts(columns, "tokens") if "tokens" in outputs else [None] * texts
        bits = _parts(columns, "bits") if "bits" in outputs else [None] * texts
    except (SafetensorError, KeyError) as error:
        raise Unavailable(f"the model server answered something that is not embeddings: {error}") from error
    lengths = {len(dense), len(sparse), len(tokens), len(bits)}
    if lengths != {texts}:
        raise Unavailable(f"the model server answered {sorted(lengths)} embeddings to {texts} texts")
    return [Embedding(*parts) for parts in zip(dense, sparse, tokens, bits, strict=True)]


def _have(part: Array | None) -> Array:
    if part is None:
        raise ValueError("an output that was asked for was not computed")
    return part


def _offsets(parts: Sequence[Array]) -> Array:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _parts(columns: dict[str, Array], name: str) -> list[Array]:
    return [columns[name][start:end] for start, end in pairwise(columns["token_offsets"].tolist())]


def _sparse(columns: dict[str, Array]) -> list[dict[int, float]]:
    ids, weights = columns["sparse_ids"].tolist(), columns["sparse_weights"].tolist()
    return [
        dict(zip(ids[start:end], weights[start:end], strict=True))
        for start, end in pairwise(columns["sparse_offsets"].tolist())
    ]
