"""Text out of descriptions into which their authors mixed HTML."""

from __future__ import annotations

import re
from typing import Final

_INLINE: Final = frozenset(
    {"a", "abbr", "b", "bdi", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "rp", "rt", "ruby", "s", "samp"}
    | {"small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr"}
)
_BLANKS: Final = re.compile(r"[ \t\r\f\v]*\n[\s]*")
_SPACES: Final = re.compile(r"[ \t\r\f\v]+")
_TAG: Final = re.compile(
    r"</?(?:a|abbr|b|blockquote|br|code|dd|del|details|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|kbd|li|ol|p|pre|s|small|span"
    r"|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul)(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)


def strip_tags(text: str) -> str:
    """Return a description without the HTML tags that authors mix into it; `<order_id>` and the like stay."""
    return _tidy(_TAG.sub(lambda tag: " " if tag[0][1:].strip("/> ").split(" ")[0].lower() in _INLINE else "\n", text))


def _tidy(text: str) -> str:
    return _BLANKS.sub("\n", _SPACES.sub(" ", text)).strip()
