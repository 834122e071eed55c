"""`python -m bench.compression`: what each compression of the dense vectors keeps, on disk and in memory, and finds.

One index for each compression, merged into one segment, without the other legs; all take turns question by question.
At a cluster (`opensearch.url`) every compression, on an engine of its own those that the embedded node has. Chunks are
made up, or with `--corpus` and `--queries` those of real documents, which the bundled model embeds here.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, get_args

from opensearchpy import AsyncOpenSearch
from rich.console import Console
from rich.table import Table

from bench.indexing import new_index
from bench.loads import Load, embedded, made_up
from bench.node import named_engine
from bench.scale import DIM, StubEmbedder
from bench.search import Answer, take_turns
from bench.store import DEPTH, fill, merged, recall
from bench.synthetic import Asked
from opensearch.client import asking, build_client
from opensearch.store import OpenSearchStore
from shirabe.errors import ShirabeError
from shirabe.settings import IN_LUCENE, Compression, Settings, load_settings

FOUND: Final = (10, DEPTH)
"""The first page, and all that fusion reads."""
_TIMEOUT_S: Final = 3_600.0
_WHOLE: Final = "vec"
"""The files of whole vectors, which a search of compressed ones reads only to score what it has found."""

Figures = dict[str, Any]


async def vector_files(client: AsyncOpenSearch, index: str) -> dict[str, int]:
    """Return the bytes of an index's vectors by kind of file: Lucene's begin with `ve`, the others are k-NN's."""
    with asking():
        answer = await client.indices.stats(
            index=index, metric="segments", params={"include_segment_file_sizes": "true"}
        )
    sizes = answer["indices"][index]["primaries"]["segments"]["file_sizes"]
    return {
        kind: size["size_in_bytes"] for kind, size in sorted(sizes.items()) if kind.startswith(("ve", "faiss", "osknn"))
    }


def searched_bytes(compression: Compression, files: Mapping[str, int]) -> int:
    """Return what has to be in memory for a fast search: the files that it maps."""
    return sum(size for kind, size in files.items() if compression == "1x" or kind != _WHOLE)


async def measure(settings: Settings, load: Load, compressions: Sequence[Compression], rounds: int) -> list[Figures]:
    """Write every index, then ask them in turns. Raises: ShirabeError."""
    async with AsyncExitStack() as stack:
        client = build_client(settings.opensearch.model_copy(update={"timeout_s": _TIMEOUT_S}))
        stack.push_async_callback(client.close)
        rows: dict[str, Figures] = {}
        ways: dict[str, Callable[[Asked], Awaitable[Answer]]] = {}
        for compression in compressions:
            engine = settings.opensearch.model_copy(update={"compression": compression})
            shaped = settings.model_copy(update={"opensearch": engine})
            store = await stack.enter_async_context(new_index(StubEmbedder(), shaped))
            records = load.records()
            # In two parts, so that there is something to merge: what was flushed at once hides the sizes of its files.
            took_s = await fill(store, itertools.islice(records, len(load.ids) // 2)) + await fill(store, records)
            index = await store.generation()
            await merged(client, index)
            files = await vector_files(client, index)
            found = await recall(store, load.ids, load.vectors, load.questions, FOUND)
            ways[compression] = _dense_leg(store)
            rows[compression] = {
                "compression": compression,
                "ms_per_chunk_added": 1_000.0 * took_s / len(load.ids),
                "files": {kind: size / len(load.ids) for kind, size in files.items()},
                "disk_bytes": sum(files.values()) / len(load.ids),
                "memory_bytes": searched_bytes(compression, files) / len(load.ids),
                "recall": found,
            }
        times = await take_turns(ways, load.questions, rounds)
        return [
            row | {"p50_ms": times[name].quantile(50), "p95_ms": times[name].quantile(95)} for name, row in rows.items()
        ]


def _dense_leg(store: OpenSearchStore) -> Callable[[Asked], Awaitable[Answer]]:
    return lambda one: store.legs(one.query, ["dense"], one.embedding, DEPTH)


def show(load: Load, rows: Sequence[Figures]) -> None:
    """Print the figures as a table."""
    chunks, dim = load.vectors.shape
    table = Table(title=f"{chunks:,} chunks, {dim} dimensions, {len(load.questions)} questions; bytes of one chunk")
    recalls = [f"recall@{count}" for count in FOUND]
    for heading in ("compression", "disk", "files", "memory", *recalls, "p50 ms", "p95 ms", "ms a chunk added"):
        table.add_column(heading, justify="left" if heading in ("compression", "files") else "right")
    for row in rows:
        files = ", ".join(f"{kind} {size:,.0f}" for kind, size in row["files"].items() if size >= 1)
        table.add_row(
            row["compression"], f"{row['disk_bytes']:,.0f}", files, f"{row['memory_bytes']:,.0f}",
            *(f"{row['recall'][count]:.3f}" for count in FOUND), f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}",
            f"{row['ms_per_chunk_added']:.2f}",
        )  # fmt: skip
    Console(width=160).print(table)


async def run(settings: Settings, arguments: argparse.Namespace) -> list[Figures]:
    """Measure, and print the table. Raises: ShirabeError."""
    compressions = arguments.of or (get_args(Compression) if settings.opensearch.url is not None else IN_LUCENE)
    corpus, queries = arguments.corpus, arguments.queries
    load = await embedded(settings, corpus, queries) if corpus else made_up(DIM, arguments.chunks)
    async with named_engine(settings) as with_engine:
        rows = await measure(with_engine, load, compressions, arguments.rounds)
    show(load, rows)
    return rows


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.compression", description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=10_000, help="made-up chunks")
    parser.add_argument("--corpus", type=Path, nargs="+", help="folders, files or bundles, instead of made-up chunks")
    parser.add_argument("--queries", type=Path, help="judged questions to ask of the corpus")
    parser.add_argument("--of", nargs="+", choices=get_args(Compression), help="compressions; default: all there are")
    parser.add_argument("--rounds", type=int, default=3, help="after one to warm up")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if (arguments.corpus is None) != (arguments.queries is None):
        parser.error("--corpus and --queries: both or neither")
    try:
        rows = asyncio.run(run(load_settings(), arguments))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
