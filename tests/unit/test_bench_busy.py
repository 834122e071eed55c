"""What benchmarks run beside what they measure: it goes on until it is ended, and its own end is not silent."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in

from bench.busy import again_and_again, ingesting, until_ended
from ingest.job import SyncJob
from shirabe.errors import NotFound, Unavailable


async def test_a_source_is_embedded_again_and_again(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    repository.commit({"docs/a.md": "# A\n\nIt says this.\n"})
    embedder, folders, begun = CountingEmbedder(), list[Path](), asyncio.Event()

    def open_job(folder: Path) -> SyncJob:
        folders.append(folder)
        if len(folders) == 3:
            begun.set()
        return job_in(folder, FailingStore(), embedder)

    told: list[None] = []
    load = asyncio.create_task(again_and_again(open_job, repository.path, lambda: told.append(None)))
    async with asyncio.timeout(60):
        await begun.wait()
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)

    assert told
    assert len(embedder.texts) >= 2 and len(set(embedder.texts)) == 1
    assert not any(folder.exists() for folder in folders)


async def test_what_ends_it_is_raised(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await again_and_again(
            lambda folder: job_in(folder, FailingStore(), CountingEmbedder()), tmp_path / "none.bundle", lambda: None
        )


async def test_a_process_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIRABE_STATE_DIR", str(tmp_path))
    with pytest.raises(Unavailable, match="shirabe up"):
        async with ingesting(tmp_path):
            pytest.fail("nothing runs")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_it_clears_up(number: signal.Signals) -> None:
    cleared = False

    async def work() -> None:
        nonlocal cleared
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            cleared = True

    before = signal.signal(number, signal.SIG_IGN)
    try:
        async with asyncio.timeout(60):
            await until_ended(work())
    finally:
        signal.signal(number, before)
    assert cleared


async def test_its_own_error_is_raised() -> None:
    async def work() -> None:
        raise NotFound("gone")

    with pytest.raises(NotFound):
        await until_ended(work())
