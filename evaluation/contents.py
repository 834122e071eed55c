"""What two index generations hold: counts by source, and what one has and the other has not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from shirabe.types import Saved

SHOWN: Final = 20


class Held(Protocol):
    """The part of a store that is compared."""

    async def refresh(self) -> None:
        """Make everything written so far visible."""

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Return source -> (documents, chunks)."""

    async def chunk_hashes(self, source_id: str) -> dict[str, str]:
        """Return chunk id -> content hash of a source."""

    async def saved(self, chunk_ids: Sequence[str]) -> list[Saved]:
        """Return what is stored under these ids now."""


@dataclass(frozen=True, slots=True)
class SourceContents:
    """One source in both: (documents, chunks), and how many ids one of them lacks or holds otherwise.

    Ids are those of chunks; of documents where the two are cut otherwise. A few of each are in the lists.
    """

    answering: tuple[int, int]
    candidate: tuple[int, int]
    missing: int
    extra: int
    altered: int
    missing_ids: tuple[str, ...]
    extra_ids: tuple[str, ...]


async def compare_contents(
    answering: Held,
    candidate: Held,
    sources: Collection[str],
    still: Callable[[str], AbstractAsyncContextManager[None]],
    *,
    chunks: bool,
) -> dict[str, SourceContents]:
    """Compare two generations, source by source; with `chunks` by chunk, else by document.

    `still` holds a source as it is: in it, what is written meanwhile is told from a difference.
    """
    await answering.refresh()
    await candidate.refresh()
    counts = await answering.counts(), await candidate.counts()
    found: dict[str, SourceContents] = {}
    for name in sorted({*sources, *counts[0], *counts[1]}):
        one, other = await answering.chunk_hashes(name), await candidate.chunk_hashes(name)
        doubtful = sorted({*(one.items() ^ other.items())})
        if doubtful:
            async with still(name):
                ids = sorted({chunk_id for chunk_id, _ in doubtful})
                one, other = await _again(answering, one, ids), await _again(candidate, other, ids)
        if not chunks:
            one, other = _documents(one), _documents(other)
        missing, extra = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
        found[name] = SourceContents(
            answering=counts[0].get(name, (0, 0)),
            candidate=counts[1].get(name, (0, 0)),
            missing=len(missing),
            extra=len(extra),
            altered=sum(one[each] != other[each] for each in one.keys() & other.keys()),
            missing_ids=tuple(missing[:SHOWN]),
            extra_ids=tuple(extra[:SHOWN]),
        )
    return found


async def _again(store: Held, held: Mapping[str, str], doubtful: Sequence[str]) -> dict[str, str]:
    now = {row.chunk.chunk_id: row.chunk.content_hash for row in await store.saved(doubtful)}
    settled = held.keys() - set(doubtful)
    return {name: held[name] for name in settled} | now


def _documents(held: Mapping[str, str]) -> dict[str, str]:
    return {name.rpartition("-")[0]: "" for name in held}
