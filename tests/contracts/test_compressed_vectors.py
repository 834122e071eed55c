"""Compressed vectors are found and scored as whole ones are, in every compression that the tests' node can do.

`2x`, `8x`, `16x` and `32x` need k-NN's native library: `docs/sizing.md` says how to give the node one.
"""

from __future__ import annotations

import statistics
import uuid
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
import pytest_asyncio
from opensearchpy import AsyncOpenSearch
from real_system import drop

from bench.synthetic import Chunks
from opensearch.generations import answering_generation
from opensearch.store import OpenSearchStore, open_store
from shirabe.settings import IN_LUCENE, Compression, OpenSearchSettings, Settings
from shirabe.types import Embedding, Floats, ModelInfo, Query

COMPRESSIONS = ("2x", "4x", "8x", "16x", "32x")
WIDE = 1_024
MANY = 2_100
"""So many wide vectors are more than the engine compares one by one, whatever the filter leaves."""


def tolerance(compression: Compression) -> float:
    """Return how far a score may lie from the exact one: halves are taken as they are, the rest is scored anew."""
    return 1e-3 if compression == "2x" else 1e-5


@pytest.fixture
def compression(request: pytest.FixtureRequest, settings: Settings) -> Compression:
    chosen: Compression = request.param
    native = any(option.startswith("-Djava.library.path=") for option in settings.opensearch.java_options)
    if chosen not in IN_LUCENE and not native:
        pytest.skip("the tests' node has no native library of k-NN")
    return chosen


@pytest_asyncio.fixture
async def engine(opensearch_url: str, compression: Compression) -> AsyncIterator[OpenSearchSettings]:
    alias = f"compressed-{uuid.uuid4().hex[:12]}"
    yield OpenSearchSettings(url=opensearch_url, alias=alias, compression=compression, timeout_s=60.0)
    await drop(opensearch_url, alias)


async def written(engine: OpenSearchSettings, chunks: Chunks, vectors: Floats) -> OpenSearchStore:
    """Return a store with as many chunks as vectors; close it."""
    store = await open_store(engine, ModelInfo("test-model", "1", vectors.shape[1], 512))
    records = list(chunks.records(0, len(vectors)))
    for start in range(0, len(records), 500):
        await store.write(records[start : start + 500], [], 1)
    await store.refresh()
    return store


async def nearest(store: OpenSearchStore, vector: Floats, count: int) -> tuple[list[str], list[float]]:
    hits = (await store.legs(Query(""), ["dense"], Embedding(dense=vector), 100))["dense"][:count]
    return [hit.chunk_id for hit in hits], [hit.score for hit in hits]


def best(scores: Floats, count: int) -> Sequence[int]:
    return [int(at) for at in np.argsort(-scores)[:count]]


@pytest.mark.parametrize("compression", COMPRESSIONS, indirect=True)
async def test_vectors_over_several_shards_are_scored_as_they_were(
    engine: OpenSearchSettings, compression: Compression
) -> None:
    chunks = Chunks(16, 60)
    vectors = np.stack([chunks.vector(number) for number in range(60)])
    store = await written(engine.model_copy(update={"shards": 2}), chunks, vectors)
    near = tolerance(compression)
    try:
        exact = vectors @ vectors[7]
        ids, scores = await nearest(store, vectors[7], 10)
        assert ids == [chunks.chunk_id(at) for at in best(exact, 10)]
        assert scores == pytest.approx(np.sort(exact)[::-1][:10].tolist(), abs=near)
        names = [chunks.chunk_id(number) for number in range(60)]
        among = await store.scores(names, Query(""), Embedding(dense=vectors[7]))
        assert [among["dense"][name] for name in names] == pytest.approx(exact.tolist(), abs=near)
        async with AsyncOpenSearch(hosts=[engine.url]) as client:
            assert (await answering_generation(client, engine.alias)).meta["compression"] == compression
            shards = await client.cat.shards(index=await store.generation(), format="json")
            assert [shard["prirep"] for shard in shards] == ["p", "p"]
    finally:
        await store.close()


@pytest.mark.parametrize("compression", COMPRESSIONS, indirect=True)
async def test_the_graph_finds_the_nearest_until_they_are_deleted(
    engine: OpenSearchSettings, compression: Compression
) -> None:
    chunks = Chunks(WIDE, MANY)
    vectors = np.stack([chunks.vector(number) for number in range(MANY)])
    store = await written(engine, chunks, vectors)
    try:
        async with AsyncOpenSearch(hosts=[engine.url], timeout=60) as client:
            await client.indices.forcemerge(index=await store.generation(), params={"max_num_segments": 1})
        await store.refresh()
        kept = []
        for number in range(20):
            exact = vectors @ vectors[number]
            ids, scores = await nearest(store, vectors[number], 10)
            kept.append(len({chunks.chunk_id(at) for at in best(exact, 10)} & set(ids)) / 10)
            assert scores[0] == pytest.approx(1.0, abs=tolerance(compression))
        assert statistics.mean(kept) > 0.95
        await store.write([], [chunks.chunk_id(0)], 2)
        await store.refresh()
        assert chunks.chunk_id(0) not in (await nearest(store, vectors[0], 100))[0]
    finally:
        await store.close()
