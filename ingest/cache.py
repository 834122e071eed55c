"""Embeddings kept on disk by what they are a function of, so that no text is embedded twice."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shirabe.errors import Unavailable
from shirabe.types import Embedding, ModelInfo, Output, TextKind, digest

EMBEDDINGS_FILE = "embeddings.sqlite"
DEFAULT_MAX_BYTES = 4 << 30
_EVICT_TO = 0.9
_USE_PRECISION_S = 3600
_MAX_VARIABLES = 500
_BUSY_TIMEOUT_S = 30.0
_FORMAT = "1"


def cache_key(text: str, model: ModelInfo, kind: TextKind, outputs: Collection[Output]) -> str:
    """Return the key of an embedding: the text and all that decides its vectors."""
    return digest(
        *(_FORMAT, model.name, model.revision, str(model.dim), str(model.max_tokens), kind),
        *(",".join(sorted(outputs)), text),
    )


class EmbeddingCache:
    """A table of embeddings bounded in size, least recently used out first. Methods block; any thread may call them."""

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        with _known_errors():
            self._connection.execute("PRAGMA journal_mode = WAL")
            # What is lost with the power is computed again.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings"
                " (key TEXT PRIMARY KEY, value BLOB NOT NULL, bytes INTEGER NOT NULL, used INTEGER NOT NULL) STRICT"
            )
            self._connection.execute("CREATE INDEX IF NOT EXISTS embeddings_by_use ON embeddings (used, bytes)")
            self._bytes = self._total()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def get(self, keys: Sequence[str]) -> dict[str, Embedding]:
        """Return what is known of `keys`."""
        found: dict[str, Embedding] = {}
        with self._lock, _known_errors():
            for start in range(0, len(keys), _MAX_VARIABLES):
                part = keys[start : start + _MAX_VARIABLES]
                marks = ",".join("?" * len(part))
                rows = self._connection.execute(
                    f"SELECT key, value FROM embeddings WHERE key IN ({marks})",  # noqa: S608 (question marks)
                    part,
                ).fetchall()
                for key, value in rows:
                    with contextlib.suppress(SafetensorError):
                        found[key] = decode_embedding(value)
                now = int(time.time())
                self._connection.execute(
                    f"UPDATE embeddings SET used = ? WHERE used < ? AND key IN ({marks})",  # noqa: S608 (the same)
                    (now, now - _USE_PRECISION_S, *part),
                )
        return found

    def put(self, embeddings: Mapping[str, Embedding]) -> None:
        """Keep embeddings, and let the least recently used go when the bound is passed."""
        now = int(time.time())
        rows = [(key, value := encode_embedding(item), len(value), now) for key, item in embeddings.items()]
        with self._lock, _known_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", rows)
            self._bytes += sum(row[2] for row in rows)
            if self._bytes > self._max_bytes:
                self._evict()
            self._connection.execute("COMMIT")

    def size_bytes(self) -> int:
        """Return the size of all embeddings kept."""
        with self._lock, _known_errors():
            return self._total()

    def _total(self) -> int:
        (total,) = self._connection.execute("SELECT coalesce(sum(bytes), 0) FROM embeddings").fetchone()
        return int(total)

    def _evict(self) -> None:
        """Count anew, because another process may write too, and go below the bound so that this is rare."""
        self._bytes = self._total()
        excess = self._bytes - int(self._max_bytes * _EVICT_TO)
        if self._bytes <= self._max_bytes:
            return
        doomed = []
        for key, size in self._connection.execute("SELECT key, bytes FROM embeddings ORDER BY used, rowid"):
            doomed.append((key,))
            excess -= size
            self._bytes -= size
            if excess <= 0:
                break
        self._connection.executemany("DELETE FROM embeddings WHERE key = ?", doomed)


def encode_embedding(embedding: Embedding) -> bytes:
    """Return an embedding as safetensors bytes; absent parts stay absent."""
    parts: dict[str, np.ndarray] = {}
    if embedding.dense is not None:
        parts["dense"] = embedding.dense.astype(np.float32)
    if embedding.sparse is not None:
        parts["sparse_ids"] = np.fromiter(embedding.sparse.keys(), np.int32, len(embedding.sparse))
        parts["sparse_weights"] = np.fromiter(embedding.sparse.values(), np.float64, len(embedding.sparse))
    if embedding.tokens is not None:
        parts["tokens"] = embedding.tokens.astype(np.float16)
    if embedding.bits is not None:
        parts["bits"] = embedding.bits.astype(np.uint8)
    return save({name: np.ascontiguousarray(part) for name, part in parts.items()})


def decode_embedding(value: bytes) -> Embedding:
    """Return the embedding in safetensors bytes. Raises: SafetensorError."""
    parts = load(value)
    sparse = None
    if "sparse_ids" in parts:
        sparse = dict(zip(parts["sparse_ids"].tolist(), parts["sparse_weights"].tolist(), strict=True))
    return Embedding(parts.get("dense"), sparse, parts.get("tokens"), parts.get("bits"))


@contextlib.contextmanager
def _known_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"the embedding cache does not answer: {error}") from None
