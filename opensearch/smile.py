"""JSON documents in the engine's binary form: a vector's floats are copied instead of printed and parsed.

Smile, as https://github.com/FasterXML/smile-format-specification describes it, without shared names and values: what
the engine takes in bulks beside JSON. `knn_vector` takes base64 from OpenSearch 3.8 on only.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from shirabe.errors import InvalidInput
from shirabe.types import Floats

CONTENT_TYPE: Final = "application/smile"
SEPARATOR: Final = b"\xff"
"""Stands between the documents of a bulk, and nowhere in one."""

_HEADER: Final = b":)\n\x00"
_END_OF_TEXT: Final = b"\xfc"
_SHORT_ASCII_BYTES: Final = 32
_SHORT_NAME_BYTES: Final = 64
_FLOAT: Final = 0x28
_FLOAT_BYTES: Final = 6
_SEVEN_BITS: Final = np.array([28, 21, 14, 7, 0], np.uint32)


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a document of text, numbers, truth values, nothing, lists and mappings; float32 also in arrays (n,).

    Raises: InvalidInput for an integer of more than 64 bits.
    """
    return _HEADER + _value(document)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value that is written already."""

    data: bytes


def encoded_arrays(arrays: Sequence[Floats]) -> list[Encoded]:
    """Return float32 arrays (n,) as values, written together: each step of numpy is a turn among the threads."""
    rows = _floats(np.concatenate(arrays)).tobytes() if arrays else b""
    ends = (_FLOAT_BYTES * end for end in itertools.accumulate((len(array) for array in arrays), initial=0))
    return [Encoded(b"\xf8" + rows[start:end] + b"\xf9") for start, end in itertools.pairwise(ends)]


def encoded_weights(mappings: Sequence[Mapping[str, np.float32]]) -> list[Encoded]:
    """Return mappings to float32 as values, the numbers of all of them written together."""
    numbers = itertools.chain.from_iterable(mapping.values() for mapping in mappings)
    rows = _floats(np.fromiter(numbers, np.float32, sum(map(len, mappings)))).tobytes()
    ends = itertools.count(_FLOAT_BYTES, _FLOAT_BYTES)
    return [
        Encoded(
            b"\xfa"
            + b"".join([_name(name) + rows[end - _FLOAT_BYTES : end] for name, end in zip(mapping, ends, strict=False)])
            + b"\xfb"
        )
        for mapping in mappings
    ]


def _value(value: Any) -> bytes:
    if isinstance(value, str):  # most are
        return _text(value)
    if isinstance(value, Encoded):
        return value.data
    if isinstance(value, np.ndarray):
        return encoded_arrays([value])[0].data
    if isinstance(value, np.float32):
        return _floats(np.array([value])).tobytes()
    match value:
        case bool():
            return b"\x23" if value else b"\x22"
        case int():
            return _integer(value)
        case float():
            bits = int.from_bytes(struct.pack(">d", value))
            return b"\x29" + bytes((bits >> at) & 0x7F for at in range(63, -1, -7))
        case None:
            return b"\x21"
        case Mapping():
            return b"\xfa" + _members(value) + b"\xfb"
        case list() | tuple():
            return b"\xf8" + b"".join([_value(item) for item in value]) + b"\xf9"
    raise TypeError(f"no JSON value: {type(value).__name__}")


def _members(value: Mapping[str, Any]) -> bytes:
    return b"".join([_name(name) + _value(item) for name, item in value.items()])


@lru_cache(maxsize=1 << 16)
def _name(name: str) -> bytes:
    data = name.encode("utf-8", "replace")
    if not data:
        return b"\x20"
    if data.isascii() and len(data) <= _SHORT_NAME_BYTES:
        return bytes((0x7F + len(data),)) + data
    return b"\x34" + data + _END_OF_TEXT


def _text(text: str) -> bytes:
    # A lone surrogate (a broken escape in a JSON file) would make the engine refuse the whole bulk.
    data = text.encode("utf-8", "replace")
    if not data:
        return b"\x20"
    if not data.isascii():
        return b"\xe4" + data + _END_OF_TEXT
    if len(data) <= _SHORT_ASCII_BYTES:
        return bytes((0x3F + len(data),)) + data
    return b"\xe0" + data + _END_OF_TEXT


def _integer(value: int) -> bytes:
    if not -(1 << 63) <= value < 1 << 63:
        raise InvalidInput("an integer of more than 64 bits")
    token = b"\x24" if -(1 << 31) <= value < 1 << 31 else b"\x25"
    zigzag = (value << 1) ^ (value >> 63)
    tail = bytearray((0x80 | (zigzag & 0x3F),))
    zigzag >>= 6
    while zigzag:
        tail.append(zigzag & 0x7F)
        zigzag >>= 7
    return token + bytes(reversed(tail))


def _floats(values: Floats) -> np.ndarray:
    """Return each float32 as its token and five groups of seven bits, (n, 6)."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rows = np.empty((len(bits), _FLOAT_BYTES), np.uint8)
    rows[:, 0] = _FLOAT
    rows[:, 1:] = (bits[:, None] >> _SEVEN_BITS) & 0x7F
    return rows
