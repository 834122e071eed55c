"""`python -m bench.busy SOURCE`: embed and index a source, again and again, until ended; load for benchmarks.

Into an index of its own in the engine that `shirabe up` runs, under one name after another, nothing of it from a cache.
Says `embedding` once the first chunks are. In a process of its own, so that whoever measures beside it measures no
event loop that is shared with an ingest.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from bench.indexing import in_folder, new_index
from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from ingest.locations import guess_kind
from ingest.writing import Progress
from ray_app.client import ModelClient
from shirabe.errors import ShirabeError, Unavailable
from shirabe.runtime import require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Acl, Source

PATIENCE_S: Final = 120.0


@asynccontextmanager
async def ingesting(location: Path) -> AsyncIterator[None]:
    """Run this module beside the caller, from its first embedded chunk on until the end.

    Raises: Unavailable, with what it said, when it ended by itself or embeds nothing in time.
    """
    with tempfile.TemporaryFile() as said:
        load = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.busy", str(location)), stdout=asyncio.subprocess.PIPE, stderr=said
        )
        begun = b""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    begun = await load.stdout.readline() if load.stdout else b""
            if begun:
                yield
            if not begun or load.returncode is not None:
                said.seek(0)
                raise Unavailable(f"{location} is not being embedded: {said.read().decode(errors='replace').strip()}")
        finally:
            if load.returncode is None:
                load.terminate()
            await load.wait()


async def again_and_again(open_job: Callable[[Path], SyncJob], location: Path, begun: Callable[[], None]) -> None:
    """Index a source until cancelled; `begun` is called whenever more of it is embedded.

    open_job: gives a job whose state and cache lie in a folder, which is new each time: every text is embedded.
    """
    place = str(location.resolve())

    def tell(progress: Progress) -> None:
        if progress.embedded:
            begun()

    while True:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            job = open_job(Path(folder))
            name = f"busy{uuid.uuid4().hex[:8]}"
            try:
                await job.add(Source(name, guess_kind(place), place, Acl()))
                await job.sync(name, progress=tell)
            finally:
                await job.close()


async def run(settings: Settings, location: Path) -> None:
    """Index into what `shirabe up` runs until cancelled, and delete the index. Raises: ShirabeError."""
    runtime = require_runtime(settings.state_dir)
    engine = settings.opensearch.model_copy(update={"url": runtime.opensearch_url})
    settings = settings.model_copy(update={"opensearch": engine})
    chunker = StructureChunker(CheckpointTokens(runtime.checkpoint), settings.ingest.chunk_tokens)
    models = ModelClient(runtime.models_url, settings.models.timeout_s, api_key=settings.models.api_key)
    said = False

    def begun() -> None:
        nonlocal said
        if not said:
            print("embedding", flush=True)
        said = True

    try:
        async with new_index(models, settings) as store:
            await again_and_again(
                lambda folder: SyncJob(store, models, chunker, in_folder(settings, folder)), location, begun
            )
    finally:
        await models.close()


async def until_ended(work: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, or an interrupt or a termination cancels it, which is its regular end.

    An interrupt alone would not do: a shell has those ignored in what it runs in the background, and in their children.
    """
    task = asyncio.create_task(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Run until ended."""
    parser = argparse.ArgumentParser(prog="python -m bench.busy", description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a folder, file, or git bundle")
    try:
        asyncio.run(until_ended(run(load_settings(), parser.parse_args().source)))
    except ShirabeError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
