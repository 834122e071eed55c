"""The metadata block that static site generators put before a page: YAML between `---`, TOML between `+++`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

_BLOCK: Final = re.compile(r"\A(---|\+\+\+)[ \t]*\n(.*?)^\1[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_MAX_CHARS: Final = 100_000
_MAX_NODES: Final = 10_000
_SEARCHED: Final = ("tags", "keywords", "categories", "category", "aliases", "description", "summary")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A page's metadata, and how many lines it takes, fences included (0: there is none)."""

    values: Mapping[str, Any]
    lines: int

    @property
    def title(self) -> str:
        """The title, or the empty string."""
        return _words(self.values.get("title")) or _words(self.values.get("linkTitle"))

    @property
    def searched(self) -> str:
        """What else a reader would search for, one line."""
        found = (_words(self.values.get(name)) for name in _SEARCHED)
        return " · ".join(dict.fromkeys(words for words in found if words and not words.startswith("/")))


def read_front_matter(text: str, place: str) -> FrontMatter:
    """Return the front matter of a page; a block that is no mapping is ordinary text."""
    match = _BLOCK.match(text[:_MAX_CHARS])
    if match is None:
        return FrontMatter({}, 0)
    try:
        values = tomllib.loads(match[2]) if match[1] == "+++" else load_yaml(match[2], place, max_nodes=_MAX_NODES)
    except (InvalidInput, tomllib.TOMLDecodeError, RecursionError):
        # Two rules with text between them look like front matter; the page is worth more than its metadata.
        return FrontMatter({}, 0)
    if not isinstance(values, dict):
        return FrontMatter({}, 0)
    return FrontMatter(values, match[0].count("\n") + (not match[0].endswith("\n")))


def _words(value: object) -> str:
    """Return a scalar or a list of scalars as one line."""
    items = value if isinstance(value, list) else [value]
    return ", ".join(
        " ".join(str(item).split()) for item in items if isinstance(item, str | int | float) and item != ""
    )
