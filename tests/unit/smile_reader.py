"""Reads Smile back, from its specification: the counterpart that tests hold the writer to."""

from __future__ import annotations

import struct
from typing import Any


def read_all(data: bytes) -> list[Any]:
    """Return the documents of a bulk."""
    assert data.endswith(b"\xff")
    return [read(document) for document in data[:-1].split(b"\xff")]


def read(data: bytes) -> Any:
    """Return one document."""
    assert data.startswith(b":)\n\x00"), "the header, with nothing shared"
    value, end = _value(data, 4)
    assert end == len(data)
    return value


def _value(data: bytes, at: int) -> tuple[Any, int]:
    token = data[at]
    at += 1
    if token in (0x20, 0x21, 0x22, 0x23):
        return ("", None, False, True)[token - 0x20], at
    if token in (0x24, 0x25):
        bits = 0
        while data[at] < 0x80:
            bits = bits << 7 | data[at]
            at += 1
        bits = bits << 6 | data[at] & 0x3F
        return (bits >> 1) ^ -(bits & 1), at + 1
    if token == 0x28:
        return struct.unpack(">f", _seven(data[at : at + 5]).to_bytes(4))[0], at + 5
    if token == 0x29:
        return struct.unpack(">d", _seven(data[at : at + 10]).to_bytes(8))[0], at + 10
    if 0x40 <= token <= 0x7F:
        end = at + token - 0x3F
        return data[at:end].decode("ascii"), end
    if token in (0xE0, 0xE4):
        end = data.index(0xFC, at)
        return data[at:end].decode("ascii" if token == 0xE0 else "utf-8"), end + 1
    if token == 0xF8:
        items = []
        while data[at] != 0xF9:
            item, at = _value(data, at)
            items.append(item)
        return items, at + 1
    assert token == 0xFA, f"unknown token {token:#x}"
    members = {}
    while data[at] != 0xFB:
        name, at = _name(data, at)
        members[name], at = _value(data, at)
    return members, at + 1


def _name(data: bytes, at: int) -> tuple[str, int]:
    token = data[at]
    at += 1
    if token == 0x20:
        return "", at
    if 0x80 <= token <= 0xBF:
        end = at + token - 0x7F
        return data[at:end].decode("ascii"), end
    assert token == 0x34, f"unknown name {token:#x}"
    end = data.index(0xFC, at)
    return data[at:end].decode("utf-8"), end + 1


def _seven(groups: bytes) -> int:
    bits = 0
    for group in groups:
        assert group < 0x80
        bits = bits << 7 | group
    return bits
