"""What every `ActivityLog` does, run on the one in memory and on OpenSearch."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from fake_activity_log import InMemoryActivityLog
from opensearchpy import AsyncOpenSearch
from waiting import until

from opensearch import activity_log
from opensearch.activity_documents import ActivityIndexes, index_bodies
from opensearch.activity_log import OpenSearchActivityLog
from opensearch.client import build_client
from shirabe.protocols import ActivityLog
from shirabe.settings import OpenSearchSettings
from shirabe.types import LoggedEvent, LoggedSearch, LoggedSync

ROOM = 20
TEXTS = ("long", "astral", "control", "ndjson")
NOW = datetime.now(UTC).replace(microsecond=123_000)


def search(**changed: Any) -> LoggedSearch:
    entry = LoggedSearch(
        query_id=str(uuid.uuid4()),
        at=NOW,
        text='注文を"取り消す" cancelOrder',
        lang="ja",
        mode="hybrid",
        rerank="auto",
        top_k=10,
        filters=("kind", "lang"),
        chunk_ids=("doc-00001", "doc-00000"),
        took_ms=41.256,
        stages_ms={"embed": 10.0, "legs": 20.123},
        generation="shirabe-chunks-000001",
        degraded=("rerank",),
        client="c1",
    )
    return replace(entry, **changed)


def event(**changed: Any) -> LoggedEvent:
    return replace(LoggedEvent(str(uuid.uuid4()), NOW, "click", "doc-00001", 1, "c1"), **changed)


def sync(**changed: Any) -> LoggedSync:
    held = {"documents": 4, "chunks": 12, "failures": 1}
    began = NOW - timedelta(seconds=2)
    return replace(LoggedSync("docs", "git", began, NOW, "ok", "g-000001", 60.5, 3, 1, 1, 9, 5, 4, held), **changed)


@dataclass
class Opened:
    """A log, and how to read what it wrote and to write around it; `indexes` are its own."""

    log: ActivityLog
    indexes: ActivityIndexes
    read: Callable[[str], Awaitable[list[dict[str, Any]]]]
    write: Callable[[str, dict[str, Any]], Awaitable[None]]


@pytest.fixture
def in_memory() -> Opened:
    log = InMemoryActivityLog(queue_entries=ROOM)

    async def read(index: str) -> list[dict[str, Any]]:
        return list(log.documents[index])

    async def write(index: str, body: dict[str, Any]) -> None:
        log.documents[index].append(body)

    return Opened(log, log.indexes, read, write)


def new_names() -> ActivityIndexes:
    name = f"log-{uuid.uuid4().hex[:12]}"
    return ActivityIndexes(f"{name}-queries", f"{name}-events", f"{name}-searches", f"{name}-syncs")


@asynccontextmanager
async def engine_log(url: str, indexes: ActivityIndexes, *, queries: bool = True) -> AsyncIterator[Opened]:
    client = build_client(OpenSearchSettings(url=url))
    log = OpenSearchActivityLog(client, 30, indexes, ROOM, queries=queries)

    async def read(index: str) -> list[dict[str, Any]]:
        await client.indices.refresh(index=index)
        hits = (await client.search(index=index, body={"size": 100}))["hits"]["hits"]
        return [hit["_source"] for hit in hits]

    async def write(index: str, body: dict[str, Any]) -> None:
        await client.index(index=index, body=body, params={"refresh": "true"})

    yield Opened(log, indexes, read, write)
    await log.close()
    async with AsyncOpenSearch(hosts=[url]) as other:
        await other.indices.delete(index=",".join(indexes.names()), params={"ignore_unavailable": "true"})


@pytest_asyncio.fixture
async def on_opensearch(opensearch_url: str) -> AsyncIterator[Opened]:
    async with engine_log(opensearch_url, new_names()) as opened:
        yield opened


@pytest.fixture(params=["memory", "opensearch"])
def opened(request: pytest.FixtureRequest) -> Opened:
    opened: Opened = request.getfixturevalue("in_memory" if request.param == "memory" else "on_opensearch")
    return opened


async def test_a_search_is_a_ubi_query_and_a_row_of_figures(opened: Opened) -> None:
    entry = search()
    opened.log.record(entry)
    await opened.log.flush()
    facts = {
        "mode": "hybrid",
        "rerank": "auto",
        "lang": "ja",
        "filters": ["kind", "lang"],
        "top_k": 10,
        "hits": 2,
        "took_ms": 41.26,
        "generation": "shirabe-chunks-000001",
        "degraded": ["rerank"],
        "stages_ms": {"embed": 10.0, "legs": 20.12},
    }
    at = NOW.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    asked = {"query_id": entry.query_id, "user_query": entry.text, "timestamp": at}
    assert await opened.read(opened.indexes.queries) == [
        asked
        | {
            "application": "shirabe",
            "client_id": "c1",
            "query_response_id": entry.query_id,
            "query_response_hit_ids": ["doc-00001", "doc-00000"],
            "object_id_field": "chunk_id",
            "query_attributes": facts,
        }
    ]
    assert await opened.read(opened.indexes.searches) == [asked | facts]
    assert opened.log.counts() == {"written": 1, "dropped": 0, "failed": 0}


async def test_an_event_names_the_query_the_hit_and_its_place(opened: Opened) -> None:
    entry = event()
    opened.log.record(entry)
    await opened.log.flush()
    [row] = await opened.read(opened.indexes.events)
    assert row == {
        "application": "shirabe",
        "action_name": "click",
        "query_id": entry.query_id,
        "client_id": "c1",
        "timestamp": NOW.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event_attributes": {
            "object": {"object_id": "doc-00001", "object_id_field": "chunk_id"},
            "position": {"ordinal": 1},
        },
    }


async def test_a_sync_says_what_it_did_and_how_the_source_stands(opened: Opened) -> None:
    opened.log.record(sync())
    opened.log.record(sync(outcome="Unavailable", lag_s=None, held={}))
    await opened.log.flush()
    rows = {row["outcome"]: row for row in await opened.read(opened.indexes.syncs)}
    good = rows["ok"]
    assert (good["source"], good["kind"], good["took_s"], good["lag_s"]) == ("docs", "git", 2.0, 60.5)
    assert (good["documents"], good["deleted"], good["failed"]) == (3, 1, 1)
    assert (good["chunks"], good["embedded"], good["cached"]) == (9, 5, 4)
    assert good["held"] == {"documents": 4, "chunks": 12, "failures": 1}
    assert "lag_s" not in rows["Unavailable"]


async def test_without_a_client_there_is_none(opened: Opened) -> None:
    opened.log.record(search(client=""))
    opened.log.record(event(client=""))
    await opened.log.flush()
    rows = await opened.read(opened.indexes.queries) + await opened.read(opened.indexes.events)
    assert len(rows) == 2 and not any("client_id" in row for row in rows)


async def test_what_there_is_no_room_for_is_counted(opened: Opened) -> None:
    for _ in range(ROOM + 5):
        opened.log.record(event())
    await opened.log.flush()
    assert opened.log.counts() == {"written": ROOM, "dropped": 5, "failed": 0}
    opened.log.record(event())
    await opened.log.flush()
    assert len(await opened.read(opened.indexes.events)) == ROOM + 1


@pytest.mark.parametrize("text", ["題" * 40_000, "𠮷" * 9_000, "\x00\n\t", '{"query": 1}\n{"delete": {}}'], ids=TEXTS)
async def test_any_query_is_kept(opened: Opened, text: str) -> None:
    opened.log.record(search(text=text, stages_ms={"a new stage": 1.0}))
    await opened.log.flush()
    [row] = await opened.read(opened.indexes.queries)
    assert text.startswith(row["user_query"]) and len(row["user_query"]) > min(len(text), 8_000) - 1
    assert opened.log.counts()["failed"] == 0


async def test_what_is_old_goes_and_what_is_not_ours_stays(opened: Opened) -> None:
    old = NOW - timedelta(days=31)
    young = NOW - timedelta(days=29)
    for at in (old, young):
        opened.log.record(search(at=at))
        opened.log.record(event(at=at))
        opened.log.record(sync(started=at, finished=at))
    await opened.log.flush()
    stamp = old.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    await opened.write(opened.indexes.queries, {"application": "shop", "timestamp": stamp, "user_query": "shoes"})
    await opened.write(opened.indexes.events, {"action_name": "login", "timestamp": stamp, "application": "shop"})
    for index in opened.indexes.names():
        await opened.read(index)
    await opened.log.prune()
    assert sorted(row["application"] for row in await opened.read(opened.indexes.queries)) == ["shirabe", "shop"]
    assert sorted(row["application"] for row in await opened.read(opened.indexes.events)) == ["shirabe", "shop"]
    assert len(await opened.read(opened.indexes.searches)) == 1
    assert len(await opened.read(opened.indexes.syncs)) == 1


async def test_pruning_before_anything_was_written_is_nothing(opened: Opened) -> None:
    await opened.log.prune()


async def test_an_engine_that_is_gone_costs_the_entries_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_log, "RETRY_WAITS_S", (0.0,))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        client = build_client(OpenSearchSettings(url=f"http://127.0.0.1:{port}", timeout_s=1.0))
        log = OpenSearchActivityLog(client, 30)
        began = time.perf_counter()
        log.record(search())
        log.record(event())
        assert time.perf_counter() - began < activity_log.LINGER_S
        await log.flush()
        assert log.counts() == {"written": 0, "dropped": 0, "failed": 2}
        await log.close()


async def test_indexes_that_ubi_made_are_taken_as_they_are(opensearch_url: str) -> None:
    """A plugin of another version has another mapping: ours must fit, and leave it alone."""
    names = new_names()
    older = index_bodies(names)[names.queries]
    words = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    older["mappings"]["properties"]["user_query"] = words
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        await client.indices.create(index=names.queries, body=older)
        before = await client.indices.get_mapping(index=names.queries)
        async with engine_log(opensearch_url, names) as opened:
            opened.log.record(search())
            await opened.log.flush()
            assert await client.indices.get_mapping(index=names.queries) == before
            assert opened.log.counts()["written"] == 1


@pytest.mark.parametrize("queries", [True, False])
async def test_the_indexes_are_there_before_the_first_entry(opensearch_url: str, queries: bool) -> None:
    names = new_names()
    wanted = set(names.names()) if queries else {names.syncs}
    async with (
        AsyncOpenSearch(hosts=[opensearch_url]) as client,
        engine_log(opensearch_url, names, queries=queries) as opened,
    ):

        async def made() -> bool:
            # The index of syncs is the last to be made.
            return bool(await client.indices.exists(index=names.syncs))

        await until(made, "the indexes are made", 60.0)
        prefix = names.syncs.removesuffix("syncs")
        assert set(await client.indices.get(index=f"{prefix}*")) == wanted
        await opened.log.prune()


async def test_an_index_that_was_deleted_is_made_again(on_opensearch: Opened, opensearch_url: str) -> None:
    on_opensearch.log.record(event())
    await on_opensearch.log.flush()
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        await client.indices.delete(index=on_opensearch.indexes.events)
        on_opensearch.log.record(event())
        await on_opensearch.log.flush()
        mapping = await client.indices.get_mapping(index=on_opensearch.indexes.events)
    properties = mapping[on_opensearch.indexes.events]["mappings"]["properties"]
    assert properties["query_id"] == {"type": "keyword", "ignore_above": 100}
    assert len(await on_opensearch.read(on_opensearch.indexes.events)) == 1


async def test_what_the_engine_refuses_is_counted_and_the_rest_is_written(
    opensearch_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = new_names()
    odd = index_bodies(names)[names.queries]
    odd["mappings"]["properties"]["user_query"] = {"type": "integer"}
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        await client.indices.create(index=names.queries, body=odd)
    async with engine_log(opensearch_url, names) as opened:
        opened.log.record(search(text="what nobody may read"))
        opened.log.record(event())
        await opened.log.flush()
        assert opened.log.counts() == {"written": 1, "dropped": 0, "failed": 1}
    said = capsys.readouterr()
    assert "mapper_parsing_exception" in said.out + said.err
    assert "nobody" not in said.out + said.err


async def test_closing_writes_what_waits(
    opensearch_url: str, on_opensearch: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_log, "CLOSE_TIMEOUT_S", 60.0)
    client = build_client(OpenSearchSettings(url=opensearch_url))
    log = OpenSearchActivityLog(client, 30, on_opensearch.indexes)
    for _ in range(3 * activity_log.BATCH_ENTRIES):
        log.record(event())
    await log.close()
    assert log.counts()["written"] == 3 * activity_log.BATCH_ENTRIES
