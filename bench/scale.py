"""`python -m bench.scale`: the write path alone, over a repository of many small documents, without a model.

A git repository of synthetic pages is made by `git fast-import`; the embedder is a stub that gives out ready vectors of
the true shapes. Everything else is real: the mirror, chunking, ledger, embedding cache, and an OpenSearch of its own.
Each size is a process of its own, so that its peak memory is its own; the cost of a document should not grow with their
number.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import subprocess
import tempfile
import time
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.indexing import SOURCE_ID, new_index
from bench.memory import peak_mib
from bench.node import own_engine
from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from shirabe.cli.models_process import ensure_checkpoint
from shirabe.errors import Unavailable
from shirabe.settings import Settings, load_settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Embedding, ModelInfo, Output, Source, TextKind

SIZES: Final = (10_000, 100_000)
DIM: Final = 384
_VECTORS: Final = 512
_TOKENS: Final = 48
_SECTIONS: Final = 3
_WARM_UP: Final = 2_500
_WORDS: Final = (
    "order",
    "stock",
    "refund",
    "受注",
    "在庫",
    "返金",
    "shipping",
    "invoice",
    "倉庫",
    "retry",
    "token",
    "期限",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: counts, wall times in seconds, and the job's peak resident memory in MiB."""

    documents: int
    chunks: int
    first_s: float
    unchanged_s: float
    one_edit_s: float
    peak_mib: float

    @property
    def chunks_per_s(self) -> float:
        """Chunks brought into the index a second by the first sync."""
        return self.chunks / self.first_s


class StubEmbedder:
    """Ready vectors by a text's checksum: the shapes and the entropy of real ones, at no cost."""

    def __init__(self) -> None:
        drawn = np.random.default_rng(0)
        dense = drawn.standard_normal((_VECTORS, DIM)).astype(np.float32)
        dense /= np.linalg.norm(dense, axis=1, keepdims=True)
        self._ready = [
            Embedding(
                dense=dense[number],
                sparse={int(token): float(weight) for token, weight in zip(*_sparse(drawn), strict=True)},
                bits=drawn.integers(0, 256, (_TOKENS, DIM // 8), dtype=np.uint8),
            )
            for number in range(_VECTORS)
        ]

    async def info(self) -> ModelInfo:
        """Return the identity of no model."""
        return ModelInfo("stub", "1", DIM, 512)

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:  # noqa: ARG002 (the seam)
        """Return one ready embedding a text."""
        return [self._ready[zlib.crc32(text.encode()) % _VECTORS] for text in texts]


def _sparse(drawn: np.random.Generator) -> tuple[list[int], list[float]]:
    ids = drawn.choice(250_000, size=_TOKENS, replace=False) + 5
    return ids.tolist(), drawn.uniform(0.05, 1.5, _TOKENS).tolist()


def write_repository(folder: Path, documents: int, *, edited: bool = False) -> None:
    """Make a repository of so many pages in one commit; `edited` adds a commit that changes the first."""
    if not edited:
        subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)  # noqa: S603, S607 (ours)
    numbers = range(1) if edited else range(documents)
    stream = b"".join(_commit(numbers, edited=edited))
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=stream, check=True)  # noqa: S603, S607 (ours)


def _commit(numbers: range, *, edited: bool) -> Iterator[bytes]:
    yield b"commit refs/heads/main\ncommitter bench <bench@example.org> 1700000000 +0000\ndata 4\nmade\n"
    if edited:
        yield b"from refs/heads/main^0\n"
    for number in numbers:
        text = _page(number, "edited" if edited else "first").encode()
        yield f"M 100644 inline docs/{number % 100:02d}/{number // 100:04d}.md\n".encode()
        yield b"data %d\n%s\n" % (len(text), text)


def _page(number: int, mark: str) -> str:
    """Return a page of a title and three short sections, 90 words."""
    parts = [f"# Page {number}\n\n{mark} {number}."]
    for section in range(_SECTIONS):
        words = " ".join(_WORDS[(number * step + section) % len(_WORDS)] for step in range(1, 30))
        parts.append(f"## Part {section} of {number}\n\n{words}.")
    return "\n\n".join(parts) + "\n"


async def _measure(settings: Settings, checkpoint: Path, repository: Path, documents: int) -> Measured:
    embedder = StubEmbedder()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        fresh = settings.model_copy(update={"state_dir": Path(folder), "cache_dir": Path(folder) / "cache"})
        chunker = StructureChunker(CheckpointTokens(checkpoint), settings.ingest.chunk_tokens)
        async with new_index(embedder, settings) as store:
            job = SyncJob(store, embedder, chunker, fresh)
            try:
                await job.add(Source(SOURCE_ID, "git", str(repository)))
                first_s, chunks = await _timed(job, documents)
                unchanged_s, _ = await _timed(job, 0)
                write_repository(repository, documents, edited=True)
                one_edit_s, _ = await _timed(job, 1)
            finally:
                await job.close()
    return Measured(documents, chunks, first_s, unchanged_s, one_edit_s, peak_mib())


async def _timed(job: SyncJob, documents: int) -> tuple[float, int]:
    begun = time.perf_counter()
    report = await job.sync(SOURCE_ID)
    took_s = time.perf_counter() - begun
    if report.failures or report.documents != documents:
        raise Unavailable(f"the sync is not what was to be measured: {report}")
    return took_s, report.chunks


def _in_a_process(settings: Settings, checkpoint: Path, documents: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        repository = Path(folder) / "pages.git"
        write_repository(repository, documents)
        return asyncio.run(_measure(settings, checkpoint, repository, documents))


def show(rows: Sequence[Measured]) -> None:
    """Print a row a size, and how the cost of a document grows."""
    table = Table(title="the write path without a model")
    for name in (
        "documents",
        "chunks",
        "first sync s",
        "chunks/s",
        "ms/document",
        "unchanged s",
        "one edit s",
        "peak MiB",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        each_ms = 1_000 * row.first_s / row.documents
        table.add_row(
            *(f"{row.documents:,}", f"{row.chunks:,}", f"{row.first_s:.1f}", f"{row.chunks_per_s:,.0f}"),
            *(f"{each_ms:.3f}", f"{row.unchanged_s:.2f}", f"{row.one_edit_s:.2f}", f"{row.peak_mib:,.0f}"),
        )
    console = Console()
    console.print(table)
    if len(rows) > 1:
        first, last = rows[0], rows[-1]
        ratio = (last.first_s / last.documents) / (first.first_s / first.documents)
        console.print(
            f"a document costs {ratio:.2f} times as much among {last.documents:,} as among {first.documents:,}"
        )


async def run(sizes: Sequence[int]) -> list[Measured]:
    """Measure each size in a process of its own, against an engine that has warmed up."""
    settings = load_settings()
    checkpoint = await ensure_checkpoint(settings)
    context = multiprocessing.get_context("spawn")
    rows = []
    async with own_engine(settings) as with_engine:
        for documents in (_WARM_UP, *sizes):
            with context.Pool(1) as pool:
                work = (with_engine, checkpoint, documents)
                rows.append(await asyncio.to_thread(pool.apply, _in_a_process, work))
    return rows[1:]


def main() -> None:
    """Measure in indexes that are deleted afterwards."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    rows = asyncio.run(run(arguments.documents))
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
