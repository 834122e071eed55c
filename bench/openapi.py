"""`python -m bench.openapi SOURCE...`: API descriptions into chunks: seconds, memory, counts.

Each source (a file or a folder) is read, joined, checked and cut in a process of its own, whose peak memory is told:
what a sync does before the model is asked. The peer is PyYAML's C loader over the same files, which only parses them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console
from rich.table import Table

from bench.memory import peak_mib
from ingest.chunkers import StructureChunker
from ingest.collectors.openapi import OpenApiCollector
from ingest.media_types import API_FILES
from ingest.openapi_files import ApiFiles
from shirabe.settings import load_settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Document, Source, Upsert

MAX_SECONDS: Final = 90.0
MAX_MB: Final = 1_500.0
_WIDTH: Final = 120


@dataclass(frozen=True, slots=True)
class Measured:
    """What one source took: seconds to read its files and to cut them, peak memory, MB, and what came out."""

    source: str
    files: int
    operations: int
    schemas: int
    chunks: int
    problems: int
    read_s: float
    cut_s: float
    parse_s: float
    peak_mb: float


async def measure(location: str, checkpoint: Path) -> Measured:
    """Return what one source takes in this process. Raises: what its collector raises."""
    settings = load_settings()
    tokens = CheckpointTokens(checkpoint)
    chunker = StructureChunker(tokens, settings.ingest.chunk_tokens)
    started = time.perf_counter()
    collector = OpenApiCollector(Source("bench", "openapi", location), settings.ingest.max_file_bytes)
    changes = [change async for change in collector.changes(None, await collector.head())]
    documents = [change.document for change in changes if isinstance(change, Upsert)]
    read_s = time.perf_counter() - started
    started = time.perf_counter()
    cut = await chunker.chunk(documents)
    cut_s = time.perf_counter() - started
    peak_mb = peak_mib()
    texts = [text for document in documents for text in _texts(document)]
    started = time.perf_counter()
    for text in texts:
        yaml.load(text, yaml.CSafeLoader)
    parse_s = time.perf_counter() - started
    chunks = [chunk for one in cut for chunk in one]
    units = Counter(kind for kind, _ in {(chunk.kind, chunk.meta["unit"]) for chunk in chunks})
    problems = sum(len(chunk.meta.get(what, ())) for chunk in chunks for what in ("errors", "warnings"))
    return Measured(
        source=location,
        files=len(texts),
        operations=units["operation"],
        schemas=units["schema"],
        chunks=len(chunks),
        problems=problems + len(changes) - len(documents),
        read_s=read_s,
        cut_s=cut_s,
        parse_s=parse_s,
        peak_mb=peak_mb,
    )


def main() -> None:
    """Measure every source named, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.openapi", description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", default=["samples/api"], help="descriptions, or folders of them")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--here", type=Path, metavar="CHECKPOINT", help="measure one source in this process")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(asdict(asyncio.run(measure(arguments.sources[0], arguments.here)))))
        return
    from ray_app.m3_mini import resolve  # with torch, whose memory is not what is measured

    checkpoint = resolve("m3-mini", load_settings().cache_dir)
    measured = [_apart(source, checkpoint) for source in arguments.sources]
    if arguments.json:
        print(json.dumps([asdict(one) for one in measured], indent=2))
        return
    _print(measured)


def _apart(source: str, checkpoint: Path) -> Measured:
    command = [sys.executable, "-m", "bench.openapi", "--here", str(checkpoint), source]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (this module)
    return Measured(**json.loads(done.stdout))


def _texts(document: Document) -> list[str]:
    if document.media_type == API_FILES:
        return list(ApiFiles.decoded(document.content.decode()).texts.values())
    return [document.content.decode()]


def _print(measured: list[Measured]) -> None:
    table = Table("source", *("files", "operations", "schemas", "chunks", "problems"), title="API descriptions")
    for column in ("read s", "cut s", "together s", "YAML alone s", "peak MB"):
        table.add_column(column, justify="right")
    for one in measured:
        table.add_row(
            Path(one.source).name,
            *(f"{count:,}" for count in (one.files, one.operations, one.schemas, one.chunks, one.problems)),
            *(f"{seconds:.1f}" for seconds in (one.read_s, one.cut_s, one.read_s + one.cut_s, one.parse_s)),
            f"{one.peak_mb:,.0f}",
        )
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(table)
    seconds = sum(one.read_s + one.cut_s for one in measured)
    peak = max(one.peak_mb for one in measured)
    console.print(f"all: {seconds:.1f} s (at most {MAX_SECONDS:.0f}), peak {peak:,.0f} MB (at most {MAX_MB:,.0f})")


if __name__ == "__main__":
    main()
