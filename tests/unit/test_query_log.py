"""What the facade keeps of searches and of what is done with their hits."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from facade_client import BASE, Facade, assert_problem
from fake_activity_log import InMemoryActivityLog

from shirabe.errors import Unavailable
from shirabe.settings import ApiSettings
from shirabe.types import LoggedEvent, LoggedSearch


@pytest.fixture
def activity() -> InMemoryActivityLog:
    return InMemoryActivityLog()


@pytest.fixture
def facade(activity: InMemoryActivityLog) -> Facade:
    return Facade(activity=activity)


@pytest.fixture
async def client(facade: Facade) -> AsyncIterator[httpx.AsyncClient]:
    async with facade.client() as client:
        yield client


def click(**changed: Any) -> dict[str, Any]:
    attributes = {"object": {"object_id": "abc-00000"}, "position": {"ordinal": 2}}
    return {"action_name": "click", "query_id": str(uuid.uuid4()), "event_attributes": attributes} | changed


async def test_a_search_is_kept_as_it_was_answered(client: httpx.AsyncClient, activity: InMemoryActivityLog) -> None:
    body = {
        "query": "注文の cancel",
        "filters": {"source": "docs", "lang": ["ja", "en"]},
        "top_k": 2,
        "mode": "lexical",
    }
    answer = (await client.post("/v1/search", json=body)).json()
    [entry] = activity.entries
    assert isinstance(entry, LoggedSearch)
    assert entry.query_id == answer["query_id"] == str(uuid.UUID(answer["query_id"]))
    assert (entry.text, entry.lang, entry.mode, entry.rerank, entry.top_k) == (
        "注文の cancel",
        "ja",
        "lexical",
        "auto",
        2,
    )
    assert entry.filters == ("lang", "source")
    assert list(entry.chunk_ids) == [hit["chunk_id"] for hit in answer["hits"]] != []
    assert round(entry.took_ms, 2) == answer["took_ms"]
    assert set(entry.stages_ms) == set(answer["stages_ms"])
    assert (entry.generation, entry.degraded, entry.client) == (answer["generation"], (), "")


async def test_a_search_that_finds_nothing_is_kept_too(
    client: httpx.AsyncClient, activity: InMemoryActivityLog
) -> None:
    await client.post("/v1/search", json={"query": "zebra", "mode": "lexical"})
    [entry] = activity.entries
    assert isinstance(entry, LoggedSearch)
    assert (entry.chunk_ids, entry.lang) == ((), "en")


async def test_a_search_that_fails_is_not_kept(
    facade: Facade, client: httpx.AsyncClient, activity: InMemoryActivityLog
) -> None:
    facade.store.error = Unavailable("gone")
    assert (await client.post("/v1/search", json={"query": "cancel"})).status_code == 503
    assert (await client.post("/v1/search", json={"query": ""})).status_code == 400
    assert activity.entries == []


async def test_events_refer_to_the_search_and_the_hit(client: httpx.AsyncClient, activity: InMemoryActivityLog) -> None:
    answer = (await client.post("/v1/search", json={"query": "cancel", "client_id": "me@example.org"})).json()
    hit = answer["hits"][0]
    event = {
        "action_name": "click",
        "query_id": answer["query_id"],
        "client_id": "me@example.org",
        "event_attributes": {
            "object": {"object_id": hit["chunk_id"], "object_id_field": "chunk_id"},
            "position": {"ordinal": 1},
        },
    }
    response = await client.post("/v1/events", json={"events": [event]})
    assert (response.status_code, response.json()) == (202, {"accepted": 1})
    search, opened = activity.entries
    assert isinstance(search, LoggedSearch) and isinstance(opened, LoggedEvent)
    assert (opened.query_id, opened.action, opened.chunk_id, opened.ordinal) == (
        search.query_id,
        "click",
        search.chunk_ids[0],
        1,
    )
    assert opened.client == search.client
    assert opened.at >= search.at


async def test_nobody_is_named_and_a_restart_forgets_who_was_who(activity: InMemoryActivityLog) -> None:
    for _ in range(2):
        async with Facade(activity=activity).client() as client:
            for name in ("me@example.org", "me@example.org", "you@example.org"):
                await client.post("/v1/search", json={"query": "cancel", "client_id": name})
    clients = [entry.client for entry in activity.entries if isinstance(entry, LoggedSearch)]
    assert clients[0] == clients[1] != clients[2]
    assert len(set(clients)) == 4
    assert not any("example" in name or not name for name in clients)


async def test_an_event_of_a_search_that_is_not_known_is_taken(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/events", json={"events": [click()] * 100})
    assert response.json() == {"accepted": 100}


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"query_id": "what I typed"}, "events.0.query_id"),
        ({"action_name": "Click me"}, "events.0.action_name"),
        ({"action_name": "a" * 65}, "events.0.action_name"),
        ({"client_id": "x" * 101}, "events.0.client_id"),
        ({"user_query": "free text"}, "events.0.user_query"),
        ({"event_attributes": {"position": {"ordinal": 1}}}, "events.0.event_attributes.object"),
        (
            {"event_attributes": {"object": {"object_id": "x" * 257}, "position": {"ordinal": 1}}},
            "events.0.event_attributes.object.object_id",
        ),
        (
            {"event_attributes": {"object": {"object_id": "free text"}, "position": {"ordinal": 1}}},
            "events.0.event_attributes.object.object_id",
        ),
        (
            {"event_attributes": {"object": {"object_id": "x", "object_id_field": "url"}, "position": {"ordinal": 1}}},
            "events.0.event_attributes.object.object_id_field",
        ),
        (
            {"event_attributes": {"object": {"object_id": "x"}, "position": {"ordinal": 0}}},
            "events.0.event_attributes.position.ordinal",
        ),
    ],
)
async def test_a_bad_event_is_refused_by_its_place_and_nothing_is_kept(
    client: httpx.AsyncClient, activity: InMemoryActivityLog, changed: dict[str, Any], place: str
) -> None:
    events = [click(**changed), click()]
    body = assert_problem(await client.post("/v1/events", json={"events": events}), 400, "invalid-input")
    assert body["place"] == place
    assert activity.entries == []


@pytest.mark.parametrize("count", [0, 101])
async def test_the_number_of_events_is_bounded(client: httpx.AsyncClient, count: int) -> None:
    response = await client.post("/v1/events", json={"events": [click()] * count})
    assert assert_problem(response, 400, "invalid-input")["place"] == "events"


async def test_another_site_cannot_send_events(client: httpx.AsyncClient, activity: InMemoryActivityLog) -> None:
    body = {"events": [click()]}
    refused = await client.post("/v1/events", json=body, headers={"Origin": "https://evil.example"})
    assert_problem(refused, 403, "forbidden")
    beacon = {"Origin": BASE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert (await client.post("/v1/events", json=body, headers=beacon)).status_code == 202
    assert len(activity.entries) == 1


async def test_a_full_log_fails_no_search_and_is_counted() -> None:
    facade = Facade(activity=InMemoryActivityLog(queue_entries=1))
    async with facade.client() as client:
        for _ in range(3):
            assert (await client.post("/v1/search", json={"query": "cancel"})).status_code == 200
        text = (await client.get("/metrics")).text
    assert 'shirabe_activity_total{outcome="dropped"} 2.0' in text
    assert 'shirabe_activity_total{outcome="failed"} 0.0' in text


async def test_switched_off_nothing_is_kept_and_no_search_is_named() -> None:
    async with Facade(activity=None).client(ApiSettings()) as client:
        assert "query_id" not in (await client.post("/v1/search", json={"query": "cancel"})).json()
        response = await client.post("/v1/events", json={"events": [click()]})
        assert (response.status_code, response.json()) == (202, {"accepted": 0})
        assert "shirabe_activity" not in (await client.get("/metrics")).text


async def test_queries_are_never_printed(client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    await client.post("/v1/search", json={"query": "what nobody may read"})
    said = capsys.readouterr()
    assert "nobody" not in said.out + said.err
