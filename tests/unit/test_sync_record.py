"""What is recorded of each sync, for operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from fake_activity_log import InMemoryActivityLog
from ingest_fakes import CountingEmbedder, FailingStore, Killed, Repository, job_in

from ingest.job import SyncJob
from shirabe.errors import NotFound, Unavailable
from shirabe.types import LoggedSync, ModelInfo, Source


class DownEmbedder(CountingEmbedder):
    """A model that can be taken away."""

    down = False

    async def info(self) -> ModelInfo:
        if self.down:
            raise Unavailable("the model is gone")
        return await super().info()


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def embedder() -> DownEmbedder:
    return DownEmbedder()


@pytest.fixture
def activity() -> InMemoryActivityLog:
    return InMemoryActivityLog()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit({f"{name}.md": f"# {name}\n\nWhat {name} says.\n" for name in ("alpha", "beta")})
    return repository


@pytest_asyncio.fixture
async def job(
    tmp_path: Path,
    store: FailingStore,
    embedder: DownEmbedder,
    activity: InMemoryActivityLog,
    repository: Repository,
) -> AsyncIterator[SyncJob]:
    job = job_in(tmp_path, store, embedder, activity=activity)
    await job.add(Source("docs", "git", str(repository.path)))
    yield job
    await job.close()


def last(activity: InMemoryActivityLog) -> LoggedSync:
    entry = activity.entries[-1]
    assert isinstance(entry, LoggedSync)
    return entry


async def test_a_sync_is_recorded_with_what_it_did(
    job: SyncJob, activity: InMemoryActivityLog, store: FailingStore, repository: Repository
) -> None:
    report = await job.sync("docs")
    first = last(activity)
    assert (first.source, first.kind, first.outcome) == ("docs", "git", "ok")
    assert first.generation == await store.generation()
    assert first.lag_s is None, "there was no copy before"
    assert (first.documents, first.chunks, first.embedded) == (2, report.chunks, report.embedded)
    assert first.held == {"documents": 2, "chunks": report.chunks, "failures": 0}
    assert first.started <= first.finished
    repository.git("rm", "--quiet", "alpha.md")
    repository.commit({"gamma.md": "# gamma\n\nWhat gamma says.\n", "broken.md": b"\xff\xfe\x00\xd8" * 9})
    report = await job.sync("docs")
    second = last(activity)
    assert (second.documents, second.deleted) == (report.documents, 1)
    assert second.failed == len(report.failures) == second.held["failures"]
    assert second.held["documents"] == 1 + report.documents
    assert second.lag_s is not None and second.lag_s >= (second.finished - second.started).total_seconds()


async def test_a_sync_that_finds_nothing_new_is_recorded(job: SyncJob, activity: InMemoryActivityLog) -> None:
    await job.sync("docs")
    held = last(activity).held
    await job.sync("docs")
    entry = last(activity)
    assert len(activity.entries) == 2
    assert (entry.outcome, entry.documents, entry.chunks, entry.held) == ("ok", 0, 0, held)


async def test_a_sync_that_fails_is_recorded_and_the_lag_grows(
    job: SyncJob, activity: InMemoryActivityLog, store: FailingStore, embedder: DownEmbedder, repository: Repository
) -> None:
    await job.sync("docs")
    repository.commit({"gamma.md": "# gamma\n\nWhat gamma says.\n"})
    store.down = True
    with pytest.raises(Unavailable):
        await job.sync("docs")
    failed = last(activity)
    assert (failed.outcome, failed.documents) == ("Unavailable", 0)
    store.down, embedder.down = False, True
    with pytest.raises(Unavailable):
        await job.sync("docs")
    again = last(activity)
    assert again.outcome == "Unavailable" and again.lag_s is not None and failed.lag_s is not None
    assert again.lag_s > failed.lag_s > 0
    embedder.down = False
    await job.sync("docs")
    mended = last(activity)
    assert (mended.outcome, mended.documents, mended.held["documents"]) == ("ok", 1, 3)
    assert len(activity.entries) == 4


async def test_a_sync_that_is_cut_short_is_recorded(
    job: SyncJob, activity: InMemoryActivityLog, store: FailingStore
) -> None:
    store.dies_at = 1
    with pytest.raises(Killed):
        await job.sync("docs")
    assert last(activity).outcome == "Killed"


async def test_what_is_no_sync_is_not_recorded(job: SyncJob, activity: InMemoryActivityLog) -> None:
    with pytest.raises(NotFound):
        await job.sync("nothing")
    await job.preview("docs")
    await job.remove("docs")
    assert activity.entries == []
