"""What the fields for exact search add to a chunk of code: this repository's own, written with and without them."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from opensearchpy import AsyncOpenSearch

from bench.indexing import new_index, read_corpus
from bench.scale import StubEmbedder
from ingest.chunkers import StructureChunker
from opensearch.bulk import send_actions, upsert_actions
from opensearch.generations import writes_alias
from shirabe.cli.models_process import ensure_checkpoint
from shirabe.definitions import is_code
from shirabe.settings import Settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Embedding, Record

CODE: Final = Path("api"), Path("ingest"), Path("opensearch"), Path("shirabe")
_BATCH: Final = 500

Merged = Callable[[AsyncOpenSearch, str], Awaitable[float]]


async def own_code(settings: Settings) -> list[Record]:
    """Return this repository's code in chunks, without embeddings. Raises: Unavailable, Timeout."""
    chunker = StructureChunker(CheckpointTokens(await ensure_checkpoint(settings)), settings.ingest.chunk_tokens)
    records = []
    for folder in CODE:
        corpus = await read_corpus(folder, chunker, settings, 1_000_000)
        for document, chunks in zip(corpus.documents, await chunker.chunk(corpus.documents), strict=True):
            records += [Record(document, chunk, Embedding()) for chunk in chunks if is_code(chunk)]
    return records


async def code_fields(client: AsyncOpenSearch, settings: Settings, merged: Merged) -> dict[str, float]:
    """Return the bytes of a merged chunk of code with the fields for exact search, and without them."""
    records = await own_code(settings)
    sizes: dict[str, float] = {"chunks": len(records)}
    for name, exact in (("with", True), ("without", False)):
        async with new_index(StubEmbedder(), settings) as store:
            index = await store.generation()
            for batch in _batches(records):
                await send_actions(client, writes_alias(index), upsert_actions(batch, 1, exact=exact))
            sizes[name] = await merged(client, index) / len(records)
    return sizes


def _batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
