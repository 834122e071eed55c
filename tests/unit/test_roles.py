"""Each role grants what it is for, and nothing more: held against what the real security plugin asked of requests."""

from __future__ import annotations

import json

import pytest
from dashboards_requests import Objects
from role_guard import Guard

from opensearch.dashboards import dashboard_objects
from opensearch.plugin.roles import DASHBOARDS, READER, WRITER

ALIAS = "shirabe-chunks"
GENERATION = f"{ALIAS}-000001"
EVERY = (WRITER, READER, DASHBOARDS)
LOGS = ("ubi_queries", "ubi_events", "shirabe-searches", "shirabe-syncs")
NEURAL = b'{"query": {"neural": {"dense": {"query_text": "x", "k": 5}}}}'
PIPELINE = "search_pipeline=shirabe-rrf-rerank"


def missing(role: str, request: str, body: bytes = b"", query: str = "") -> str:
    method, _, path = request.partition(" ")
    found = Guard.of(role, ALIAS).missing(method, path, body, query)
    assert "nobody has looked up" not in found, request
    return found


@pytest.mark.parametrize("role", EVERY)
def test_every_role_searches_texts_by_meaning(role: str) -> None:
    assert missing(role, "POST /shirabe-text-faq/_search", NEURAL, PIPELINE) == ""


def test_the_writer_indexes_texts_and_rotates_generations() -> None:
    for request in (
        "PUT /shirabe-text-faq",
        "POST /shirabe-text-faq/_bulk",
        f"DELETE /{GENERATION}",
        f"GET /{GENERATION}/_settings/index.blocks.*",
        *(f"POST /{log}/_delete_by_query" for log in LOGS),
    ):
        assert missing(WRITER, request) == "", request


def test_whoever_sees_the_dashboards_reads_what_they_show() -> None:
    objects = Objects.of(dashboard_objects(ALIAS))
    shown = {objects.pattern(name)["title"] for kind in ("visualization", "search") for name in objects.of_type(kind)}
    assert shown == {ALIAS, *LOGS}
    for index in shown:
        for asked in ("_search", "_msearch", "_field_caps"):
            assert missing(DASHBOARDS, f"{'GET' if asked == '_field_caps' else 'POST'} /{index}/{asked}") == "", index


@pytest.mark.parametrize("role", [READER, DASHBOARDS])
@pytest.mark.parametrize(
    "request_", ["POST /{}/_bulk", "POST /{}/_delete_by_query", "PUT /{}", "DELETE /{}", "PUT /{}/_mapping"]
)
def test_who_reads_does_not_write(role: str, request_: str) -> None:
    for index in ("shirabe-text-faq", GENERATION, ALIAS, *LOGS):
        assert missing(role, request_.format(index)), index


def test_who_searches_texts_sees_neither_the_facades_index_nor_the_logs() -> None:
    for index in (ALIAS, GENERATION, f"{ALIAS}-code", *LOGS, f"shirabe-text-faq,{ALIAS}"):
        assert missing(READER, f"POST /{index}/_search").endswith(f"on {index.rpartition(',')[2]}"), index


@pytest.mark.parametrize("role", EVERY)
@pytest.mark.parametrize(
    "request_",
    [
        "POST /hr-salaries/_search",
        f"POST /{ALIAS},hr-salaries/_search",
        "GET /hr-salaries",
        "PUT /hr-salaries",
        "DELETE /hr-salaries",
        "POST /hr-salaries/_bulk",
        "POST /.opendistro_security/_search",
        "POST /.plugins-ml-connector/_search",
        "GET /_cat/aliases",
        "GET /_cluster/settings",
        "GET /_cluster/state/metadata",
        "PUT /_cluster/settings",
        f"PUT /{GENERATION}/_settings",
        "DELETE /ubi_queries",
        "DELETE /shirabe-text-faq",
    ],
)
def test_nobody_gets_at_anything_else(role: str, request_: str) -> None:
    assert missing(role, request_), request_


def test_an_alias_of_ours_opens_no_index_of_others() -> None:
    for index, alias in (("hr-salaries", "shirabe-text-hr"), (GENERATION, "salaries")):
        change = {"actions": [{"add": {"index": index, "alias": alias}}]}
        assert missing(WRITER, "POST /_aliases", json.dumps(change).encode())
