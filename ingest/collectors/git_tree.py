"""The files of a commit, as `git ls-tree` lists them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from ingest.collectors.git_process import Git

FILES: Final = ("100644", "100755", "100664")
"""The modes of regular files."""
NOTHING: Final = "000000"
"""The mode, in a difference, of what is not there any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree; `size` in bytes, -1 when the listing did not tell."""

    path: str
    mode: str
    blob: str
    size: int = -1


async def tree(git: Git, commit: str, path: str = "") -> AsyncIterator[Entry]:
    """Yield the files of a commit, or the one at a path."""
    only = ("--", f":(literal){path}") if path else ()
    async with git.records("ls-tree", "-r", "-z", "--long", "--full-tree", commit, *only) as records:
        async for record in records:
            facts, _, name = record.partition(b"\t")
            mode, _, blob, size = facts.decode("ascii").split()
            yield Entry(name.decode("utf-8", "replace"), mode, blob, int(size) if size.isdigit() else -1)
