"""Putting the parts together: the one place where the command line names concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.backfill import RayWriter, connected
from ingest.cache import EMBEDDINGS_FILE
from ingest.chunkers import CHUNKER_VERSION, StructureChunker
from ingest.cluster_stages import Tools
from ingest.job import SyncJob
from ingest.sources import IngestSources
from opensearch.activity_log import OpenSearchActivityLog, open_activity_log
from opensearch.store import OpenSearchStore, open_store
from ray_app.client import ModelClient
from shirabe.errors import InvalidInput
from shirabe.runtime import Runtime
from shirabe.settings import Settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import ModelInfo


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that read and write share."""

    store: OpenSearchStore
    models: ModelClient
    job: SyncJob
    sources: IngestSources
    activity: OpenSearchActivityLog


@asynccontextmanager
async def open_parts(
    settings: Settings, opensearch_url: str, models_url: str, checkpoint: Path
) -> AsyncIterator[Parts]:
    """Connect to the engine and the models, and close them in the end.

    Raises: Unavailable; InvalidInput when the index belongs to another model.
    """
    models = ModelClient(models_url, settings.models.timeout_s, api_key=settings.models.api_key)
    try:
        engine = settings.opensearch.model_copy(update={"url": opensearch_url})
        store = await open_store(engine, await models.info(), chunker_version=CHUNKER_VERSION)
        try:
            chunker = open_chunker(checkpoint, settings.ingest.chunk_tokens)
            activity = open_activity_log(engine, settings.log)
            job = SyncJob(store, models, chunker, settings, activity=activity)
            sources = IngestSources(job, settings.ingest.allowed_roots)
            try:
                yield Parts(store, models, job, sources, activity)
            finally:
                await sources.close()
                await job.close()
                await activity.close()
        finally:
            await store.close()
    finally:
        await models.close()


def open_chunker(checkpoint: Path, chunk_tokens: int) -> StructureChunker:
    """Return the chunker that counts in a checkpoint's tokens. Raises: NotFound."""
    return StructureChunker(CheckpointTokens(checkpoint), chunk_tokens)


def backfill_tools(
    settings: Settings, opensearch_url: str, models_url: str, checkpoint: Path, model: ModelInfo
) -> Tools:
    """Return how the workers of a backfill make the parts that `open_parts` makes here."""
    engine = settings.opensearch.model_copy(update={"url": opensearch_url})
    return Tools(
        chunker=partial(open_chunker, checkpoint, settings.ingest.chunk_tokens),
        embedder=partial(ModelClient, models_url, settings.models.timeout_s, api_key=settings.models.api_key),
        store=partial(open_store, engine, model, chunker_version=CHUNKER_VERSION),
        model=model,
        cache=settings.cache_dir / EMBEDDINGS_FILE,
        batch_chunks=settings.ingest.batch_chunks,
    )


@contextmanager
def open_backfill(settings: Settings, runtime: Runtime, model: ModelInfo) -> Iterator[RayWriter]:
    """Connect to the Ray cluster of backfills, and give the writer that runs there.

    Raises: InvalidInput when none is known, Unavailable.
    """
    own = settings.ingest.ray_address
    address = own or runtime.ray_address
    if address is None:
        raise InvalidInput("no Ray cluster is known here", "ingest.ray_address")
    models_url = settings.models.url or runtime.models_url
    tools = backfill_tools(settings, runtime.opensearch_url, models_url, runtime.checkpoint, model)
    with connected(address, None if own else runtime.token_path):
        yield RayWriter(tools)
