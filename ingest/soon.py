"""Syncs that a webhook asked for: in the background, one at a time a source, and once more when told meanwhile."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from ingest.job import SyncJob
from ingest.locks import AlreadySyncing
from shirabe.errors import ShirabeError

_TRIES: Final = 20

_log = structlog.get_logger(__name__)


class SoonSyncs:
    """Runs the syncs of one job; `close` cuts short what still runs, the next sync goes on there."""

    def __init__(self, job: SyncJob) -> None:
        self._job = job
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    def ask(self, source_id: str) -> None:
        """Have a source synced as soon as may be; asking twice before it begins is asking once."""
        if source_id in self._running:
            self._again.add(source_id)
            return
        self._running[source_id] = asyncio.create_task(self._sync(source_id))

    async def idle(self) -> None:
        """Return when nothing that was asked for is left to do."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def close(self) -> None:
        """End what runs."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sync(self, source_id: str) -> None:
        try:
            await self._bring(source_id)
            while source_id in self._again:
                self._again.discard(source_id)
                await self._bring(source_id)
        except ShirabeError as error:
            # Nobody waits for the answer: polling comes to the source later, and the status says how it stands.
            _log.warning("sync_failed", source=source_id, reason=str(error))
        finally:
            self._again.discard(source_id)
            del self._running[source_id]

    async def _bring(self, source_id: str) -> None:
        """Sync, waiting out another process that syncs the same source."""
        for _ in range(_TRIES):
            try:
                await self._job.sync(source_id)
                return
            except AlreadySyncing as error:
                busy = error
                await asyncio.sleep(error.retry_after_s)
        raise busy
