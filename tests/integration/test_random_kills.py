"""Twenty syncs killed one after another, each somewhere else, over a source that goes on changing: nothing is lost."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Collection, Sequence
from multiprocessing.connection import Connection

import pytest
from fake_embedder import FakeEmbedder
from fake_tokens import FakeTokens
from ingest_fakes import Repository
from test_killed_sync import fake_job, page, repository, two_indices

from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from opensearch.client import build_client
from opensearch.store import OpenSearchStore
from shirabe.settings import Settings
from shirabe.types import Embedding, Output, Record, Source, TextKind

__all__ = ["repository", "two_indices"]

KILLS = 20
STEPS = 16
"""About as many steps as a round's sync tells of; one that is over before its kill is a round like any other."""
PATIENCE_S = 120


class TellingStore(OpenSearchStore):
    """The real store, which tells when a bulk begins and when it was acknowledged."""

    steps: Connection

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        self.steps.send_bytes(b"begins")
        await super().write(records, deletes, version)
        self.steps.send_bytes(b"acknowledged")


class TellingEmbedder(FakeEmbedder):
    """The fake embedder, which tells when it is asked."""

    steps: Connection

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        self.steps.send_bytes(b"embeds")
        return await super().embed(texts, kind, outputs)


def sync_telling(settings: Settings, steps: Connection) -> None:
    """Sync the source `docs` in a process of its own."""

    async def work() -> None:
        embedder = TellingEmbedder()
        store = TellingStore(build_client(settings.opensearch), settings.opensearch.alias, (await embedder.info()).dim)
        embedder.steps = store.steps = steps
        chunker = StructureChunker(FakeTokens(), settings.ingest.chunk_tokens)
        await SyncJob(store, embedder, chunker, settings).sync("docs")

    asyncio.run(work())


def killed_at(settings: Settings, step: int) -> bool:
    """Run one sync and kill it at a step; tell whether it came so far."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    steps, told = context.Pipe(duplex=False)
    process = context.Process(target=sync_telling, args=(settings, told))
    process.start()
    told.close()
    try:
        for _ in range(step):
            assert steps.poll(PATIENCE_S)
            steps.recv_bytes()
    except EOFError:
        pass
    process.kill()
    process.join(PATIENCE_S)
    steps.close()
    return process.exitcode == -signal.SIGKILL


def change(repository: Repository, drawn: random.Random) -> None:
    """Rewrite, remove, rename and add a few pages in one commit."""
    for number in drawn.sample(range(60), 12):
        path = repository.path / f"page{number:02d}.md"
        match drawn.randrange(3):
            case 0:
                path.unlink(missing_ok=True)
            case 1 if path.exists():
                path.rename(repository.path / f"moved{number:02d}.md")
            case _:
                path.write_text(page(number, drawn.randint(1, 6), f"words {drawn.random()}"), encoding="utf-8")
    repository.commit()


async def test_twenty_kills_lose_nothing_and_double_nothing(
    two_indices: tuple[Settings, Settings], repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server that forks the syncs finds what it preloads by this alone.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    mine, undisturbed = two_indices
    source = Source("docs", "git", str(repository.path))
    drawn = random.Random(20261123)
    async with fake_job(mine) as (job, _):
        await job.add(source)
    kills = 0
    while kills < KILLS:
        kills += await asyncio.to_thread(killed_at, mine, drawn.randint(1, STEPS))
        change(repository, drawn)
    async with fake_job(undisturbed) as (job, held):
        await job.add(source)
        await job.sync("docs")
        wanted = await held()
    async with fake_job(mine) as (job, held):
        report = await job.sync("docs")
        assert report.failures == ()
        assert await held() == wanted
        drift = await job.drift("docs")
        assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())
