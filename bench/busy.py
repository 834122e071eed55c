"""Another source that is embedded and indexed meanwhile, for benchmarks of what its users feel."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bench.indexing import in_folder
from ingest.job import SyncJob
from ingest.locations import guess_kind
from ingest.writing import Progress
from shirabe.protocols import Chunker, Embedder, Store
from shirabe.settings import Settings
from shirabe.types import Acl, Source


def fresh_job(store: Store, models: Embedder, chunker: Chunker, settings: Settings, folder: Path) -> SyncJob:
    """Return a job into a store whose state and embedding cache lie in a folder."""
    return SyncJob(store, models, chunker, in_folder(settings, folder))


@asynccontextmanager
async def ingesting(open_job: Callable[[Path], SyncJob], location: Path) -> AsyncIterator[None]:
    """Index a source under one name after another, from its first embedded chunk on until the end.

    open_job: gives a job whose state and cache lie in a folder, which is new each time: every text is embedded.
    Raises: what ended the indexing, when it ended by itself.
    """
    embedding = asyncio.Event()

    async def again_and_again() -> None:
        while True:
            await _once(open_job, str(location.resolve()), embedding)

    load = asyncio.create_task(again_and_again())
    begun = asyncio.create_task(embedding.wait())
    try:
        await asyncio.wait((load, begun), return_when=asyncio.FIRST_COMPLETED)
        _still_on(load)
        yield
        _still_on(load)
    finally:
        for task in (begun, load):
            task.cancel()
        await asyncio.gather(begun, load, return_exceptions=True)


async def _once(open_job: Callable[[Path], SyncJob], place: str, embedding: asyncio.Event) -> None:
    def note(progress: Progress) -> None:
        if progress.embedded:
            embedding.set()

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        job = open_job(Path(folder))
        name = f"busy{uuid.uuid4().hex[:8]}"
        try:
            await job.add(Source(name, guess_kind(place), place, Acl()))
            await job.sync(name, progress=note)
        finally:
            await job.close()


def _still_on(load: asyncio.Task[None]) -> None:
    if load.done():
        load.result()
