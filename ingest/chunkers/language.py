"""Which language a text is in: `ja` or `en`, told from its characters.

Chunks of source code carry the programming language's name instead (`python`, `go`).
"""

from __future__ import annotations

import re
from typing import Final

_NOT_PROSE: Final = re.compile(
    r"^(```|~~~).*?(?:^\1|\Z)|`[^`\n]*`|https?://\S+|<[^<>\n]{1,200}>", re.MULTILINE | re.DOTALL
)
_JAPANESE: Final = re.compile("[\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f々〆]+")
_LATIN: Final = re.compile("[A-Za-z\u00c0-\u024f]+")
_JAPANESE_SHARE: Final = 0.2
_LETTERS_PER_KANJI: Final = 2
_ENOUGH: Final = 8
_CHARS_READ: Final = 20_000


def language_of(text: str, default: str | None = None) -> str:
    """Return `ja` or `en`; `default`, where given, for a text with next to no prose outside code, tags and links."""
    prose = _NOT_PROSE.sub(" ", text[:_CHARS_READ])
    japanese = _LETTERS_PER_KANJI * _count(_JAPANESE, prose)
    letters = japanese + _count(_LATIN, prose)
    if default is not None and letters < _ENOUGH:
        return default
    return "ja" if letters and japanese / letters >= _JAPANESE_SHARE else "en"


def _count(letters: re.Pattern[str], text: str) -> int:
    return sum(map(len, letters.findall(text)))
