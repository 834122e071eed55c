"""Putting the parts together: the one place where the command line names concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.chunkers import CHUNKER_VERSION, StructureChunker
from ingest.job import SyncJob
from ingest.sources import IngestSources
from opensearch.store import OpenSearchStore, open_store
from ray_app.client import ModelClient
from shirabe.settings import Settings
from shirabe.tokens import CheckpointTokens


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that read and write share."""

    store: OpenSearchStore
    models: ModelClient
    job: SyncJob
    sources: IngestSources


@asynccontextmanager
async def open_parts(
    settings: Settings, opensearch_url: str, models_url: str, checkpoint: Path
) -> AsyncIterator[Parts]:
    """Connect to the engine and the models, and close them in the end.

    Raises: Unavailable; InvalidInput when the index belongs to another model.
    """
    models = ModelClient(models_url, settings.models.timeout_s)
    try:
        engine = settings.opensearch.model_copy(update={"url": opensearch_url})
        store = await open_store(engine, await models.info(), chunker_version=CHUNKER_VERSION)
        try:
            chunker = StructureChunker(CheckpointTokens(checkpoint), settings.ingest.chunk_tokens)
            job = SyncJob(store, models, chunker, settings)
            try:
                yield Parts(store, models, job, IngestSources(job, settings.ingest.allowed_roots))
            finally:
                await job.close()
        finally:
            await store.close()
    finally:
        await models.close()
