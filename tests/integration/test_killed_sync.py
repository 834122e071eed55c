"""A sync that dies in the middle of a bulk: the next one ends where an undisturbed one would have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from fake_tokens import FakeTokens
from ingest_fakes import Repository
from real_system import drop, own

from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from opensearch.store import open_store
from shirabe.settings import Settings
from shirabe.types import Source

ROOT = Path(__file__).resolve().parents[2]
Held = Callable[[], Awaitable[dict[str, str]]]


def page(number: int, sections: int, words: str) -> str:
    parts = [
        f"## Part {part}\n\n{words} {number}-{part}: 在庫 {part} を倉庫 {number} に戻す。\n" for part in range(sections)
    ]
    return f"# Page {number}\n\n" + "\n".join(parts)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Sixty pages; `rewrite` shortens, rewrites, removes, renames and adds to them in one commit."""
    repository = Repository(tmp_path / "repository")
    repository.commit({f"page{number:02d}.md": page(number, 4, "first") for number in range(60)})
    return repository


def rewrite(repository: Repository) -> None:
    for number in range(60):
        path = repository.path / f"page{number:02d}.md"
        match number % 6:
            case 0:
                path.write_text(page(number, 2, "first"), encoding="utf-8")
            case 1:
                path.write_text(page(number, 4, "second"), encoding="utf-8")
            case 2:
                path.unlink()
            case 3:
                path.rename(repository.path / f"moved{number:02d}.md")
            case 4:
                path.write_text(page(number, 6, "third"), encoding="utf-8")
    repository.commit()


@asynccontextmanager
async def fake_job(settings: Settings) -> AsyncIterator[tuple[SyncJob, Held]]:
    """Give a job into the real store with the fake embedder, and what reads back what is held."""
    embedder = FakeEmbedder()
    store = await open_store(settings.opensearch, await embedder.info())
    job = SyncJob(store, embedder, StructureChunker(FakeTokens(), settings.ingest.chunk_tokens), settings)

    async def held() -> dict[str, str]:
        await store.refresh()
        return await store.chunk_hashes("docs")

    try:
        yield job, held
    finally:
        await job.close()
        await store.close()


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings as the environment of a process that loads the same ones."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("", "tests/contracts", "tests/unit")),
        "SHIRABE_STATE_DIR": str(settings.state_dir),
        "SHIRABE_CACHE_DIR": str(settings.cache_dir),
        "SHIRABE_OPENSEARCH__URL": str(settings.opensearch.url),
        "SHIRABE_OPENSEARCH__ALIAS": settings.opensearch.alias,
        "SHIRABE_INGEST__BATCH_CHUNKS": str(settings.ingest.batch_chunks),
        "SHIRABE_INGEST__BULK_CHUNKS": str(settings.ingest.bulk_chunks),
        "SHIRABE_INGEST__CHUNK_TOKENS": str(settings.ingest.chunk_tokens),
    }


def run_until_killed(settings: Settings, dies_at: int, where: str) -> None:
    killed = subprocess.run(
        [sys.executable, str(ROOT / "tests/integration/killed_ingest.py"), "docs", str(dies_at), where],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest_asyncio.fixture
async def two_indices(settings: Settings, opensearch_url: str) -> AsyncIterator[tuple[Settings, Settings]]:
    # What waits while a slow engine writes would else be one bulk, and the last.
    small = settings.ingest.model_copy(update={"batch_chunks": 8, "bulk_chunks": 8})
    pair = [own(settings, url=opensearch_url).model_copy(update={"ingest": small}) for _ in range(2)]
    yield pair[0], pair[1]
    for mine in pair:
        await drop(opensearch_url, mine.opensearch.alias)


@pytest.mark.parametrize(
    ("first_is_in", "dies_at", "where"),
    [(False, 7, "after"), (False, 5, "between"), (True, 2, "after"), (True, 6, "between")],
)
async def test_a_sync_that_is_killed_ends_as_if_it_had_not_been(
    two_indices: tuple[Settings, Settings], repository: Repository, first_is_in: bool, dies_at: int, where: str
) -> None:
    mine, undisturbed = two_indices
    source = Source("docs", "git", str(repository.path))
    async with fake_job(mine) as (job, held):
        await job.add(source)
        if first_is_in:
            await job.sync("docs")
            rewrite(repository)
        before = await held()
    run_until_killed(mine, dies_at, where)
    async with fake_job(undisturbed) as (job, held):
        await job.add(source)
        await job.sync("docs")
        wanted = await held()
    async with fake_job(mine) as (job, held):
        halfway = await held()
        assert halfway not in (before, wanted), "killed in the middle"
        report = await job.sync("docs")
        assert report.failures == ()
        assert await held() == wanted
        drift = await job.drift("docs")
        assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())
    assert len(wanted) > 150
