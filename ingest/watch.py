"""Keeping sources true until stopped: each is looked at when it is due, and at once when told of a change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
import watchfiles

from ingest.job import SyncJob
from ingest.locks import AlreadySyncing
from shirabe.errors import Overloaded, ShirabeError
from shirabe.types import Source, SyncReport

RECHECK_EVERY: Final = timedelta(days=1)
"""How often everything is compared, for what no change told of: deletes and permissions that a service does not say."""
_AT_ONCE: Final = 2
_LONGEST_WAIT_S: Final = 600.0
_SETTLING_MS: Final = 400
_STEP_MS: Final = 50
_GIT_STATE: Final = (("HEAD",), ("packed-refs",), ("refs",))

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one look at a source ended; exactly one of the two is set."""

    source_id: str
    report: SyncReport | None = None
    error: ShirabeError | None = None


class Watch:
    """Looks at sources every `every_s` seconds or as each says, and when its files change."""

    def __init__(self, job: SyncJob, every_s: float, on_outcome: Callable[[Outcome], None]) -> None:
        self._job = job
        self._every_s = every_s
        self._on_outcome = on_outcome
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, sources: Sequence[Source], stop: asyncio.Event) -> None:
        """Return when stopped; a look that is cut short goes on where it was when there is a next one."""
        async with asyncio.TaskGroup() as group:
            tasks = []
            for source in sources:
                told = asyncio.Event()
                tasks.append(group.create_task(self._keep(source, told)))
                if folder := watched_folder(source):
                    tasks.append(group.create_task(_listen(source, folder, told)))
            await stop.wait()
            for task in tasks:
                task.cancel()

    async def _keep(self, source: Source, told: asyncio.Event) -> None:
        wait_s = every_s = source.poll_s or self._every_s
        while True:
            told.clear()
            async with self._turns:
                outcome = await self._look(source.source_id)
            if not isinstance(outcome.error, AlreadySyncing):
                self._on_outcome(outcome)
            # What is wrong stays wrong for a while: each failure in a row doubles the wait.
            wait_s = every_s if outcome.error is None else min(2 * wait_s, max(_LONGEST_WAIT_S, every_s))
            asked_s = outcome.error.retry_after_s if isinstance(outcome.error, Overloaded) else 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), max(wait_s, asked_s))

    async def _look(self, source_id: str) -> Outcome:
        try:
            return Outcome(source_id, await self._job.sync(source_id, recheck=await self._is_due(source_id)))
        except ShirabeError as error:
            return Outcome(source_id, error=error)

    async def _is_due(self, source_id: str) -> bool:
        """Tell whether everything is to be compared again."""
        last = await self._job.compared(source_id)
        return last is not None and datetime.now(UTC) - last > RECHECK_EVERY


def watched_folder(source: Source) -> Path | None:
    """Return the folder whose changes tell of a source's, or None when it does not lie on this machine."""
    place = Path(source.location)
    if not place.is_absolute() or not place.exists():
        return None
    if source.kind == "git" and (place / ".git").is_dir():
        return place / ".git"
    return place if place.is_dir() else place.parent


async def _listen(source: Source, folder: Path, told: asyncio.Event) -> None:
    """Tell of every change under a folder that may be one of the source's."""
    place = Path(source.location)

    def concerns(_: watchfiles.Change, path: str) -> bool:
        if not place.is_dir():
            return Path(path) == place
        within = Path(path).relative_to(folder).parts
        return source.kind != "git" or within[:1] in _GIT_STATE

    try:
        async for _ in watchfiles.awatch(
            folder, watch_filter=concerns, debounce=_SETTLING_MS, step=_STEP_MS, recursive=place.is_dir()
        ):
            told.set()
    except OSError as error:
        # Too many folders for the system's watches, or the folder is gone: polling goes on without events.
        _log.warning("not_watched", source=source.source_id, reason=str(error))
