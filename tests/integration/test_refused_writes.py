"""What the real engine refuses: exactly that is reported and tried again, and nothing else is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from fake_tokens import FakeTokens
from ingest_fakes import Repository
from opensearchpy import AsyncOpenSearch
from real_system import drop, own

from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from opensearch import bulk
from opensearch.store import OpenSearchStore, open_store
from shirabe.settings import Settings
from shirabe.types import Chunk, Document, Source

PAGES: dict[str, str | bytes] = {
    f"page{number}.md": f"# Page {number}\n\nShelf {number} is full.\n" for number in range(4)
}
ORDINAL_OF_NO_CHUNK = 2**40  # more than the field holds


class Chunker(StructureChunker):
    """Gives one page a chunk that the engine cannot take, while `spoils` names it."""

    spoils = ""

    async def chunk(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        return [
            [replace(chunk, ordinal=ORDINAL_OF_NO_CHUNK) if document.path == self.spoils else chunk for chunk in chunks]
            for document, chunks in zip(documents, await super().chunk(documents), strict=True)
        ]


@dataclass(frozen=True)
class Rig:
    store: OpenSearchStore
    job: SyncJob
    chunker: Chunker
    repository: Repository
    client: AsyncOpenSearch

    async def held(self) -> dict[str, str]:
        await self.store.refresh()
        return await self.store.chunk_hashes("docs")


@asynccontextmanager
async def opened(settings: Settings, repository: Repository) -> AsyncIterator[Rig]:
    mine, embedder = own(settings), FakeEmbedder()
    url = str(settings.opensearch.url)
    chunker = Chunker(FakeTokens(), mine.ingest.chunk_tokens)
    store = await open_store(mine.opensearch, await embedder.info())
    job = SyncJob(store, embedder, chunker, mine)
    await job.add(Source("docs", "git", str(repository.path)))
    try:
        async with AsyncOpenSearch(hosts=[url]) as client:
            yield Rig(store, job, chunker, repository, client)
    finally:
        await job.close()
        await store.close()
        await drop(url, mine.opensearch.alias)


@pytest_asyncio.fixture
async def rig(settings: Settings, opensearch_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    repository = Repository(tmp_path / "repository")
    repository.commit(PAGES)
    engine = settings.opensearch.model_copy(update={"url": opensearch_url})
    async with opened(settings.model_copy(update={"opensearch": engine}), repository) as rig:
        yield rig


async def test_one_refused_item_is_reported_and_the_rest_of_its_bulk_is_there(rig: Rig) -> None:
    rig.chunker.spoils = "page2.md"
    report = await rig.job.sync("docs")
    assert [failure.path for failure in report.failures] == ["page2.md"]
    assert "mapper_parsing_exception" in report.failures[0].reason
    assert report.documents == len(PAGES) - 1
    assert len(await rig.held()) == len(PAGES) - 1
    rig.chunker.spoils = ""
    report = await rig.job.sync("docs")
    assert (report.documents, report.failures) == (1, ())
    assert len(await rig.held()) == len(PAGES)
    assert (await rig.job.drift("docs")).outdated == ()


async def test_a_disk_without_room_fails_the_writes_and_is_made_good_when_there_is_room(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk.DEFAULT_RETRIES.__class__, "wait_s", lambda *_: 0.01)
    await rig.job.sync("docs")
    before = await rig.held()
    rig.repository.commit({"page0.md": "# Page 0\n\nEmpty.\n", "page9.md": "# Page 9\n\nNew.\n"})
    # What the engine does to every index when its disk is nearly full.
    name = await rig.store.generation()
    block = "index.blocks.read_only_allow_delete"
    await rig.client.indices.put_settings(index=name, body={block: True})
    report = await rig.job.sync("docs")
    assert sorted(failure.path for failure in report.failures) == ["page0.md", "page9.md"]
    assert all("cluster_block_exception" in failure.reason for failure in report.failures)
    assert await rig.held() == before, "what was there is still there"
    await rig.client.indices.put_settings(index=name, body={block: None})
    report = await rig.job.sync("docs")
    assert (report.documents, report.failures) == (2, ())
    drift = await rig.job.drift("docs")
    assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())
    assert len(await rig.held()) == len(PAGES) + 1
