"""`PYTHONPATH=tests/contracts python -m bench.freshness`: how soon a change can be found, and what was closed cannot.

Against the engine and the models that `shirabe up` runs, in an index of its own: git repositories (told by file-system
events, and by a webhook), pages of Confluence (polled, and told by a webhook) and a row of a Google sheet (polled), the
last two on the simulated servers of `tests/contracts`. A change is a new word; it counts from the moment it is made
until a search finds it, and a delete or a restriction until none does. What a webhook tells of is not watched besides.
With `--busy LOCATION` another source is embedded and indexed meanwhile, again and again, nothing of it from a cache.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import string
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from fake_confluence import fake_confluence
from rich.console import Console
from rich.table import Table

from bench.busy import ingesting
from bench.indexing import in_folder, new_index
from bench.ingest_load import percentile
from bench.places import POLL_S, Place, open_places
from ingest.chunkers import StructureChunker
from ingest.collectors import open_collector
from ingest.collectors.confluence import ConfluenceCollector
from ingest.job import SyncJob
from ingest.sources import IngestSources
from ingest.watch import Outcome, Watch
from ingest.webhooks import SECRET_OPTION
from opensearch.store import OpenSearchStore
from ray_app.client import ModelClient
from shirabe.errors import ShirabeError, Unavailable
from shirabe.protocols import Collector
from shirabe.runtime import require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Principal, Query, Source

PATIENCE_S: Final = 120.0
LOOK_S: Final = 0.02


@dataclass(slots=True)
class Times:
    """Seconds until found, and until no longer found."""

    found: list[float] = field(default_factory=list)
    gone: list[float] = field(default_factory=list)


async def measure(settings: Settings, rounds: int, busy: Path | None) -> dict[str, Times]:
    """Return the times of every place. Raises: Unavailable when something is not found in time."""
    runtime = require_runtime(settings.state_dir)
    engine = settings.opensearch.model_copy(update={"url": runtime.opensearch_url})
    chunker = StructureChunker(CheckpointTokens(runtime.checkpoint), settings.ingest.chunk_tokens)

    def opened(source: Source, own: Settings) -> Collector:
        if source.kind == "confluence":
            return ConfluenceCollector(source, own.state_dir, own.ingest.max_file_bytes, now=lambda: wiki.site.now)
        return open_collector(source, own)

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        own = in_folder(settings.model_copy(update={"opensearch": engine}), folder)
        async with contextlib.AsyncExitStack() as stack:
            models = ModelClient(runtime.models_url, settings.models.timeout_s, api_key=settings.models.api_key)
            stack.push_async_callback(models.close)
            wiki = await stack.enter_async_context(fake_confluence(cloud=False))
            store = await stack.enter_async_context(new_index(models, own))
            job = SyncJob(store, models, chunker, own, open_source=opened)
            stack.push_async_callback(job.close)
            sources = IngestSources(job, ())
            stack.push_async_callback(sources.close)
            places = await stack.enter_async_context(open_places(job, sources, folder, wiki))
            stop = asyncio.Event()
            watched = [source for source in await job.sources() if SECRET_OPTION not in source.options]
            watching = asyncio.create_task(Watch(job, POLL_S, _complain).run(watched, stop))
            try:
                times = {place.name: Times() for place in places}
                async with contextlib.AsyncExitStack() as load:
                    if busy:
                        await load.enter_async_context(ingesting(busy))
                    for _ in range(rounds):
                        for place in places:
                            await _round(store, place, _new_word(), times[place.name])
            finally:
                stop.set()
                await watching
    return times


async def _round(store: OpenSearchStore, place: Place, word: str, times: Times) -> None:
    begun = time.perf_counter()
    await place.write(word)
    await _until(store, word, there=True)
    times.found.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    await place.close(word)
    await _until(store, word, there=False)
    times.gone.append(time.perf_counter() - begun)


def _new_word() -> str:
    """Return a word of letters alone: no analysis takes it apart, so nothing else is found by its parts."""
    return "".join(random.choices(string.ascii_lowercase, k=16))


async def _until(store: OpenSearchStore, word: str, *, there: bool) -> None:
    """Search, as a caller without a name, until the word is found or is not."""
    query = Query(word, mode="lexical", principal=Principal())
    try:
        async with asyncio.timeout(PATIENCE_S):
            # Nothing tells when the engine shows it.
            while bool((await store.legs(query, ["lexical"], None, 1))["lexical"]) != there:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise Unavailable(f"{word} was {'not found' if there else 'still found'} after {PATIENCE_S:.0f} s") from None


def _complain(outcome: Outcome) -> None:
    if outcome.error is not None:
        Console(stderr=True).print(f"{outcome.source_id}: {outcome.error}")


def show(times: Mapping[str, Times], *, busy: bool) -> None:
    """Print a row a place: medians and 95th percentiles, seconds."""
    table = Table(title=f"seconds, the embedder {'busy' if busy else 'idle'}; polled every {POLL_S:.0f} s")
    for name in ("change", "rounds", "found median", "found p95", "gone median", "gone p95"):
        table.add_column(name, justify="left" if name == "change" else "right")
    for name, row in times.items():
        figures = [percentile(series, percent) for series in (row.found, row.gone) for percent in (50, 95)]
        table.add_row(name, str(len(row.found)), *(f"{value:.2f}" for value in figures))
    Console().print(table)


def main() -> None:
    """Measure against what `shirabe up` runs, in an index that is deleted afterwards."""
    parser = argparse.ArgumentParser(prog="python -m bench.freshness", description="how soon a change can be found")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--busy", type=Path, help="index this source meanwhile, again and again")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    try:
        times = asyncio.run(measure(load_settings(), arguments.rounds, arguments.busy))
    except ShirabeError as error:
        raise SystemExit(str(error)) from None
    show(times, busy=arguments.busy is not None)
    if arguments.json:
        arguments.json.write_text(json.dumps({name: asdict(row) for name, row in times.items()}), encoding="utf-8")


if __name__ == "__main__":
    main()
