"""The real engine, the real models and the real facade together; what each does when another is gone or dies."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from fake_tokens import FakeTokens
from opensearchpy import AsyncOpenSearch

from api.main import create_app
from api.search import SearchPath
from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from opensearch.node import EmbeddedNode
from opensearch.store import open_store
from ray_app.client import ModelClient
from shirabe.cli.compose import Parts, open_parts
from shirabe.protocols import Embedder
from shirabe.settings import Settings
from shirabe.types import Principal, Source

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
BASE = "http://127.0.0.1:8080"
LINES = re.compile(r"#L(\d+)-L(\d+)$")
Held = Callable[[], Awaitable[dict[str, str]]]
VERBATIM_KINDS = frozenset({"function", "class", "module", "method", "code", "text"})


def own(settings: Settings, **opensearch: object) -> Settings:
    """Return settings with an alias, a state directory and a cache of their own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    folder = settings.state_dir.parent / name
    (folder / "state").mkdir(parents=True)
    engine = settings.opensearch.model_copy(update={"alias": name, **opensearch})
    # The embeddings are kept in the cache directory, and no test should live on those of another.
    return settings.model_copy(
        update={"opensearch": engine, "state_dir": folder / "state", "cache_dir": folder / "cache"}
    )


async def drop(url: str, alias: str) -> None:
    """Delete every generation of an alias."""
    async with AsyncOpenSearch(hosts=[url]) as client:
        for name in await client.indices.get(index=f"{alias}-*", params={"allow_no_indices": "true"}):
            await client.indices.delete(index=name)


@asynccontextmanager
async def facade(
    parts: Parts, settings: Settings, embedder: Embedder | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the facade over these parts, searching with another embedder where one is given."""
    search = SearchPath(parts.store, embedder or parts.models, None, settings.search)
    app = create_app(search, parts.store, embedder or parts.models, parts.sources, settings.api)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def found(client: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    """Search, and return the answer of a search that went well."""
    response = await client.post("/v1/search", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


@dataclass(frozen=True)
class Indexed:
    """The samples in an index of their own."""

    settings: Settings
    parts: Parts


@pytest_asyncio.fixture(scope="module")
async def indexed(settings: Settings, opensearch_url: str, models_url: str, checkpoint: Path) -> AsyncIterator[Indexed]:
    mine = own(settings)
    try:
        async with open_parts(mine, opensearch_url, models_url, checkpoint) as parts:
            await parts.job.add(Source("samples", "markdown", str(SAMPLES)))
            report = await parts.job.sync("samples")
            assert report.failures == ()
            assert report.documents == sum(len(files) for _, _, files in os.walk(SAMPLES)) - report.skipped
            assert report.embedded >= report.chunks // 2 and report.chunks > 300
            yield Indexed(mine, parts)
    finally:
        await drop(opensearch_url, mine.opensearch.alias)


# The query, the documents whose chunk may come first, and what that chunk must say.
FIRST_HITS = (
    ("E1024", {"data/error_codes.xlsx"}, "E1024"),
    ("allocate_inventory", {"src/python/akane/allocation.py"}, "def allocate_inventory("),
    ("func main()", {"src/go/main.go"}, "func main() {"),
    ("在庫が足りないとき注文はどうなる", {"runbooks/stock-mismatch.md", "specs/ja/allocation.md"}, "在庫"),
    ("POST /orders/{orderId}/cancel", {"api/orders.openapi.yaml", "src/python/akane/client.py"}, "/cancel"),
)
QUERIES = [query for query, _, _ in FIRST_HITS]


@pytest.mark.parametrize(("query", "paths", "says"), FIRST_HITS, ids=QUERIES)
async def test_the_first_hit_is_the_place_that_answers(
    indexed: Indexed, query: str, paths: set[str], says: str
) -> None:
    async with facade(indexed.parts, indexed.settings) as client:
        answer = await found(client, query=query)
    assert answer["degraded"] == []
    assert len(answer["hits"]) == 10
    assert answer["hits"][0]["path"] in paths
    assert says in answer["hits"][0]["text"]


async def test_an_operation_is_found_by_its_method_and_path(indexed: Indexed) -> None:
    async with facade(indexed.parts, indexed.settings) as client:
        hits = (await found(client, query="POST /orders/{orderId}/cancel"))["hits"]
    assert "api/orders.openapi.yaml#/paths/~1orders~1{orderId}~1cancel/post" in [hit["locator"] for hit in hits[:5]]


@pytest.mark.parametrize("query", QUERIES)
async def test_the_locator_holds_the_text_of_the_hit(indexed: Indexed, query: str) -> None:
    async with facade(indexed.parts, indexed.settings) as client:
        hits = (await found(client, query=query, top_k=50))["hits"]
    checked = 0
    for hit in hits:
        if (lines := LINES.search(hit["locator"])) is None:
            continue
        assert hit["locator"].startswith(hit["path"])
        content = (SAMPLES / hit["path"]).read_text(encoding="utf-8").splitlines()
        start, end = int(lines[1]), int(lines[2])
        assert 1 <= start <= end <= len(content)
        if hit["kind"] in VERBATIM_KINDS:
            assert hit["text"].strip() in "\n".join(content[start - 1 : end])
        checked += hit["kind"] in VERBATIM_KINDS
    assert checked


async def test_headings_and_lines_of_pages_are_where_the_index_says(indexed: Indexed) -> None:
    async with facade(indexed.parts, indexed.settings) as client:
        hits = (await found(client, query="在庫の引当", top_k=20, filters={"kind": "section"}))["hits"]
    assert hits
    for hit in hits:
        content = (SAMPLES / hit["path"]).read_text(encoding="utf-8").splitlines()
        stored = await indexed.parts.store.document(hit["doc_id"], Principal())
        [chunk] = [item.chunk for item in stored if item.chunk.chunk_id == hit["chunk_id"]]
        span = "\n".join(content[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]])
        assert chunk.text.strip() in span


async def test_without_the_embedder_words_still_find(indexed: Indexed) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can get it, nobody answers
        gone = ModelClient(f"http://127.0.0.1:{taken.getsockname()[1]}", 2.0)
        try:
            async with facade(indexed.parts, indexed.settings, gone) as client:
                answer = await found(client, query="allocate_inventory", explain=True)
                dense = await client.post("/v1/search", json={"query": "allocate_inventory", "mode": "dense"})
        finally:
            await gone.close()
    assert answer["degraded"] == ["embedder"]
    assert "src/python/akane/allocation.py" in [hit["path"] for hit in answer["hits"]]
    assert all({"dense", "sparse", "late"}.isdisjoint(hit["legs"]) for hit in answer["hits"])
    assert dense.status_code == 503


async def test_the_facade_tells_that_the_engine_is_gone_and_recovers(
    settings: Settings, models_url: str, checkpoint: Path
) -> None:
    mine = own(settings, heap_mb=512)
    node = EmbeddedNode(mine.opensearch, mine.state_dir, settings.cache_dir)
    pages = mine.state_dir.parent / "pages"
    pages.mkdir()
    (pages / "cancel.md").write_text("# Cancelling\n\nAn order is cancelled before it ships.\n", encoding="utf-8")
    try:
        url = await node.start()
        async with open_parts(mine, url, models_url, checkpoint) as parts, facade(parts, mine) as client:
            await parts.job.add(Source("pages", "markdown", str(pages)))
            await parts.job.sync("pages")
            before = await found(client, query="cancel an order")
            assert [hit["path"] for hit in before["hits"]] == ["cancel.md"]
            await node.stop()
            for body in ({"query": "cancel an order"}, {"query": "cancel", "mode": "lexical"}):
                gone = await client.post("/v1/search", json=body)
                assert gone.status_code == 503
                assert gone.headers["content-type"] == "application/problem+json"
                problem = gone.json()
                assert problem["type"] == "urn:shirabe:problem:unavailable"
                assert "search engine" in problem["detail"]
            assert await node.start() == url, "a node that comes back keeps its address"
            after = await found(client, query="cancel an order")
            assert [hit["chunk_id"] for hit in after["hits"]] == [hit["chunk_id"] for hit in before["hits"]]
            await drop(url, mine.opensearch.alias)
    finally:
        await node.stop()


def git(repository: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True, timeout=60)


def page(number: int, sections: int, words: str) -> str:
    parts = [
        f"## Part {part}\n\n{words} {number}-{part}: 在庫 {part} を倉庫 {number} に戻す。\n" for part in range(sections)
    ]
    return f"# Page {number}\n\n" + "\n".join(parts)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Sixty pages, and a commit after it that shortens, rewrites, removes, renames and adds some of them."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for number in range(60):
        (folder / f"page{number:02d}.md").write_text(page(number, 4, "first"), encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def rewrite(folder: Path) -> None:
    for number in range(60):
        path = folder / f"page{number:02d}.md"
        match number % 6:
            case 0:
                path.write_text(page(number, 2, "first"), encoding="utf-8")
            case 1:
                path.write_text(page(number, 4, "second"), encoding="utf-8")
            case 2:
                path.unlink()
            case 3:
                path.rename(folder / f"moved{number:02d}.md")
            case 4:
                path.write_text(page(number, 6, "third"), encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "second")


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
    small = settings.ingest.model_copy(update={"batch_chunks": 8})
    pair = [own(settings, url=opensearch_url).model_copy(update={"ingest": small}) for _ in range(2)]
    yield pair[0], pair[1]
    for mine in pair:
        await drop(opensearch_url, mine.opensearch.alias)


@pytest.mark.parametrize(
    ("first_is_in", "dies_at", "where"),
    [(False, 7, "after"), (False, 5, "between"), (True, 2, "after"), (True, 6, "between")],
)
async def test_a_sync_that_is_killed_ends_as_if_it_had_not_been(
    two_indices: tuple[Settings, Settings], repository: Path, first_is_in: bool, dies_at: int, where: str
) -> None:
    mine, undisturbed = two_indices
    source = Source("docs", "git", str(repository))
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
