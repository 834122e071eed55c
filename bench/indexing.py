"""`python -m bench.indexing`: embedding and indexing against embedding alone, on the same chunks.

Embedding alone sends the distinct texts in batches, as many at a time as the write path does: it is the most that the
write path could reach. Embedding and indexing runs a whole sync (chunking, ledger and index included) into a new index,
with an empty cache. The two take turns, so whatever else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from ingest.chunkers import CHUNKER_VERSION, StructureChunker
from ingest.collectors import open_collector
from ingest.collectors.selection import content_digest
from ingest.job import SyncJob
from ingest.locations import guess_kind
from ingest.models import PASSAGE_OUTPUTS
from opensearch.client import asking, build_client
from opensearch.generations import current_name
from opensearch.store import OpenSearchStore, open_store
from ray_app.client import ModelClient
from shirabe.errors import InvalidInput, ShirabeError, Unavailable
from shirabe.protocols import Embedder
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Change, Cursor, Delete, Document, Source, Upsert

TARGET: Final = 0.9
IN_FLIGHT: Final = 2
SOURCE_ID: Final = "bench"


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, the number of their chunks, and the distinct texts that are embedded of them, in order."""

    documents: tuple[Document, ...]
    chunks: int
    texts: tuple[str, ...]


class Held:
    """A `Collector` of documents that are in memory, so that reading them costs nothing."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = {document.path: document for document in documents}

    async def head(self) -> Cursor:
        """Return the only cursor there is."""
        return Cursor("held")

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether a cursor is the only one."""
        return cursor == await self.head()

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return 0 if since == until else len(self._documents)

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield every document, or nothing when the cursors are equal."""
        if since != until:
            for document in self._documents.values():
                yield Upsert(document)

    async def paths(self, at: Cursor) -> Mapping[str, str]:  # noqa: ARG002 (there is one state only)
        """Return every document's path and content hash."""
        return {path: content_digest(document.content) for path, document in self._documents.items()}

    async def get(self, path: str, at: Cursor) -> Change:  # noqa: ARG002 (the same)
        """Return one document, or Delete when it is not there."""
        document = self._documents.get(path)
        return Upsert(document) if document is not None else Delete(path)


async def read_corpus(location: Path, chunker: StructureChunker, settings: Settings, limit: int) -> Corpus:
    """Read documents of a folder, file or bundle until they make `limit` chunks.

    Raises: InvalidInput when there are none, NotFound, Unavailable.
    """
    place = str(location.resolve())
    collector = open_collector(Source(SOURCE_ID, guess_kind(place), place), settings)
    documents: list[Document] = []
    texts: dict[str, None] = {}
    chunks = 0
    async for change in collector.changes(None, await collector.head()):
        if not isinstance(change, Upsert) or chunks >= limit:
            continue
        try:
            [cut] = await chunker.chunk([change.document])
        except InvalidInput:
            continue  # a broken document is not what is measured
        if chunks + len(cut) > limit and documents:
            continue
        documents.append(change.document)
        chunks += len(cut)
        texts.update((chunk.embedded_text, None) for chunk in cut)
    if not texts:
        raise InvalidInput("nothing to index is there", "--corpus")
    return Corpus(tuple(documents), chunks, tuple(texts))


async def embed_only(models: ModelClient, texts: Sequence[str], batch: int) -> float:
    """Return the texts embedded a second."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def embed(part: Sequence[str]) -> None:
        async with slots:
            await models.embed(part, "passage", PASSAGE_OUTPUTS)

    begun = time.perf_counter()
    await asyncio.gather(*(embed(texts[start : start + batch]) for start in range(0, len(texts), batch)))
    return len(texts) / (time.perf_counter() - begun)


async def embed_and_index(models: ModelClient, corpus: Corpus, chunker: StructureChunker, settings: Settings) -> float:
    """Return the texts embedded and indexed a second, in a new index that is deleted afterwards.

    Raises: Unavailable when the sync did other work than what is compared with.
    """
    async with new_index(models, settings) as store:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            fresh = in_folder(settings, Path(folder))
            job = SyncJob(store, models, chunker, fresh, open_source=lambda *_: Held(corpus.documents))
            try:
                await job.add(Source(SOURCE_ID, "markdown", folder))
                begun = time.perf_counter()
                report = await job.sync(SOURCE_ID)
                took_s = time.perf_counter() - begun
            finally:
                await job.close()
    if report.failures or report.chunks != corpus.chunks or report.embedded < len(corpus.texts):
        raise Unavailable(f"the sync is not what was to be measured: {report}")
    return len(corpus.texts) / took_s


def in_folder(settings: Settings, folder: Path) -> Settings:
    """Return settings whose state and embedding cache lie in a folder; in a new one every text is embedded."""
    return settings.model_copy(update={"state_dir": folder, "cache_dir": folder / "cache"})


@asynccontextmanager
async def new_index(models: Embedder, settings: Settings) -> AsyncIterator[OpenSearchStore]:
    """Give a store on an index of its own, and delete the index in the end."""
    engine = settings.opensearch.model_copy(update={"alias": f"bench-{uuid.uuid4().hex[:12]}"})
    client = build_client(engine)
    try:
        store = await open_store(engine, await models.info(), chunker_version=CHUNKER_VERSION)
        try:
            yield store
        finally:
            await store.close()
            name = await current_name(client, engine.alias)
            with asking():
                await client.indices.delete(index=name)
    finally:
        await client.close()


async def run(
    settings: Settings, runtime: Runtime, location: Path, limit: int, rounds: int
) -> tuple[Corpus, list[float], list[float]]:
    """Return the corpus and, by round, the rates of embedding alone and of the whole. Raises: ShirabeError."""
    engine = settings.opensearch.model_copy(update={"url": runtime.opensearch_url})
    settings = settings.model_copy(update={"opensearch": engine})
    batch = settings.ingest.batch_chunks
    chunker = StructureChunker(CheckpointTokens(runtime.checkpoint), settings.ingest.chunk_tokens)
    models = ModelClient(runtime.models_url, settings.models.timeout_s, api_key=settings.models.api_key)
    alone: list[float] = []
    whole: list[float] = []
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            mirrors = settings.model_copy(update={"state_dir": Path(folder)})
            corpus = await read_corpus(location, chunker, mirrors, limit)
        await embed_only(models, corpus.texts[: IN_FLIGHT * batch], batch)  # warms up
        for number in range(rounds):
            for indexes in (False, True) if number % 2 == 0 else (True, False):
                if indexes:
                    whole.append(await embed_and_index(models, corpus, chunker, settings))
                else:
                    alone.append(await embed_only(models, corpus.texts, batch))
    finally:
        await models.close()
    return corpus, alone, whole


def show(corpus: Corpus, alone: Sequence[float], whole: Sequence[float]) -> None:
    """Print both rates and their ratio."""
    size = f"{len(corpus.documents)} documents, {corpus.chunks} chunks, {len(corpus.texts)} distinct"
    table = Table(title=f"{size}; {len(alone)} rounds")
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("of each round", justify="right")
    for what, rates in (("embedding alone", alone), ("embedding and indexing", whole)):
        table.add_row(what, f"{statistics.median(rates):.1f} chunks/s", ", ".join(f"{rate:.1f}" for rate in rates))
    table.add_row("ratio of the medians", f"{ratio(alone, whole):.2f}", f"target: at least {TARGET}")
    Console().print(table)


def ratio(alone: Sequence[float], whole: Sequence[float]) -> float:
    """Return how much of the rate of embedding alone is reached."""
    return statistics.median(whole) / statistics.median(alone)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.indexing", description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("samples"), help="folder, file, or git bundle")
    parser.add_argument("--limit", type=int, default=400, help="chunks at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.limit < 1:
        parser.error("--rounds and --limit: at least 1")
    settings = load_settings()
    try:
        runtime = require_runtime(settings.state_dir)
        corpus, alone, whole = asyncio.run(run(settings, runtime, arguments.corpus, arguments.limit, arguments.rounds))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    show(corpus, alone, whole)
    if arguments.json:
        result = {"alone": alone, "whole": whole, "ratio": ratio(alone, whole), "chunks": corpus.chunks}
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
