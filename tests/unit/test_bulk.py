"""Bulk writes against an engine that turns items away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from aiohttp import web
from smile_reader import read_all

from opensearch.bulk import Action, Outcome, Retries, batches, delete_action, outcome_of, send_actions, upsert_actions
from opensearch.client import build_client
from shirabe.errors import InvalidInput, PartialWrite, Timeout, Unavailable
from shirabe.settings import OpenSearchSettings
from shirabe.types import Acl, Document, Embedding, Record, make_chunk

FAST = Retries(attempts=3, first_wait_s=0.0, longest_wait_s=0.0)
REJECTED = (429, "rejected_execution_exception")
Answer = Callable[[str, int], tuple[int, str] | None]


class Engine:
    """Answers `_bulk` as OpenSearch does: `fate(id, attempt)` is None to accept, else a status and an error type."""

    def __init__(self) -> None:
        self.fate: Answer = lambda name, attempt: None
        self.whole_statuses: list[int] = []
        self.calls: list[list[str]] = []
        self.written: dict[str, dict[str, Any] | None] = {}
        self.parameters: list[dict[str, str]] = []

    async def bulk(self, request: web.Request) -> web.Response:
        self.parameters.append(dict(request.query))
        if self.whole_statuses and (status := self.whole_statuses.pop(0)) != 200:
            return web.json_response({"error": {"type": "t", "reason": "r"}, "status": status}, status=status)
        assert request.content_type == "application/smile"
        lines = read_all(await request.read())
        items: list[dict[str, Any]] = []
        names: list[str] = []
        while lines:
            ((action, address),) = lines.pop(0).items()
            body = lines.pop(0) if action == "index" else None
            name = address["_id"]
            names.append(name)
            attempt = sum(name in call for call in self.calls)
            refused = self.fate(name, attempt)
            if refused is None:
                self.written[name] = body
                items.append({action: {"_id": name, "status": 200, "result": "updated"}})
            else:
                error = {"type": refused[1], "reason": "because"}
                items.append({action: {"_id": name, "status": refused[0], "error": error}})
        self.calls.append(names)
        return web.json_response({"errors": any("error" in next(iter(i.values())) for i in items), "items": items})


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest_asyncio.fixture
async def send(engine: Engine) -> AsyncIterator[Callable[..., Any]]:
    app = web.Application()
    app.router.add_post("/chunks/_bulk", engine.bulk)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = build_client(OpenSearchSettings(url=f"http://127.0.0.1:{runner.addresses[0][1]}", timeout_s=5.0))

    async def send(*names: str) -> None:
        await send_actions(client, "chunks", [delete_action(name, 3) for name in names], FAST)

    yield send
    await client.close()
    await runner.cleanup()


def record(text: str) -> Record:
    document = Document("d", "s", "p.md", "u", "t", b"", "text/plain", "r", datetime(2026, 1, 1, tzinfo=UTC), Acl(True))
    return Record(document, make_chunk(document, 0, kind="section", text=text, locator="p", lang="ja"), Embedding())


async def test_only_rejected_items_are_sent_again(engine: Engine, send: Callable[..., Any]) -> None:
    engine.fate = lambda name, attempt: REJECTED if name in ("b", "d") and attempt < 2 else None
    await send("a", "b", "c", "d")
    assert engine.calls == [["a", "b", "c", "d"], ["b", "d"], ["b", "d"]]
    assert set(engine.written) == {"a", "b", "c", "d"}


async def test_what_stays_rejected_is_named_after_bounded_retries(engine: Engine, send: Callable[..., Any]) -> None:
    engine.fate = lambda name, attempt: REJECTED if name == "b" else None
    with pytest.raises(PartialWrite) as refused:
        await send("a", "b")
    assert refused.value.failed_ids == {"b": "rejected_execution_exception: because"}
    assert engine.calls == [["a", "b"], ["b"], ["b"], ["b"]]


async def test_a_final_refusal_is_not_sent_again(engine: Engine, send: Callable[..., Any]) -> None:
    fates = {"bad": (400, "mapper_parsing_exception"), "busy": (503, "unavailable_shards_exception")}
    engine.fate = lambda name, attempt: fates.get(name) if attempt == 0 else None
    with pytest.raises(PartialWrite) as refused:
        await send("bad", "busy", "good")
    assert set(refused.value.failed_ids) == {"bad"}
    assert engine.calls[1:] == [["busy"]]


async def test_what_is_newer_already_is_no_failure(engine: Engine, send: Callable[..., Any]) -> None:
    engine.fate = lambda name, attempt: (409, "version_conflict_engine_exception")
    await send("a", "b")
    assert engine.calls == [["a", "b"]]


async def test_a_bulk_rejected_whole_is_sent_again(engine: Engine, send: Callable[..., Any]) -> None:
    engine.whole_statuses = [429, 429, 200]
    await send("a", "b")
    assert engine.calls == [["a", "b"]]


async def test_an_engine_that_fails_is_unavailable(engine: Engine, send: Callable[..., Any]) -> None:
    engine.whole_statuses = [500]
    with pytest.raises(Unavailable):
        await send("a")


async def test_a_bulk_never_makes_an_index(engine: Engine, send: Callable[..., Any]) -> None:
    await send("a")
    assert [asked["require_alias"] for asked in engine.parameters] == ["true"]


async def test_a_slow_engine_is_a_timeout() -> None:
    async def never(request: web.Request) -> web.Response:
        await request.content.read()
        await asleep.wait()
        return web.Response()

    asleep = asyncio.Event()
    app = web.Application()
    app.router.add_post("/chunks/_bulk", never)
    runner = web.AppRunner(app, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = build_client(OpenSearchSettings(url=f"http://127.0.0.1:{runner.addresses[0][1]}"))
    try:
        with pytest.raises(Timeout):
            await send_actions(client, "chunks", [delete_action("a", 1)], FAST, timeout_s=0.1)
    finally:
        asleep.set()
        await client.close()
        await runner.cleanup()


def test_items_carry_their_version() -> None:
    [upsert], delete = upsert_actions([record("本文")], 12), delete_action("d-00000", 13)
    header, body = read_all(upsert.payload)
    assert header == {"index": {"_id": "d-00000", "version": 12, "version_type": "external_gte"}}
    assert body["text"] == "本文"
    assert read_all(delete.payload) == [{"delete": {"_id": "d-00000", "version": 13, "version_type": "external_gte"}}]


def test_a_lone_surrogate_cannot_spoil_a_bulk() -> None:
    _, body = read_all(upsert_actions([record("a\ud800b")], 1)[0].payload)
    assert body["text"] == "a?b"


def test_batches_keep_order_and_size() -> None:
    actions = [Action(str(n), b"x" * size) for n, size in enumerate([4, 4, 4, 50, 1])]
    found = [[action.chunk_id for action in batch] for batch in batches(actions, max_bytes=8)]
    assert found == [["0", "1"], ["2"], ["3"], ["4"]]
    assert list(batches([])) == []


def test_batches_are_alike() -> None:
    sizes = [len(batch) for batch in batches([Action(str(n), b"x") for n in range(12)], max_bytes=10)]
    assert sizes == [6, 6]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": 201, "result": "created"}, Outcome()),
        ({"status": 404, "result": "not_found"}, Outcome()),
        ({"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": ""}}, Outcome()),
        ({"status": 429, "error": {"type": "t", "reason": "r"}}, Outcome("t: r", transient=True)),
        ({"status": 500, "error": {"type": "rejected_execution_exception", "reason": "r"}},
         Outcome("rejected_execution_exception: r", transient=True)),
        ({"status": 404, "error": {"type": "index_not_found_exception", "reason": "r"}},
         Outcome("index_not_found_exception: r")),
        ({"status": 403, "error": {"type": "cluster_block_exception", "reason": "r"}},
         Outcome("cluster_block_exception: r")),
        ({"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "failed to parse field [dense]",
                                   "caused_by": {"type": "knn_circuit_breaker_exception", "reason": "low on memory"}}},
         Outcome("knn_circuit_breaker_exception: low on memory "
                 "(mapper_parsing_exception: failed to parse field [dense])")),
    ],
)  # fmt: skip
def test_every_answer_has_its_outcome(answer: dict[str, Any], outcome: Outcome) -> None:
    assert outcome_of({"index": answer}) == outcome


def test_waits_double_up_to_a_bound() -> None:
    retries = Retries(attempts=9, first_wait_s=0.1, longest_wait_s=1.0)
    for attempt, longest in enumerate([0.1, 0.2, 0.4, 0.8, 1.0, 1.0]):
        assert longest / 2 <= retries.wait_s(attempt) <= longest


def test_a_vector_that_is_not_finite_stops_the_write_before_it_starts() -> None:
    row = record("x")
    bad = Record(row.document, row.chunk, Embedding(dense=np.asarray([np.nan], dtype=np.float32)))
    with pytest.raises(InvalidInput):
        upsert_actions([bad], 1)


def test_vectors_written_together_stay_with_their_chunks() -> None:
    rows = [record("a"), record("b"), record("c")]
    vectors = {"a": [1.0, 2.5], "c": [-3.0, 0.125]}
    given = [
        Record(row.document, row.chunk, Embedding(dense=np.asarray(vectors[row.chunk.text], np.float32)))
        if row.chunk.text in vectors
        else row
        for row in rows
    ]
    bodies = [read_all(action.payload)[1] for action in upsert_actions(given, 1)]
    assert [(body["text"], body.get("dense")) for body in bodies] == [("a", [1, 2.5]), ("b", None), ("c", [-3, 0.125])]
