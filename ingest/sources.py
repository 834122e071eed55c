"""The sources as the facade sees them: the job, with what is added over the network checked first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingest.job import SyncJob
from ingest.locations import require_readable
from ingest.soon import SoonSyncs
from shirabe.types import Document, Drift, Source, SourceStatus, SyncReport

__all__ = ["IngestSources"]


class IngestSources:
    """Implements `shirabe.protocols.Sources` over a job; `allowed_roots` are the folders that sources may lie in."""

    def __init__(self, job: SyncJob, allowed_roots: Sequence[Path]) -> None:
        self._job = job
        self._allowed_roots = tuple(allowed_roots)
        self._soon = SoonSyncs(job)

    async def idle(self) -> None:
        """Return when every sync that webhooks asked for is done."""
        await self._soon.idle()

    async def close(self) -> None:
        """End the syncs that webhooks asked for."""
        await self._soon.close()

    async def list(self) -> list[SourceStatus]:
        """Return every source and how it stands."""
        return await self._job.status()

    async def add(self, source: Source) -> None:
        """Configure a source. Raises: InvalidInput, NotFound, Forbidden outside of what may be read."""
        await asyncio.to_thread(require_readable, source, self._allowed_roots)
        await self._job.add(source)

    async def sync(self, source_id: str, *, full: bool = False) -> SyncReport:
        """Bring a source up to date. Raises: NotFound, Overloaded when it is already syncing, Unavailable."""
        return await self._job.sync(source_id, full=full)

    async def notify(self, source_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take a webhook's word that a source changed; the sync follows. Raises: NotFound, InvalidInput, Forbidden."""
        await self._job.take_webhook(source_id, headers, body)
        self._soon.ask(source_id)

    async def drift(self, source_id: str) -> Drift:
        """Compare the index with the source as it is now. Raises: NotFound, Unavailable."""
        return await self._job.drift(source_id)

    async def put(self, document: Document) -> SyncReport:
        """Index one pushed document in place of what its id held. Raises: InvalidInput, Forbidden, Unavailable."""
        return await self._job.put(document)

    async def delete(self, doc_id: str) -> None:
        """Remove one pushed document. Raises: NotFound, Forbidden when a configured source owns it, Unavailable."""
        await self._job.delete(doc_id)
