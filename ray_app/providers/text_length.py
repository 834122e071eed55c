"""How long a text is to a vendor's tokenizer, without that tokenizer: its tables would have to be downloaded.

Two measures: an estimate on the high side for budgets and cutting, and, where a limit must hold, the number of UTF-8
bytes, which no byte-level tokenizer exceeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

# Quarters of a token a character, for OpenAI's cl100k_base: identifiers and digits take about half a token, prose a
# quarter; kanji and kana one to two; what lies beyond the basic plane (emoji, rare kanji) three.
_ASCII: Final = 2
_BASIC_PLANE: Final = 5
_BEYOND: Final = 12


@dataclass(frozen=True, slots=True)
class Part:
    """Texts of one request; `tokens` is the estimate over all of them."""

    texts: tuple[str, ...]
    tokens: int


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a vendor counts, rather too many; 1 at least."""
    return max(1, -(-int(_quarters(text).sum()) // 4))


def cut(text: str, max_tokens: int) -> str:
    """Return the beginning of a text that is estimated to fit."""
    # A character is at least half a token: what lies further never fits.
    head = text[: max_tokens * 4 // _ASCII]
    fitting = np.searchsorted(np.cumsum(_quarters(head)), max_tokens * 4, side="right")
    return head[: int(fitting)]


def cut_bytes(text: str, max_bytes: int) -> str:
    """Return the beginning of a text that fits without a doubt: of at most `max_bytes` UTF-8 bytes."""
    return text.encode("utf-8", "surrogatepass")[:max_bytes].decode("utf-8", "ignore")


def split(texts: Sequence[str], max_texts: int, max_tokens: int) -> Iterator[Part]:
    """Cut texts into requests that the vendor takes for certain, keeping the order.

    Bytes are counted against `max_tokens`; a text beyond it goes alone.
    """
    held: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode("utf-8", "surrogatepass"))
        if held and (len(held) == max_texts or size + length > max_tokens):
            yield _part(held)
            held, size = [], 0
        held.append(text)
        size += length
    if held:
        yield _part(held)


def _part(texts: Sequence[str]) -> Part:
    return Part(tuple(texts), sum(map(estimated_tokens, texts)))


def _quarters(text: str) -> npt.NDArray[np.int64]:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.where(points < 0x80, _ASCII, np.where(points < 0x10000, _BASIC_PLANE, _BEYOND)).astype(np.int64)
