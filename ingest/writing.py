"""How a run's work is brought into the store, and how far it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from ingest.plan import Work
from ingest.run import Run


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is: `documents` done of `total`; chunks written; texts embedded, and taken from the cache."""

    documents: int
    total: int
    chunks: int
    embedded: int
    cached: int


class Writer(Protocol):
    """Brings a run's work into the store and settles it in the ledger: in this process, or on a cluster."""

    async def __call__(self, run: Run, works: AsyncIterator[Work], on_progress: Callable[[], None]) -> None:
        """Return when every document is settled or failed. Raises: Unavailable, Overloaded, Timeout."""


async def write_here(run: Run, works: AsyncIterator[Work], on_progress: Callable[[], None]) -> None:
    """Write in this process. Raises: Unavailable, Overloaded, Timeout."""
    await run.write(run.plans(works), on_progress)


@dataclass(frozen=True, slots=True)
class How:
    """What a sync was asked for: everything anew, everything compared, and who is told and who writes."""

    full: bool
    recheck: bool
    progress: Callable[[Progress], None] | None
    writer: Writer
