"""`python -m bench.store`: what the index costs to write, to keep and to ask.

- Writing: our bulks (Smile) against `opensearch-py`'s `async_bulk` helper with vectors as JSON arrays, in turns, each
  into an index of its own, both one request at a time.
- Keeping: bytes of a chunk after a merge, and of each field, by leaving it out; of code, what exact search adds.
- Asking, at each size: recall of the dense leg against exact search, p50 and p95 of each leg alone, of all three in one
  `_msearch`, and of the engine's `hybrid` query with RRF.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from opensearchpy import AsyncOpenSearch, helpers
from rich.console import Console
from rich.table import Table

from bench.code_fields import code_fields
from bench.indexing import new_index
from bench.node import named_engine
from bench.scale import DIM, StubEmbedder
from bench.search import Answer, rrf_pipeline, take_turns
from bench.synthetic import Asked, Chunks
from opensearch.client import asking, build_client
from opensearch.documents import document_of
from opensearch.queries import IDS_ONLY, leg_bodies
from opensearch.store import OpenSearchStore
from shirabe.legs import LEGS
from shirabe.settings import Settings, load_settings
from shirabe.types import Embedding, Floats, Record

SIZES: Final = (10_000, 100_000)
DEPTH: Final = 100
OURS: Final = "ours"
PEER: Final = "async_bulk, JSON"
THREE: Final = "three legs, one _msearch"
HYBRID: Final = "the engine's hybrid, RRF"
_QUESTIONS: Final = 40
_FOUND: Final = 10
_BATCH: Final = 500
_WRITERS: Final = 2
_WARM_ROUNDS: Final = 60
"""Of all questions: before the engine's code is compiled, each way takes two to three times as long."""
_ASKING_ROUNDS: Final = 25
_MERGE_TIMEOUT_S: Final = 3_600.0
PARTS: Final[Mapping[str, Callable[[Record], Record]]] = {
    "dense": lambda record: _without(record, dense=None),
    "sparse": lambda record: _without(record, sparse=None),
    "late": lambda record: _without(record, bits=None),
}

Figures = dict[str, Any]


def _without(record: Record, **parts: None) -> Record:
    return dataclasses.replace(record, embedding=dataclasses.replace(record.embedding, **parts))


async def write_ours(store: OpenSearchStore, records: Sequence[Record]) -> None:
    """Write as the ingest job does, one request at a time."""
    for batch in _batches(records):
        await store.write(batch, [], 1)


async def write_peer(client: AsyncOpenSearch, index: str, records: Sequence[Record]) -> None:
    """Write with the client library's helper, vectors as lists of numbers."""
    actions = (
        {"_op_type": "index", "_index": index, "_id": record.chunk.chunk_id, **_listed(document_of(record))}
        for record in records
    )
    await helpers.async_bulk(client, actions, chunk_size=_BATCH, max_chunk_bytes=1_000_000)


def _listed(document: Mapping[str, Any]) -> dict[str, Any]:
    sparse = {name: float(weight) for name, weight in document["sparse"].items()}
    return {**document, "dense": document["dense"].tolist(), "sparse": sparse}


async def writing(client: AsyncOpenSearch, settings: Settings, records: Sequence[Record], rounds: int) -> Figures:
    """Return both sides' chunks a second by round, after one round that warms up."""
    rates: dict[str, list[float]] = {OURS: [], PEER: []}
    for number in range(rounds + 1):
        for name in (OURS, PEER) if number % 2 else (PEER, OURS):
            async with new_index(StubEmbedder(), settings) as store:
                index = await store.generation()
                begun = time.perf_counter()
                await (write_ours(store, records) if name == OURS else write_peer(client, index, records))
                if number:
                    rates[name].append(len(records) / (time.perf_counter() - begun))
    return {name: {"chunks_per_s": values, "median": statistics.median(values)} for name, values in rates.items()}


async def keeping(client: AsyncOpenSearch, settings: Settings, records: Sequence[Record]) -> dict[str, float]:
    """Return the bytes of a merged chunk: of all of it, and of each field by leaving it out."""
    whole = await _size(client, settings, records)
    sizes = {"whole": whole}
    for name, part in PARTS.items():
        sizes[name] = whole - await _size(client, settings, [part(record) for record in records])
    bare = [dataclasses.replace(record, embedding=Embedding()) for record in records]
    sizes["text, its analyses and the rest"] = await _size(client, settings, bare)
    return {name: size / len(records) for name, size in sizes.items()}


async def _size(client: AsyncOpenSearch, settings: Settings, records: Sequence[Record]) -> float:
    async with new_index(StubEmbedder(), settings) as store:
        await write_ours(store, records)
        return await merged(client, await store.generation())


async def merged(client: AsyncOpenSearch, index: str) -> float:
    """Merge an index into one segment, and return its bytes."""
    with asking():
        await client.indices.forcemerge(
            index=index, params={"max_num_segments": 1, "request_timeout": _MERGE_TIMEOUT_S}
        )
        # What was merged away is gone when nobody can search it any more.
        await client.indices.flush(index=index)
        await client.indices.refresh(index=index)
        # Not the index's statistics: they are some seconds old.
        segments = await client.cat.segments(index=index, params={"format": "json", "bytes": "b", "h": "size"})
    return float(sum(int(row["size"]) for row in segments))


async def fill(store: OpenSearchStore, records: Iterable[Record]) -> float:
    """Write with several requests at a time, and return the seconds it took."""
    batches = _batches(records)
    begun = time.perf_counter()

    async def work() -> None:
        for batch in batches:
            await store.write(batch, [], 1)

    await asyncio.gather(*(work() for _ in range(_WRITERS)))
    await store.refresh()
    return time.perf_counter() - begun


async def asked(
    client: AsyncOpenSearch, store: OpenSearchStore, questions: Sequence[Asked], settings: Settings, *, warm: bool
) -> Figures:
    """Return p50 and p95, milliseconds, of each way to ask an engine; all take turns question by question.

    warm: it has answered before.
    """
    index = await store.generation()
    async with rrf_pipeline(client, settings.search.weights) as pipeline:

        async def hybrid(one: Asked) -> Answer:
            legs = leg_bodies(one.query, LEGS, one.embedding, DEPTH)
            clause = {"hybrid": {"queries": [legs[leg]["query"] for leg in LEGS], "pagination_depth": DEPTH}}
            body = {"query": clause, "size": DEPTH, **IDS_ONLY}
            with asking():
                answer: Answer = await client.search(index=index, body=body, params={"search_pipeline": pipeline})
            return answer

        def legs(*names: str) -> Callable[[Asked], Awaitable[Answer]]:
            return lambda one: store.legs(one.query, names, one.embedding, DEPTH)

        ways: dict[str, Callable[[Asked], Awaitable[Answer]]] = {
            **{leg: legs(leg) for leg in LEGS},
            THREE: legs(*LEGS),
            HYBRID: hybrid,
        }
        if not warm:
            await take_turns(ways, questions, _WARM_ROUNDS)
        times = await take_turns(ways, questions, _ASKING_ROUNDS)
    return {name: {"p50_ms": way.quantile(50), "p95_ms": way.quantile(95)} for name, way in times.items()}


async def recall(
    store: OpenSearchStore, ids: Sequence[str], vectors: Floats, questions: Sequence[Asked], counts: Sequence[int]
) -> dict[int, float]:
    """Return how many of the nearest of exact search are among as many first ones of the dense leg, by how many.

    vectors: float32 (chunks, dim), those of `ids`.
    """
    kept: dict[int, list[float]] = {count: [] for count in counts}
    for one in questions:
        if one.embedding.dense is None:
            raise AssertionError("a question has a dense vector")
        exact = [ids[int(at)] for at in np.argsort(-(vectors @ one.embedding.dense))[:DEPTH]]
        found = [hit.chunk_id for hit in (await store.legs(one.query, ["dense"], one.embedding, DEPTH))["dense"]]
        for count, shares in kept.items():
            shares.append(len(set(exact[:count]) & set(found[:count])) / count)
    return {count: statistics.mean(shares) for count, shares in kept.items()}


async def run(settings: Settings, dim: int, sizes: Sequence[int], rounds: int, few: int) -> Figures:
    """Measure everything. Raises: ShirabeError."""
    chunks = Chunks(dim, max(sizes))
    async with named_engine(settings) as with_engine:
        client = build_client(with_engine.opensearch.model_copy(update={"timeout_s": _MERGE_TIMEOUT_S}))
        try:
            records = list(chunks.records(0, few))
            return {
                "writing": await writing(client, with_engine, records, rounds),
                "keeping": await keeping(client, with_engine, records),
                "code": await code_fields(client, with_engine, merged),
                "asking": await asking_at(client, with_engine, chunks, sizes),
            }
        finally:
            await client.close()


async def asking_at(client: AsyncOpenSearch, settings: Settings, chunks: Chunks, sizes: Sequence[int]) -> list[Figures]:
    """Fill one index to each size in turn, and return what it costs to add to, to keep and to ask."""
    rows: list[Figures] = []
    async with new_index(StubEmbedder(), settings) as store:
        held = 0
        for size in sorted(sizes):
            took_s = await fill(store, chunks.records(held, size))
            size_b = await merged(client, await store.generation())
            questions = chunks.questions(_QUESTIONS, size)
            ids = [chunks.chunk_id(number) for number in range(size)]
            vectors = np.stack([chunks.vector(number) for number in range(size)])
            rows.append(
                {
                    "chunks": size,
                    "ms_per_chunk_added": 1_000.0 * took_s / (size - held),
                    "bytes_per_chunk": size_b / size,
                    "recall_at_10": (await recall(store, ids, vectors, questions, [_FOUND]))[_FOUND],
                    "ways": await asked(client, store, questions, settings, warm=bool(rows)),
                }
            )
            held = size
    return rows


def show(figures: Figures) -> None:
    """Print the figures as tables."""
    console = Console()
    writing, keeping = figures["writing"], figures["keeping"]
    table = Table("writing", "chunks/s, median", "of each round")
    for name, side in writing.items():
        table.add_row(name, f"{side['median']:,.0f}", ", ".join(f"{rate:,.0f}" for rate in side["chunks_per_s"]))
    console.print(table)
    console.print(f"ours is {writing[OURS]['median'] / writing[PEER]['median']:.2f} times as fast")
    table = Table("keeping", "bytes a chunk, merged")
    for name, size in keeping.items():
        table.add_row(name, f"{size:,.0f}")
    console.print(table)
    code = figures["code"]
    console.print(
        f"of {code['chunks']:,} chunks of code, without vectors: {code['with']:,.0f} bytes each, "
        f"{code['without']:,.0f} without the fields for exact search"
    )
    for row in figures["asking"]:
        title = f"{row['chunks']:,} chunks: {row['ms_per_chunk_added']:.2f} ms for each added (merge left out), "
        title += f"{row['bytes_per_chunk']:,.0f} bytes each, recall@10 of the dense leg {row['recall_at_10']:.3f}"
        table = Table("asking", "p50 ms", "p95 ms", title=title)
        for name, way in row["ways"].items():
            table.add_row(name, f"{way['p50_ms']:.1f}", f"{way['p95_ms']:.1f}")
        console.print(table)
        slowest = max(row["ways"][leg]["p95_ms"] for leg in LEGS)
        three, hybrid = row["ways"][THREE], row["ways"][HYBRID]
        console.print(
            f"three legs: p95 {three['p95_ms'] / slowest:.2f} of the slowest leg alone, "
            f"p50 {three['p50_ms'] / hybrid['p50_ms']:.2f} of the engine's hybrid"
        )


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch


def main() -> None:
    """Measure at `opensearch.url`, or else against an engine of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--few", type=int, default=4_000, help="chunks of the comparisons of writing and keeping")
    parser.add_argument("--rounds", type=int, default=5, help="of writing, after one to warm up")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    figures = asyncio.run(run(load_settings(), DIM, arguments.sizes, arguments.rounds, arguments.few))
    show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
