"""What benchmarks run beside what they measure: it is on while they measure, and its end is not silent."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in

from bench.busy import ingesting
from ingest.job import SyncJob
from shirabe.errors import NotFound


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit({"docs/a.md": "# A\n\nIt says this.\n"})
    return repository


async def test_a_source_is_being_embedded_when_it_is_entered(tmp_path: Path, repository: Repository) -> None:
    embedder = CountingEmbedder()
    folders: list[Path] = []

    def open_job(folder: Path) -> SyncJob:
        folders.append(folder)
        return job_in(folder, FailingStore(), embedder)

    async with ingesting(open_job, repository.path):
        assert embedder.texts

    assert not any(folder.exists() for folder in folders)


async def test_what_ends_it_is_raised(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        async with ingesting(
            lambda folder: job_in(folder, FailingStore(), CountingEmbedder()), tmp_path / "none.bundle"
        ):
            pytest.fail("nothing is embedded")
