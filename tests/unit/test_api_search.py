import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from facade_client import BASE, ROWS, SECRET, Facade, assert_problem
from hypothesis import given, settings
from hypothesis import strategies as st

from shirabe.errors import Overloaded, PartialWrite, Timeout, Unavailable
from shirabe.settings import ApiSettings


@pytest.fixture
def facade() -> Facade:
    return Facade()


@pytest.fixture
async def client(facade: Facade) -> AsyncIterator[httpx.AsyncClient]:
    async with facade.client() as client:
        yield client


async def test_a_hit_says_everything(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/search", json={"query": "cancel order", "filters": {"lang": "en"}})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert set(answer) == {"hits", "glossary", "took_ms", "stages_ms", "generation", "degraded", "query_id"}
    hit = next(hit for hit in answer["hits"] if hit["path"] == "docs/en/cancel.md")
    assert set(hit) == {
        "chunk_id", "doc_id", "title", "text", "context", "highlights", "uri", "locator", "path", "source", "revision",
        "lang", "kind", "score", "headings", "updated_at",
    }  # fmt: skip
    assert hit["highlights"] == ["how to <em>cancel</em> an <em>order</em> &lt;b&gt;before&lt;/b&gt; it ships"]
    assert hit["updated_at"] == "2026-11-01T10:00:00Z"


async def test_a_hit_says_the_lines_that_were_asked_for(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/search", json={"query": '"cancel_order"', "mode": "code", "explain": True})
    (hit,) = response.json()["hits"]
    assert hit["lines"] == [1]
    assert hit["highlights"] == ["def <em>cancel_order</em>(order_id): ..."]
    assert hit["legs"] == {"exact": {"rank": 1, "score": 0.0}}


async def test_explain_gives_the_legs(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/search", json={"query": "cancel order", "explain": True})).json()
    first = answer["hits"][0]["legs"]
    assert {"lexical", "dense", "sparse", "fused", "late"} <= set(first)
    assert first["late"]["rank"] == 1


async def test_filters_take_a_value_or_a_list(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {"query": "注文 order", "filters": {"lang": ["ja", "fr"], "source": "docs"}}
    answer = (await client.post("/v1/search", json=body)).json()
    assert [hit["path"] for hit in answer["hits"]] == ["docs/ja/cancel.md"]


async def test_anonymous_callers_do_not_find_what_is_not_public(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/search", json={"query": "secret", "top_k": 100})
    assert "secret.md" not in answer.text
    assert_problem(await client.get(f"/v1/documents/{SECRET.chunk.doc_id}"), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"query": ""}, "query"),
        ({"query": "   "}, "query"),
        ({"query": "あ" * 100_000}, "query"),
        ({"query": 5}, "query"),
        ({"query": None}, "query"),
        ({}, "query"),
        ({"query": "x sym:a("}, "query"),
        ({"query": r"/\p{Greek}/", "mode": "code"}, "query"),
        ({"query": "lang:klingon"}, "query"),
        ({"query": "x", "top_k": 101}, "top_k"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "top_k": -1}, "top_k"),
        ({"query": "x", "top_k": 10**30}, "top_k"),
        ({"query": "x", "top_k": "5"}, "top_k"),
        ({"query": "x", "mode": "fuzzy"}, "mode"),
        ({"query": "x", "rerank": "best"}, "rerank"),
        ({"query": "x", "explain": "yes"}, "explain"),
        ({"query": "x", "filters": {"nothing": "y"}}, "filters.nothing"),
        ({"query": "x", "filters": {"acl": "admin"}}, "filters.acl"),
        ({"query": "x", "filters": {"lang": []}}, "filters.lang"),
        ({"query": "x", "filters": ["lang"]}, "filters"),
        ({"query": "x", "filters": {"lang": {"a": "b"}}}, None),
        ({"query": "x", "unknown": 1}, "unknown"),
        ({"query": "x", "principal": "admin"}, "principal"),
        ([], None),
        ("x", None),
    ],
)
async def test_bad_input_is_a_clear_400(client: httpx.AsyncClient, body: object, place: str | None) -> None:
    problem = assert_problem(await client.post("/v1/search", json=body), 400, "invalid-input")
    if place is not None:
        assert problem["place"] == place


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"query": "x"', b'{"query": "\\ud800"}', b"[" * 50_000])
async def test_what_is_no_json_is_a_400(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
    assert_problem(response, 400, "invalid-input")


async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient) -> None:
    content = json.dumps({"query": "order"})
    response = await client.post("/v1/search", content=content, headers={"Content-Type": "text/plain"})
    assert_problem(response, 400, "invalid-input")


@pytest.mark.parametrize(
    "query", ["a\x00b", "\x1b[31m", "order\r\n\r\n", '" OR 1=1 --', "order AND (", "*", "\u202eorder", "🍣"]
)
async def test_strange_queries_are_answered(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.post("/v1/search", json={"query": query})).status_code == 200


async def test_a_body_that_says_it_is_huge_is_refused(facade: Facade) -> None:
    async with facade.client(ApiSettings(max_body_bytes=2_000)) as client:
        response = await client.post("/v1/search", json={"query": "x" * 3_000})
        assert_problem(response, 413, "too-large")
        assert facade.embedder.calls == 0


async def test_a_body_that_turns_out_huge_is_refused(facade: Facade) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1_000

    async with facade.client(ApiSettings(max_body_bytes=2_000)) as client:
        response = await client.post("/v1/search", content=endless(), headers={"Content-Type": "application/json"})
    assert_problem(response, 413, "too-large")
    assert sent == 3


async def test_a_body_in_parts_is_read_whole(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"query": '
        yield b'"order"}'

    response = await client.post("/v1/search", content=parts(), headers={"Content-Type": "application/json"})
    assert response.status_code == 200


async def test_the_store_goes_and_comes_back(facade: Facade, client: httpx.AsyncClient) -> None:
    facade.store.error = Unavailable("the search engine does not answer")
    response = await client.post("/v1/search", json={"query": "order"})
    assert assert_problem(response, 503, "unavailable")["detail"] == "the search engine does not answer"
    assert int(response.headers["retry-after"]) >= 1
    facade.store.error = None
    assert (await client.post("/v1/search", json={"query": "order"})).status_code == 200


async def test_the_model_goes_and_comes_back(facade: Facade, client: httpx.AsyncClient) -> None:
    facade.embedder.error = Unavailable("the models do not answer")
    answer = (await client.post("/v1/search", json={"query": "cancel order"})).json()
    assert answer["degraded"] == ["embedder"] and answer["hits"]
    dense = await client.post("/v1/search", json={"query": "cancel order", "mode": "dense"})
    assert_problem(dense, 503, "unavailable")
    facade.embedder.error = None
    assert (await client.post("/v1/search", json={"query": "cancel order"})).json()["degraded"] == []


async def test_readiness_names_what_is_missing(facade: Facade, client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ok"}
    facade.embedder.error = Timeout("slow")
    assert assert_problem(await client.get("/readyz"), 503, "unavailable")["missing"] == ["embedder"]
    facade.store.error = Unavailable("gone")
    assert assert_problem(await client.get("/readyz"), 503, "unavailable")["missing"] == ["store", "embedder"]
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_metrics_count_routes_stages_and_what_was_missing(facade: Facade, client: httpx.AsyncClient) -> None:
    facade.embedder.error = Unavailable("gone")
    await client.post("/v1/search", json={"query": "order"})
    await client.get("/v1/documents/a")
    await client.get("/v1/documents/b")
    await client.request("BREW", "/pot")
    text = (await client.get("/metrics")).text
    assert 'shirabe_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in text
    assert 'shirabe_requests_total{method="GET",route="/v1/documents/{doc_id}",status="404"} 2.0' in text
    assert 'shirabe_requests_total{method="other",route="unmatched",status="404"} 1.0' in text
    assert 'shirabe_searches_degraded_total{part="embedder"} 1.0' in text
    assert 'shirabe_search_stage_seconds_count{stage="legs"} 1.0' in text
    assert "/v1/documents/a" not in text


async def test_metrics_say_how_each_source_stands(facade: Facade, client: httpx.AsyncClient) -> None:
    await client.post("/v1/sources", json={"name": "docs", "kind": "git", "location": "/srv/docs"})
    text = (await client.get("/metrics")).text
    assert 'shirabe_source_chunks{source="docs"} 9.0' in text
    assert 'shirabe_source_lag_seconds{source="docs"} 12.0' in text
    assert 'shirabe_source_synced_total{source="docs",unit="chunks",what="embedded"} 7.0' in text
    facade.sources.error = Unavailable("gone")
    text = (await client.get("/metrics")).text
    assert "shirabe_requests_total" in text
    assert "shirabe_source_chunks" not in text


async def test_a_webhook_is_passed_on_as_it_came(facade: Facade, client: httpx.AsyncClient) -> None:
    await client.post("/v1/sources", json={"name": "docs", "kind": "git", "location": "/srv/docs"})
    hook = "/v1/sources/docs/webhook"
    response = await client.post(hook, content=b"\xff raw", headers={"X-Gitlab-Token": "right"})
    assert (response.status_code, response.content) == (202, b"")
    assert facade.sources.told == [("docs", b"\xff raw")]
    assert_problem(await client.post(hook, content=b"x"), 403, "forbidden")


async def test_a_document_is_put_and_deleted(facade: Facade, client: httpx.AsyncClient) -> None:
    body = {"path": "notes/a.md", "text": "# A\n\nhello", "updated_at": "2026-11-01T19:00:00+09:00"}
    response = await client.put("/v1/documents", json=body)
    assert response.status_code == 200, response.text
    doc_id = response.json()["doc_id"]
    document = facade.sources.pushed[doc_id]
    assert (document.source_id, document.title, document.content) == ("pushed", "notes/a.md", b"# A\n\nhello")
    assert document.updated_at.isoformat() == "2026-11-01T10:00:00+00:00"
    assert document.acl.public
    assert (await client.put("/v1/documents", json={**body, "text": "new"})).json()["doc_id"] == doc_id
    deleted = await client.delete(f"/v1/documents/{doc_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert_problem(await client.delete(f"/v1/documents/{doc_id}"), 404, "not-found")


async def test_an_acl_is_taken_as_it_is(facade: Facade, client: httpx.AsyncClient) -> None:
    body = {"path": "a.md", "text": "x", "acl": {"principals": ["team-a"]}}
    doc_id = (await client.put("/v1/documents", json=body)).json()["doc_id"]
    acl = facade.sources.pushed[doc_id].acl
    assert (acl.public, acl.principals) == (False, ("team-a",))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"path": ""}, "path"),
        ({"path": "a\x00b"}, "path"),
        ({"path": "a\nb"}, "path"),
        ({"path": "x" * 1_001}, "path"),
        ({"text": None}, "text"),
        ({"updated_at": "2026-11-01T10:00:00"}, "updated_at"),
        ({"updated_at": "yesterday"}, "updated_at"),
        ({"source": "../etc"}, "source"),
        ({"acl": {"public": True, "group": "x"}}, "acl.group"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_a_wrong_document_changes_nothing(
    facade: Facade, client: httpx.AsyncClient, change: dict[str, object], place: str
) -> None:
    response = await client.put("/v1/documents", json={"path": "a.md", "text": "x", **change})
    assert assert_problem(response, 400, "invalid-input")["place"] == place
    assert facade.sources.pushed == {}


async def test_a_document_is_read_back(client: httpx.AsyncClient) -> None:
    doc_id = ROWS[0].chunk.doc_id
    answer = (await client.get(f"/v1/documents/{doc_id}")).json()
    assert answer["path"] == "docs/en/cancel.md"
    assert [chunk["ordinal"] for chunk in answer["chunks"]] == [0]


async def test_sources_are_added_listed_synced_and_compared(client: httpx.AsyncClient) -> None:
    source = {
        "name": "docs",
        "kind": "git",
        "location": "https://me:secret@example.org/docs.git",
        "options": {"token": "t0p"},
    }
    added = await client.post("/v1/sources", json=source)
    assert added.status_code == 201, added.text
    listed = await client.get("/v1/sources")
    assert listed.json()["sources"][0]["location"] == "https://example.org/docs.git"
    assert "secret" not in added.text + listed.text and "t0p" not in added.text + listed.text
    assert assert_problem(await client.post("/v1/sources", json=source), 400, "invalid-input")["place"] == "name"
    assert (await client.post("/v1/sources/docs/sync")).json()["documents"] == 1
    assert (await client.post("/v1/sources/docs/sync?full=true")).json()["documents"] == 3
    assert (await client.get("/v1/sources/docs/drift")).json()["missing"] == ["new.md"]
    assert_problem(await client.post("/v1/sources/other/sync"), 404, "not-found")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Overloaded("syncing", 7.2), 429, "overloaded"),
        (Timeout("slow"), 504, "timeout"),
        (PartialWrite({"a-00001": "mapping"}), 502, "partial-write"),
    ],
)
async def test_errors_of_parts(
    facade: Facade, client: httpx.AsyncClient, error: Overloaded | Timeout | PartialWrite, status: int, kind: str
) -> None:
    facade.sources.error = error
    response = await client.post("/v1/sources/docs/sync")
    problem = assert_problem(response, status, kind)
    if isinstance(error, Overloaded):
        assert response.headers["retry-after"] == "8"
    if isinstance(error, PartialWrite):
        assert problem["failed_ids"] == {"a-00001": "mapping"}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "localhost@evil.example"])
async def test_another_hosts_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    response = await client.post("/v1/search", json={"query": "order"}, headers={"Host": host})
    assert_problem(response, 421, "misdirected-request")


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"])
async def test_names_of_this_machine_are_taken(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


async def test_any_name_is_taken_when_bound_beyond_loopback(facade: Facade) -> None:
    async with facade.client(ApiSettings(host="0.0.0.0")) as client:
        assert (await client.get("/healthz", headers={"Host": "search.example"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_sites_page_cannot_change_anything(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await client.post("/v1/sources/docs/sync", headers=headers)
    assert_problem(response, 403, "forbidden")
    assert "access-control-allow-origin" not in response.headers


async def test_our_own_page_may(client: httpx.AsyncClient) -> None:
    headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/v1/search", json={"query": "order"}, headers=headers)).status_code == 200


_ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3)
_BODIES = st.fixed_dictionaries(
    {"query": _ANYTHING},
    optional={
        "top_k": st.integers(-2, 200) | _ANYTHING,
        "mode": st.sampled_from(["hybrid", "dense", "sparse", "lexical", "code"]) | _ANYTHING,
        "rerank": st.sampled_from(["auto", "none", "late", "cross"]) | _ANYTHING,
        "explain": _ANYTHING,
        "filters": st.dictionaries(st.sampled_from(["lang", "kind", "x"]) | st.text(max_size=5), _ANYTHING, max_size=3),
    },
)


@settings(max_examples=150, deadline=None)
@given(_BODIES)
async def test_whatever_is_asked_is_answered_or_refused(body: dict[str, object]) -> None:
    async with Facade().client() as client:
        response = await client.post(
            "/v1/search", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
    if response.status_code != 200:
        assert_problem(response, 400, "invalid-input")
