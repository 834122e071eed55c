"""What the words of an issue refer to: what it closes, and files of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

_CLOSES: Final = re.compile(
    r"(?i)\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)\b:?\s{1,3}"
    r"((?:[\w.-]{1,100}(?:/[\w.-]{1,100}){1,5})?#\d{1,10})\b"
)
_FILE: Final = re.compile(
    r"https?://[^\s/()<>\"']{1,253}/([^\s()<>\"'?#]{1,300}?)/(?:-/)?(?:blob|raw)/([^\s()<>\"'?#]{1,600})"
)
_MOST: Final = 200


def closed_by(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what a text says that it closes, as both services understand it: `fixes #12`, `Closes group/name#3`."""
    return _first(match[1] for text in texts for match in _CLOSES.finditer(text))


def files_in(texts: Iterable[str], project: str) -> tuple[str, ...]:
    """Return the files of a project that texts link to; of links to a branch, only those whose name has no slash."""
    found = (match for text in texts for match in _FILE.finditer(text))
    return _first(
        unquote(path)
        for match in found
        if match[1].lower() == project.lower() and (path := match[2].partition("/")[2].rstrip(".,;:"))
    )


def _first(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))[:_MOST]
