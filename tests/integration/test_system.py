"""The real engine, the real models and the real facade together; what each does when another is gone or dies."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from opensearchpy import AsyncOpenSearch
from real_system import LINES, drop, facade, found, opened, own

from opensearch.node import EmbeddedNode
from ray_app.client import ModelClient
from shirabe.cli.compose import Parts, open_parts
from shirabe.settings import Settings
from shirabe.types import Principal, Source

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
VERBATIM_KINDS = frozenset({"function", "class", "module", "method", "code", "text"})


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
    ("E1024", {"data/error_codes.xlsx", "src/python/akane/errors.py"}, "E1024"),
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
        if not LINES.search(hit["locator"]):
            continue
        assert hit["locator"].startswith(hit["path"])
        place = opened((SAMPLES / hit["path"]).read_text(encoding="utf-8"), hit["locator"])
        assert place
        if hit["kind"] in VERBATIM_KINDS:
            assert hit["text"].strip() in place
        checked += 1
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
        # The glossary's terms are chunks of their own, and their lines are not in what is left of its page.
        assert all(line in span for line in chunk.text.splitlines())


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


async def test_what_is_asked_opened_and_synced_is_kept(indexed: Indexed, opensearch_url: str) -> None:
    async with facade(indexed.parts, indexed.settings) as client, AsyncOpenSearch(hosts=[opensearch_url]) as engine:
        answer = await found(client, query="在庫が足りないとき注文はどうなる", client_id="a tab")
        attributes = {"object": {"object_id": answer["hits"][0]["chunk_id"]}, "position": {"ordinal": 1}}
        event = {"action_name": "click", "query_id": answer["query_id"], "event_attributes": attributes}
        assert (await client.post("/v1/events", json={"events": [event]})).json() == {"accepted": 1}
        await indexed.parts.activity.flush()
        await engine.indices.refresh(index="ubi_queries,ubi_events,shirabe-searches,shirabe-syncs")
        named = {"query": {"term": {"query_id": answer["query_id"]}}}
        kept = {}
        for index in ("ubi_queries", "ubi_events", "shirabe-searches"):
            [hit] = (await engine.search(index=index, body=named))["hits"]["hits"]
            kept[index] = hit["_source"]
        assert kept["ubi_queries"]["query_response_hit_ids"] == [hit["chunk_id"] for hit in answer["hits"]]
        assert kept["ubi_events"]["event_attributes"]["object"]["object_id"] == answer["hits"][0]["chunk_id"]
        assert kept["shirabe-searches"]["took_ms"] == answer["took_ms"]
        assert kept["shirabe-searches"]["stages_ms"] == answer["stages_ms"]
        synced = {"query": {"term": {"generation": answer["generation"]}}}
        [sync] = (await engine.search(index="shirabe-syncs", body=synced))["hits"]["hits"]
        [status] = await indexed.parts.job.status()
        assert sync["_source"]["held"] == {"documents": status.documents, "chunks": status.chunks, "failures": 0}


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
