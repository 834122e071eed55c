"""Text out of bytes, for documents whose encoding nobody declared.

Japanese teams keep UTF-8, Shift_JIS (as Windows writes it: cp932), EUC-JP and ISO-2022-JP side by side. The order of
the trials matters: UTF-8 almost never accepts another encoding by chance, cp932 accepts nearly everything, and EUC-JP
read as cp932 turns into half-width katakana, which is how the two are told apart.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_ESCAPED_JIS = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
_HALF_WIDTH_KATAKANA = re.compile("[\uff61-\uff9f]")
# Python's cp932 maps bytes that Windows leaves undefined to these; real text has none of them.
_UNDEFINED_IN_CP932 = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
_REPLACEMENT = "\ufffd"
_VALID_PER_ERROR = 10


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, the codec that read it, and whether anything was replaced by U+FFFD."""

    text: str
    encoding: str
    lossy: bool


def decode_text(content: bytes) -> Decoded:
    """Return the text of `content`, byte order mark removed; never raises."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
        return Decoded(text, "utf-16", _REPLACEMENT in text)
    if _ESCAPED_JIS.search(content) and (text_or_none := _strict(content, "iso2022_jp")) is not None:
        return Decoded(text_or_none, "iso2022_jp", False)
    if (text_or_none := _strict(content, "utf-8-sig")) is not None:
        return Decoded(text_or_none, "utf-8", False)
    replaced = content.decode("utf-8-sig", "replace")
    if not _is_mostly_utf8(replaced) and (japanese := _japanese(content)) is not None:
        return japanese
    return Decoded(replaced, "utf-8", True)


def _strict(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _is_mostly_utf8(replaced: str) -> bool:
    errors = replaced.count(_REPLACEMENT)
    beyond_ascii = sum(1 for char in replaced if char > "\x7f") - errors
    return beyond_ascii >= _VALID_PER_ERROR * errors


def _japanese(content: bytes) -> Decoded | None:
    windows = _strict(content, "cp932")
    if windows is not None and _UNDEFINED_IN_CP932.search(windows):
        windows = None
    if windows is not None and not _HALF_WIDTH_KATAKANA.search(windows):
        return Decoded(windows, "cp932", False)
    unix = _strict(content, "euc_jp")
    if unix is not None:
        return Decoded(unix, "euc_jp", False)
    return Decoded(windows, "cp932", False) if windows is not None else None
