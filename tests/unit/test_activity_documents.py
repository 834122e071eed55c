"""Queries and events against the JSON schemas of the UBI specification 1.3.0 (o19s/ubi), as far as they bind us."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from opensearch.activity_documents import ActivityIndexes, documents_of, index_bodies, outdated_queries
from shirabe.types import LoggedEvent, LoggedSearch

NAMES = ActivityIndexes()
NOW = datetime(2026, 11, 1, 10, 0, 0, 5_000, UTC)
NAME = {"type": "string", "maxLength": 100}
TIME = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
QUERY = {
    "type": "object",
    "required": ["user_query"],
    "properties": {
        "application": NAME,
        "query_id": NAME,
        "client_id": NAME,
        "user_query": {"type": "string"},
        "query_attributes": {"type": "object"},
        "object_id_field": NAME,
        "timestamp": TIME,
        "query_response_id": {"type": "string"},
        "query_response_hit_ids": {"type": "array", "items": {"type": "string"}},
    },
    # The schema itself allows more; we write nothing else.
    "additionalProperties": False,
}
EVENT = {
    "type": "object",
    "required": ["action_name", "timestamp"],
    "properties": {
        "application": NAME,
        "action_name": NAME,
        "query_id": NAME,
        "client_id": NAME,
        "timestamp": TIME,
        "event_attributes": {
            "type": "object",
            "required": ["position"],
            "properties": {
                "object": {
                    "type": "object",
                    "required": ["object_id"],
                    "properties": {"object_id": {"type": "string", "maxLength": 256}, "object_id_field": NAME},
                },
                "position": {
                    "type": "object",
                    "required": ["ordinal"],
                    "properties": {"ordinal": {"type": "integer"}},
                },
            },
        },
    },
    "additionalProperties": False,
}


def search(**changed: Any) -> LoggedSearch:
    given: dict[str, Any] = {
        "query_id": str(uuid.uuid4()),
        "at": NOW,
        "text": "注文",
        "lang": "ja",
        "mode": "hybrid",
        "rerank": "auto",
        "top_k": 10,
        "filters": ("kind",),
        "chunk_ids": ("a-00000",),
        "took_ms": 12.345,
        "stages_ms": {"legs": 3.0},
        "generation": "g",
    }
    return LoggedSearch(**(given | changed))


@pytest.mark.parametrize("client", ["", "c" * 32])
def test_a_query_is_what_ubi_says(client: str) -> None:
    query, _ = documents_of(search(client=client), NAMES)
    assert query.index == "ubi_queries"
    jsonschema.validate(query.body, QUERY)
    assert ("client_id" in query.body) == bool(client)


@pytest.mark.parametrize("client", ["", "c" * 32])
def test_an_event_is_what_ubi_says(client: str) -> None:
    [event] = documents_of(LoggedEvent(str(uuid.uuid4()), NOW, "click", "a-00000", 1, client), NAMES)
    assert event.index == "ubi_events"
    jsonschema.validate(event.body, EVENT)


def test_what_is_written_twice_is_there_once() -> None:
    entry = search()
    assert {one.document_id for one in documents_of(entry, NAMES)} == {entry.query_id}


def test_the_longest_query_is_cut_between_characters() -> None:
    query, _ = documents_of(search(text="x" + "題" * 20_000), NAMES)
    kept = query.body["user_query"]
    assert 32_763 <= len(kept.encode()) <= 32_766 and set(kept) == {"x", "題"}


def test_ubi_mappings_are_as_strict_as_published() -> None:
    bodies = index_bodies(NAMES)
    queries, events = (bodies[name]["mappings"] for name in (NAMES.queries, NAMES.events))
    assert queries["dynamic"] is False
    assert "dynamic" not in events and events["properties"]["event_attributes"]["dynamic"] is True
    assert queries["properties"]["query_attributes"] == {"type": "flat_object"}
    for mapping in (queries, events):
        assert mapping["properties"]["timestamp"]["format"] == "strict_date_time"
    for name in (NAMES.searches, NAMES.syncs):
        assert bodies[name]["mappings"]["dynamic"] == "strict"


def test_what_others_wrote_is_never_deleted() -> None:
    queries = outdated_queries(NAMES, 30)
    assert set(queries) == set(NAMES.names())
    for name in (NAMES.queries, NAMES.events):
        assert {"term": {"application": "shirabe"}} in queries[name]["bool"]["filter"]
    assert all("now-30d" in str(query) for query in queries.values())
