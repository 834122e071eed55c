"""What the chunkers of one kind of document hand to the dispatcher: chunks without identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SEPARATOR: Final = " › "


@dataclass(frozen=True, slots=True)
class Draft:
    """One chunk before it has an ordinal; `lang` None: told from the text."""

    kind: str
    text: str
    context: str
    locator: str
    headings: tuple[str, ...] = ()
    lang: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drafts:
    """A document's title, as the document itself gives it, and its chunks in order."""

    title: str
    chunks: tuple[Draft, ...]


def trail(*names: str) -> str:
    """Return a context line: the names that are not empty, outermost first, a name equal to the one before left out."""
    kept: list[str] = []
    for name in names:
        line = " ".join(name.split())
        if line and (not kept or kept[-1] != line):
            kept.append(line)
    return SEPARATOR.join(kept)
