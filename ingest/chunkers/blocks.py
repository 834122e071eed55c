"""What a reader of one format tells of a page: its headings and blocks, with the lines they take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: level 1 is the outermost, its text without markup, its anchor (empty when no anchor can be told)."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level block on lines `first` to `last` (1-based, inclusive).

    `parts` are lines it may be cut before; `head` is how many of a table's first lines are repeated with every part of
    it; `inner` are the blocks that count instead when the block is too large to stay whole.
    """

    kind: str
    first: int
    last: int
    parts: tuple[int, ...] = ()
    heading: Heading | None = None
    head: int = 0
    inner: tuple[Block, ...] = ()
