"""Which documents are language versions of one page, told from their paths.

Translated documentation keeps one path per page and one segment or suffix per language: `docs/ja/guide.md`,
`content/en/pod.md`, `guide.ja.md`, `README_ja.md`. What stands before a colon is the branch or tag of a page.
"""

from __future__ import annotations

import re

_TAG = r"(?:ja|en|ja[-_]jp|en[-_](?:us|gb))"
_SEGMENT = re.compile(rf"(?:^|(?<=[/:])){_TAG}/", re.IGNORECASE)
_SUFFIX = re.compile(rf"[._-]{_TAG}(?=\.[A-Za-z0-9]+$)", re.IGNORECASE)


def version_key(source_id: str, path: str) -> str:
    """Return a key shared by exactly the language versions of one page of one source."""
    neutral = _SUFFIX.sub("", _SEGMENT.sub("", path, count=1))
    return f"{source_id}:{neutral}"
