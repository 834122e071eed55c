"""The dashboards against the real indexes: every field is there and serves, every chart's request gives its numbers."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from dashboards_requests import TAKES, Objects, Row, request_of, rows_of
from opensearchpy import AsyncOpenSearch
from waiting import until

from opensearch.activity_documents import ActivityIndexes
from opensearch.activity_log import OpenSearchActivityLog
from opensearch.client import build_client
from opensearch.dashboards import dashboard_objects
from opensearch.store import open_store
from shirabe.settings import OpenSearchSettings
from shirabe.types import (
    Acl,
    Document,
    Embedding,
    LoggedEvent,
    LoggedSearch,
    LoggedSync,
    ModelInfo,
    Record,
    document_id,
    make_chunk,
)

DIM = 8
MODEL = ModelInfo("test-model", "1", DIM, 512)
NOW = datetime.now(UTC).replace(microsecond=0)
APRIL, MAY = datetime(2026, 4, 10, tzinfo=UTC), datetime(2026, 5, 20, tzinfo=UTC)
# Names as `dashboard_objects` gives them, with the alias left out; what is here is all that may be on a dashboard.
CHARTS = (
    "size", "by-source", "by-kind", "by-language", "freshness", "newest-by-source",
    "lag", "last-sync", "failures", "failed-syncs", "growth", "embedding",
    "search-figures", "search-time", "search-stages", "search-outcomes", "slow-queries", "zero-hit-queries",
    "frequent-queries", "clicks-by-place", "click-figures",
)  # fmt: skip
LISTS = ("documents", "syncs-with-failures", "searches-without-hits", "slow-searches", "clicks")


@dataclass
class Filled:
    """The indexes with a few documents, and the objects over them."""

    alias: str
    objects: Objects
    client: AsyncOpenSearch

    def name(self, what: str) -> str:
        return f"{self.alias}-{what}"

    async def caps(self, name: str) -> dict[str, dict[str, Any]]:
        title = self.objects.pattern(name)["title"]
        answer = await self.client.field_caps(index=title, params={"fields": "*"})
        fields: dict[str, dict[str, Any]] = answer["fields"]
        return fields

    async def rows(self, what: str) -> list[Row]:
        name = self.name(what)
        state = self.objects.state(name)
        body = {
            "size": 0,
            "track_total_hits": True,
            "query": self.objects.query(name),
            "aggs": request_of(state),
        }
        answer = await self.client.search(index=self.objects.pattern(name)["title"], body=body)
        assert answer["_shards"]["failed"] == 0
        return rows_of(state, answer)


def record(
    source: str, path: str, lang: str, kind: str, at: datetime, ordinal: int = 0, *, public: bool = True
) -> Record:
    document = Document(
        document_id(source, path), source, path, f"https://x/{path}", path, b"", "text/plain", "r", at, Acl(public)
    )
    chunk = make_chunk(document, ordinal, kind=kind, text=f"{path} {ordinal}", locator=path, lang=lang)
    vector = np.zeros(DIM, dtype=np.float32)
    vector[0] = 1.0
    return Record(document, chunk, Embedding(dense=vector))


def search(text: str, took_ms: float, hits: int, *, client: str = "", degraded: tuple[str, ...] = ()) -> LoggedSearch:
    return LoggedSearch(
        query_id=str(uuid.uuid4()),
        at=NOW - timedelta(minutes=5),
        text=text,
        lang="ja",
        mode="hybrid",
        rerank="auto",
        top_k=10,
        filters=("lang",),
        chunk_ids=tuple(f"doc-{number:05d}" for number in range(hits)),
        took_ms=took_ms,
        stages_ms={"embed": 1.0, "legs": took_ms / 2},
        generation="g-000001",
        degraded=degraded,
        client=client,
    )


def sync(source: str, minutes_ago: int, outcome: str = "ok", lag_s: float | None = None, **counts: int) -> LoggedSync:
    finished = NOW - timedelta(minutes=minutes_ago)
    held = {name.removeprefix("held_"): count for name, count in counts.items() if name.startswith("held_")}
    done = {name: count for name, count in counts.items() if not name.startswith("held_")}
    return LoggedSync(source, "git", finished, finished, outcome, "g-000001", lag_s, held=held, **done)


CLICKED = str(uuid.uuid4())
ACTIVITY = (
    search("注文の取り消し", 10.0, 3, client="a"),
    search("注文の取り消し", 20.0, 3, client="b"),
    search("cancelOrder", 2_000.0, 1, client="a", degraded=("embedder",)),
    search("zebra", 30.0, 0),
    LoggedEvent(CLICKED, NOW, "click", "doc-00000", 1),
    LoggedEvent(CLICKED, NOW, "click", "doc-00002", 3),
    LoggedEvent(str(uuid.uuid4()), NOW, "click", "doc-00000", 1),
    LoggedEvent(str(uuid.uuid4()), NOW, "impression", "doc-00000", 1),
    sync("docs", 3, lag_s=60.0, embedded=5, cached=2, held_documents=2, held_chunks=3, held_failures=0),
    sync("docs", 2, lag_s=90.0, embedded=1, cached=4, failed=1, held_documents=2, held_chunks=4, held_failures=1),
    sync("code", 1, "Unavailable", lag_s=400.0, held_documents=1, held_chunks=1, held_failures=0),
)


@pytest_asyncio.fixture(scope="module")
async def filled(opensearch_url: str) -> AsyncIterator[Filled]:
    alias = f"dash-{uuid.uuid4().hex[:12]}"
    indexes = ActivityIndexes(*(f"{alias}x-{name}" for name in ("queries", "events", "searches", "syncs")))
    settings = OpenSearchSettings(url=opensearch_url, alias=alias)
    store = await open_store(settings, MODEL)
    client = build_client(settings)
    log = OpenSearchActivityLog(build_client(settings), 30, indexes)
    rows = [
        record("docs", "a.md", "ja", "section", APRIL),
        record("docs", "a.md", "ja", "table", APRIL, 1),
        record("docs", "b.md", "en", "section", MAY),
        record("code", "orders.py", "python", "function", MAY + timedelta(days=1)),
        record("docs", "secret.md", "en", "section", MAY + timedelta(days=9), public=False),
    ]
    await store.write(rows, [], 1)
    await store.refresh()
    for entry in ACTIVITY:
        log.record(entry)
    await log.flush()
    assert log.counts()["written"] == len(ACTIVITY)
    others = {"application": "shop", "action_name": "click", "timestamp": f"{NOW:%Y-%m-%dT%H:%M:%S}.000Z"}
    await client.index(index=indexes.events, body=others)
    await client.index(index=indexes.queries, body={**others, "user_query": "shoes"})
    await client.indices.refresh(index=",".join(indexes.names()))
    yield Filled(alias, Objects.of(dashboard_objects(alias, indexes)), client)
    await log.close()
    await store.close()
    await client.indices.delete(index=",".join([*indexes.names(), f"{alias}-000001"]))
    await client.close()


def test_these_tests_know_every_object(filled: Filled) -> None:
    assert set(filled.objects.of_type("visualization")) == {filled.name(what) for what in CHARTS}
    assert set(filled.objects.of_type("search")) == {filled.name(what) for what in LISTS}


@pytest.mark.parametrize("what", CHARTS)
async def test_every_field_of_a_chart_serves_what_it_is_for(filled: Filled, what: str) -> None:
    name = filled.name(what)
    caps = await filled.caps(name)
    used = [each for each in filled.objects.state(name)["aggs"] if "field" in each["params"]]
    assert used or filled.objects.queried_fields(name)
    for each in used:
        (kind,) = caps[each["params"]["field"]].values()
        assert kind["aggregatable"], each
        assert kind["type"] in TAKES[each["type"]], each
    for field in filled.objects.queried_fields(name):
        assert all(kind["searchable"] for kind in caps[field].values()), field


@pytest.mark.parametrize("what", LISTS)
async def test_every_field_of_a_list_is_there(filled: Filled, what: str) -> None:
    name = filled.name(what)
    caps = await filled.caps(name)
    attributes = filled.objects.rows[name]["attributes"]
    assert set(attributes["columns"]) <= caps.keys()
    for field, _ in attributes["sort"]:
        assert set(caps[field]) == {"date"}
    for field in filled.objects.queried_fields(name):
        assert all(kind["searchable"] for kind in caps[field].values()), field


async def test_every_time_field_is_a_date(filled: Filled) -> None:
    for name in filled.objects.of_type("index-pattern"):
        attributes = filled.objects.rows[name]["attributes"]
        fields = (await filled.client.field_caps(index=attributes["title"], params={"fields": "*"}))["fields"]
        if "timeFieldName" in attributes:
            assert set(fields[attributes["timeFieldName"]]) == {"date"}
        assert set(json.loads(attributes.get("fieldFormatMap", "{}"))) <= fields.keys()


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("size", [(3, 4, 2)]),
        ("by-source", [("docs", "en", 1), ("docs", "ja", 1), ("code", "python", 1)]),
        ("by-kind", [("section", 2), ("function", 1), ("table", 1)]),
        ("by-language", [("ja", 2), ("en", 1), ("python", 1)]),
        (
            "freshness",
            [
                ("2026-04-01T00:00:00.000+09:00", "docs", 1),
                ("2026-05-01T00:00:00.000+09:00", "code", 1),
                ("2026-05-01T00:00:00.000+09:00", "docs", 1),
            ],
        ),
        ("newest-by-source", [("code", stamp(MAY + timedelta(days=1)), 1), ("docs", stamp(MAY), 2)]),
        ("last-sync", [("docs", stamp(NOW - timedelta(minutes=2)), 2)]),
        ("failed-syncs", [("code", "Unavailable", 1, stamp(NOW - timedelta(minutes=1)))]),
        ("slow-queries", [("cancelOrder", 2_000.0, 1), ("zebra", 30.0, 1), ("注文の取り消し", 20.0, 2)]),
        ("zero-hit-queries", [("zebra", 1)]),
        ("frequent-queries", [("注文の取り消し", 2, 2), ("cancelOrder", 1, 1), ("zebra", 1, 0)]),
        ("clicks-by-place", [(1, 2), (3, 1)]),
        ("click-figures", [(3, 2)]),
    ],
)
async def test_a_chart_shows_what_was_written(filled: Filled, what: str, expected: list[Row]) -> None:
    assert sorted(await filled.rows(what)) == sorted(expected)


async def test_tables_begin_with_what_counts_most(filled: Filled) -> None:
    assert [row[0] for row in await filled.rows("slow-queries")] == ["cancelOrder", "zebra", "注文の取り消し"]
    assert (await filled.rows("newest-by-source"))[0][0] == "code"
    assert (await filled.rows("frequent-queries"))[0][0] == "注文の取り消し"
    assert [row[0] for row in await filled.rows("clicks-by-place")] == [1, 3]


async def test_the_time_to_answer_is_told_in_percentiles(filled: Filled) -> None:
    [(count, (median, p95, p99))] = await filled.rows("search-figures")
    assert count == 4
    assert 20.0 <= median <= 30.0 < p95 <= p99 <= 2_000.0
    [(_, along)] = await filled.rows("search-time")
    assert along == pytest.approx((median, p95))
    [(_, embed, legs, fetch, late, cross)] = await filled.rows("search-stages")
    assert (embed, legs) == (pytest.approx(1.0), pytest.approx(2_060.0 / 8))
    assert (fetch, late, cross) == (None, None, None)


async def test_searches_are_told_apart_by_what_came_of_them(filled: Filled) -> None:
    rows = await filled.rows("search-outcomes")
    assert {row[1]: row[2] for row in rows} == {"found": 2, "found, degraded": 1, "nothing found": 1}


@pytest.mark.parametrize(
    ("what", "expected"),
    [("lag", {"docs": 90.0, "code": 400.0}), ("failures", {"docs": 1, "code": 0}), ("growth", {"docs": 4, "code": 1})],
)
async def test_the_standing_of_a_source_is_a_line_of_its_own(
    filled: Filled, what: str, expected: dict[str, float]
) -> None:
    highest: dict[str, float] = {}
    for _, source, value in await filled.rows(what):
        highest[source] = max(value, highest.get(source, 0))
    assert highest == expected


async def test_the_work_of_syncs_adds_up(filled: Filled) -> None:
    rows = await filled.rows("embedding")
    assert (sum(row[1] for row in rows), sum(row[2] for row in rows)) == (6, 6)


@pytest.mark.parametrize(
    ("what", "field", "expected"),
    [
        ("documents", "path", ["orders.py", "b.md", "a.md"]),
        ("syncs-with-failures", "source", ["code", "docs"]),
        ("searches-without-hits", "user_query", ["zebra"]),
        ("slow-searches", "user_query", ["cancelOrder"]),
        ("clicks", "action_name", ["click"] * 3),
    ],
)
async def test_a_list_holds_what_it_is_for(filled: Filled, what: str, field: str, expected: list[str]) -> None:
    name = filled.name(what)
    sort = [{field: order} for field, order in filled.objects.rows[name]["attributes"]["sort"]]
    body = {"query": filled.objects.query(name), "sort": sort}
    answer = await filled.client.search(index=filled.objects.pattern(name)["title"], body=body)
    assert [hit["_source"][field] for hit in answer["hits"]["hits"]] == expected


async def test_a_fresh_installation_has_every_field_too(filled: Filled, opensearch_url: str) -> None:
    """Before the first search there is nothing to see; a chart that misses its field would say that it is broken."""
    alias = f"{filled.alias}y"
    indexes = ActivityIndexes(*(f"{alias}-{name}" for name in ("queries", "events", "searches", "syncs")))
    objects = Objects.of(dashboard_objects(alias, indexes))
    log = OpenSearchActivityLog(build_client(OpenSearchSettings(url=opensearch_url)), 30, indexes)

    async def made() -> bool:
        return bool(await filled.client.indices.exists(index=",".join(indexes.names())))

    await until(made, "the indexes are made", 60.0)
    checked = 0
    for name in objects.of_type("visualization") + objects.of_type("search"):
        title = objects.pattern(name)["title"]
        if title == alias:
            continue
        fields = (await filled.client.field_caps(index=title, params={"fields": "*"}))["fields"]
        if objects.rows[name]["type"] == "search":
            used = set(objects.rows[name]["attributes"]["columns"])
        else:
            used = {each["params"]["field"] for each in objects.state(name)["aggs"] if "field" in each["params"]}
        assert used | objects.queried_fields(name) <= fields.keys(), name
        checked += 1
    assert checked == len(CHARTS) + len(LISTS) - 7, "all but those over the chunks"
    await log.close()
    await filled.client.indices.delete(index=",".join(indexes.names()))
