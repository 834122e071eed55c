"""What benchmarks run beside what they measure: it goes on until it is ended, and its own end is not silent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in

from bench.busy import again_and_again, ingesting
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
