"""Names as keys: how the name of a term is recognised in a text, however it is written there."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_UNITS: Final = 16
"""Longest name that is recognised, in words, runs of katakana, or other Japanese characters."""
_MAX_KEYS: Final = 1_024

_UNIT: Final = re.compile(r"[^\W_\u3041-\u30ff\u3400-\u9fff々]+|[\u30a1-\u30fa\u30fc]+|[\u3041-\u3096\u3400-\u9fff々]")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LAST_VOWEL: Final = re.compile(r"(?<=[\u30a1-\u30fa\u30fc]{3})ー$")


@dataclass(frozen=True, slots=True)
class Named:
    """A stretch of a text that may be a name: its key, and its first and last unit + 1."""

    key: str
    start: int
    end: int


def name_key(name: str) -> str:
    """Return what is the same for all spellings of a name: `Sales Order` and `salesOrder`, `サーバー` and `ｻｰﾊﾞ`."""
    return "".join(_units(name))


def names_in(text: str) -> list[Named]:
    """Return every stretch of a text that may be a name, whole words and at least two other characters long."""
    return list(_stretches(_units(text)))[:_MAX_KEYS]


def _units(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text)
    found = (unit.casefold() for word in _UNIT.findall(folded) for unit in _CAMEL.split(word))
    return [_LAST_VOWEL.sub("", unit) for unit in found]


def _stretches(units: list[str]) -> Iterator[Named]:
    for start in range(len(units)):
        for end in range(start + 1, min(start + MAX_UNITS, len(units)) + 1):
            key = "".join(units[start:end])
            if len(key) > 1 or len(units) == 1:
                yield Named(key, start, end)
