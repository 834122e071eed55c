"""`python -m bench.backfill`: the backfill on Ray Data against the direct job, on the same documents.

Both bring the whole corpus into a new index with a ledger of their own: reading, cutting, embedding, writing, settling.
With an empty cache the model is most of it; `--warm` gives both every embedding, and what is left is the pipelines.
A backfill's time holds the start of its workers, which a large corpus does not notice. The two take turns, so whatever
else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from opensearchpy import AsyncOpenSearch
from rich.console import Console
from rich.table import Table

from ingest.backfill import RayWriter, connected
from ingest.job import SyncJob
from ingest.writing import Writer
from opensearch.client import asking, build_client
from opensearch.generations import current_name
from shirabe.cli.compose import Parts, backfill_tools, open_parts
from shirabe.errors import InvalidInput, ShirabeError, Unavailable
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.types import SyncReport

SOURCE_ID: Final = "bench"


@dataclass(slots=True)
class Times:
    """Seconds of each round, and what every round brought in."""

    direct: list[float] = field(default_factory=list)
    backfill: list[float] = field(default_factory=list)
    documents: int = 0
    chunks: int = 0

    @property
    def ratio(self) -> float:
        """How much of the direct job's speed the backfill has, by the medians."""
        return statistics.median(self.direct) / statistics.median(self.backfill)


class Bench:
    """Runs both ways into new indexes of a running Shirabe."""

    def __init__(self, settings: Settings, runtime: Runtime, location: str, cache: Path | None) -> None:
        self._settings = settings
        self._runtime = runtime
        self._location = location
        self._cache = cache
        self._hashes: dict[str, str] | None = None

    async def once(self, *, on_ray: bool) -> tuple[SyncReport, float]:
        """Bring the corpus into a new index, and return the report and the seconds it took.

        Raises: Unavailable when the index is not the one of the rounds before.
        """
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            engine = self._settings.opensearch.model_copy(
                update={"alias": f"bench-{uuid.uuid4().hex[:12]}", "url": self._runtime.opensearch_url}
            )
            settings = self._settings.model_copy(
                update={"opensearch": engine, "state_dir": folder, "cache_dir": self._cache or folder / "cache"}
            )
            async with self._parts(settings) as parts:
                await parts.job.configure(self._location, name=SOURCE_ID)
                report, took_s = await _timed(parts.job, await self._writer(settings, parts) if on_ray else None)
                await parts.store.refresh()
                hashes = await parts.store.chunk_hashes(SOURCE_ID)
        if self._hashes not in (None, hashes):
            raise Unavailable("this round made another index than the ones before")
        self._hashes = hashes
        return report, took_s

    @asynccontextmanager
    async def _parts(self, settings: Settings) -> AsyncIterator[Parts]:
        """Give the parts on an index of their own, and delete the index in the end."""
        client: AsyncOpenSearch = build_client(settings.opensearch)
        runtime = self._runtime
        try:
            async with open_parts(settings, runtime.opensearch_url, runtime.models_url, runtime.checkpoint) as parts:
                try:
                    yield parts
                finally:
                    name = await current_name(client, settings.opensearch.alias)
                    with asking():
                        await client.indices.delete(index=name)
        finally:
            await client.close()

    async def _writer(self, settings: Settings, parts: Parts) -> RayWriter:
        runtime = self._runtime
        model = await parts.models.info()
        return RayWriter(
            backfill_tools(settings, runtime.opensearch_url, runtime.models_url, runtime.checkpoint, model)
        )


async def _timed(job: SyncJob, writer: Writer | None) -> tuple[SyncReport, float]:
    begun = time.perf_counter()
    report = await job.sync(SOURCE_ID, writer=writer)
    return report, time.perf_counter() - begun


async def run(settings: Settings, runtime: Runtime, location: str, rounds: int, *, warm: bool) -> Times:
    """Return the times of both ways, taken in turns. Raises: ShirabeError."""
    address = settings.ingest.ray_address or runtime.ray_address
    if address is None:
        raise InvalidInput("no Ray cluster is known here", "ingest.ray_address")
    times = Times()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as cache,
        connected(address, None if settings.ingest.ray_address else runtime.token_path),
    ):
        bench = Bench(settings, runtime, location, Path(cache) if warm else None)
        if warm:
            await bench.once(on_ray=False)
        for number in range(rounds):
            for on_ray in (False, True) if number % 2 == 0 else (True, False):
                report, took_s = await bench.once(on_ray=on_ray)
                (times.backfill if on_ray else times.direct).append(took_s)
                times.documents, times.chunks = report.documents, report.chunks
    return times


def show(times: Times, *, warm: bool) -> None:
    """Print both times and their ratio."""
    cache = "every embedding in the cache" if warm else "an empty cache"
    table = Table(title=f"{times.documents} documents, {times.chunks} chunks, {cache}; {len(times.direct)} rounds")
    table.add_column("what")
    table.add_column("median", justify="right")
    table.add_column("chunks/s", justify="right")
    table.add_column("of each round", justify="right")
    for what, seconds in (("direct", times.direct), ("backfill", times.backfill)):
        median = statistics.median(seconds)
        each = ", ".join(f"{second:.1f}" for second in seconds)
        table.add_row(what, f"{median:.1f} s", f"{times.chunks / median:.1f}", each)
    table.add_row("speed of the backfill over the direct job's", f"{times.ratio:.2f}", "", "")
    Console().print(table)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m bench.backfill", description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", default="samples", help="folder, file, or git bundle")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", action="store_true", help="every embedding is in the cache before the first round")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def main() -> None:
    """Read the command line and run."""
    options = parse()
    settings = load_settings()
    try:
        runtime = require_runtime(settings.state_dir)
        times = asyncio.run(run(settings, runtime, options.corpus, options.rounds, warm=options.warm))
    except ShirabeError as error:
        raise SystemExit(f"error: {error}") from None
    show(times, warm=options.warm)
    if options.json:
        result = {"direct_s": times.direct, "backfill_s": times.backfill, "ratio": times.ratio, "chunks": times.chunks}
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
