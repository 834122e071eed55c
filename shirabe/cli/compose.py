"""Putting the parts together: the one place where the command line names concrete classes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from api.live import AnsweringDocuments, AnsweringEmbedder
from ingest.backfill import RayWriter, connected
from ingest.cache import EMBEDDINGS_FILE
from ingest.chunkers import CHUNKER_VERSION, StructureChunker
from ingest.cluster_stages import CodeTools, Tools
from ingest.job import SyncJob
from ingest.sources import IngestSources
from opensearch.activity_log import OpenSearchActivityLog, open_activity_log
from opensearch.catalogue import Catalogue, open_catalogue
from opensearch.pinned import open_pinned
from opensearch.store import OpenSearchStore
from ray_app.client import ModelClient
from shirabe.cli.code_index import CODE, open_code
from shirabe.cli.live import CHUNK_TOKENS, LiveIndex
from shirabe.cli.model_servers import ModelServers, beside_in
from shirabe.errors import InvalidInput
from shirabe.protocols import Documents
from shirabe.runtime import Runtime
from shirabe.settings import Settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import ModelInfo


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that read and write share. `store` and `embedder` are those of whichever generation answers.

    `documents` shows what is indexed, wherever it lies; `store` is the first index alone.

    `code` has the generations of the code index where one is configured, `code_models_url` a server of its model.
    """

    store: OpenSearchStore
    documents: Documents
    models: ModelClient
    embedder: AnsweringEmbedder
    job: SyncJob
    sources: IngestSources
    activity: OpenSearchActivityLog
    catalogue: Catalogue
    servers: ModelServers
    index: LiveIndex
    code: Catalogue | None = None
    code_models_url: str | None = None

    def catalogue_of(self, *, code: bool) -> Catalogue:
        """Return the generations of the index, or of the code index. Raises: InvalidInput when there is none."""
        if not code:
            return self.catalogue
        if self.code is None:
            raise InvalidInput("no model is configured that embeds code", "models.code.model")
        return self.code


@asynccontextmanager
async def open_parts(
    settings: Settings,
    opensearch_url: str,
    models_url: str,
    checkpoint: Path,
    *,
    beside: Callable[[], Sequence[str]] | None = None,
    code_models_url: str | None = None,
) -> AsyncIterator[Parts]:
    """Connect to the engine and the models, and close them in the end; the first generation is made if there is none.

    `beside` returns where other models are served; by default what a running `shirabe up` says. `code_models_url` is a
    server of the model that embeds code, where one is configured.

    Raises: Unavailable; InvalidInput when no server has the model of a generation that answers.
    """
    models = ModelClient(models_url, settings.models.timeout_s, api_key=settings.models.api_key)
    engine = settings.opensearch.model_copy(update={"url": opensearch_url})
    servers = ModelServers(models, models_url, settings.models, beside or partial(beside_in, settings.state_dir))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(servers.close)
        catalogue = await open_catalogue(engine)
        stack.push_async_callback(catalogue.close)
        facts = {CHUNK_TOKENS: settings.ingest.chunk_tokens}
        generation = await catalogue.ensure(await models.info(), CHUNKER_VERSION, facts)
        await servers.url_of(generation)
        code = await open_code(catalogue, generation, servers, settings, code_models_url)
        chunker = partial(open_chunker, checkpoint)
        index = LiveIndex(catalogue, servers, chunker, settings.ingest.chunk_tokens, code)
        store, embedder = catalogue.to_answering(generation), AnsweringEmbedder(index)
        documents = store if code is None else AnsweringDocuments(index)
        activity = open_activity_log(engine, settings.log)
        stack.push_async_callback(activity.close)
        cut = chunker(settings.ingest.chunk_tokens)
        job = SyncJob(store, embedder, cut, settings, activity=activity, generations=index)
        stack.push_async_callback(job.close)
        sources = IngestSources(job, settings.ingest.allowed_roots)
        stack.push_async_callback(sources.close)
        yield Parts(
            store, documents, models, embedder, job, sources, activity, catalogue, servers, index, code, code_models_url
        )


def open_chunker(checkpoint: Path, chunk_tokens: int) -> StructureChunker:
    """Return the chunker that counts in a checkpoint's tokens. Raises: NotFound."""
    return StructureChunker(CheckpointTokens(checkpoint), chunk_tokens)


def backfill_tools(
    settings: Settings,
    opensearch_url: str,
    models_url: str,
    checkpoint: Path,
    model: ModelInfo,
    chunk_tokens: int | None = None,
    code: tuple[str, ModelInfo] | None = None,
) -> Tools:
    """Return how the workers of a backfill make the parts that `open_parts` makes here.

    `code` is where the model of the code index is served, and which it is; None where code does not lie apart.
    """
    client = partial(ModelClient, timeout_s=settings.models.timeout_s, api_key=settings.models.api_key)
    engine = settings.opensearch.model_copy(update={"url": opensearch_url})
    return Tools(
        chunker=partial(open_chunker, checkpoint, chunk_tokens or settings.ingest.chunk_tokens),
        embedder=partial(client, models_url),
        store=partial(open_pinned, engine, model, code and (CODE, code[1])),
        model=model,
        cache=settings.cache_dir / EMBEDDINGS_FILE,
        batch_chunks=settings.ingest.batch_chunks,
        code=code and CodeTools(partial(client, code[0]), code[1]),
    )


@asynccontextmanager
async def open_backfill(settings: Settings, runtime: Runtime, parts: Parts) -> AsyncIterator[RayWriter]:
    """Connect to the Ray cluster of backfills, and give the writer that runs there.

    Raises: InvalidInput when none is known, Unavailable.
    """
    own = settings.ingest.ray_address
    address = own or runtime.ray_address
    if address is None:
        raise InvalidInput("no Ray cluster is known here", "ingest.ray_address")
    generation = await parts.catalogue.answering()
    models_url = await parts.servers.url_of(generation)
    model = await parts.servers.client(models_url).info()
    chunk_tokens = parts.index.chunk_tokens(generation)
    code = None
    if (apart := await parts.index.code_answering()) is not None:
        code_url = await parts.servers.url_of(apart)
        code = code_url, await parts.servers.client(code_url).info()
    tools = backfill_tools(settings, runtime.opensearch_url, models_url, runtime.checkpoint, model, chunk_tokens, code)
    with connected(address, None if own else runtime.token_path):
        yield RayWriter(tools)
