"""The client of the model server, against a server that answers as told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from ray_app.client import ModelClient
from ray_app.wire import Row, pack
from shirabe.errors import InvalidInput, NotFound, Overloaded, ShirabeError, Timeout, Unavailable
from shirabe.types import TextKind

Answer = Callable[[dict[str, Any]], httpx.Response]


class FakeServer:
    """Answers requests with the given functions in turn, the last one for ever; keeps the bodies."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []

    def client(self) -> ModelClient:
        return ModelClient("http://models", 5, httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        self.bodies.append(body)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(body)


def lengths(body: dict[str, Any]) -> httpx.Response:
    """Embed each text as its length."""
    rows = [Row(dense=np.array([len(text), 0], np.float32)) for text in body["texts"]]
    return httpx.Response(200, content=pack(rows, ["dense"]))


def says(status: int, **fields: Any) -> Answer:
    return lambda _: httpx.Response(status, json={"title": "t", "status": status, "detail": "because", **fields})


async def test_many_texts_are_sent_in_bounded_requests_and_come_back_in_order() -> None:
    server = FakeServer(lengths)
    texts = ["x" * (number % 50) for number in range(150)] + ["y" * 150_000, "z" * 150_000]
    embeddings = await server.client().embed(texts, "passage", ["dense"])
    assert [int(one.dense[0]) for one in embeddings if one.dense is not None] == [len(text) for text in texts]
    assert max(len(body["texts"]) for body in server.bodies) == 64
    assert len(server.bodies) == 4


async def test_no_texts_no_request() -> None:
    server = FakeServer(lengths)
    assert await server.client().embed([], "query", ["dense"]) == []
    assert server.bodies == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidInput),
        (413, InvalidInput),
        (404, NotFound),
        (503, Unavailable),
        (500, Unavailable),
        (504, Timeout),
    ],
)
async def test_answers_become_errors(status: int, kind: type[ShirabeError]) -> None:
    with pytest.raises(kind, match="because"):
        await FakeServer(says(status)).client().embed(["a"], "query", ["dense"])


async def test_one_failed_part_fails_the_call_with_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_app.client._FIRST_WAIT_S", 0.001)
    monkeypatch.setattr("ray_app.client._LONGEST_WAIT_S", 0.001)
    server = FakeServer(lengths, says(503))
    with pytest.raises(Unavailable):
        await server.client().embed(["a"] * 200, "query", ["dense"])

    def fail(_: dict[str, Any]) -> httpx.Response:
        raise httpx.ReadError("reset")

    with pytest.raises(Unavailable) as caught:
        await FakeServer(lengths, fail).client().embed(["a"] * 200, "passage", ["dense"])
    assert isinstance(caught.value.__cause__, httpx.ReadError)


async def test_the_place_of_bad_input_is_kept() -> None:
    with pytest.raises(InvalidInput) as caught:
        await FakeServer(says(400, place="outputs.0")).client().embed(["a"], "query", ["dense"])
    assert caught.value.place == "outputs.0"


async def test_passages_are_sent_again_when_the_queue_was_full() -> None:
    server = FakeServer(says(429, retry_after_s=0.001), says(429, retry_after_s=0.001), lengths)
    (one,) = await server.client().embed(["abc"], "passage", ["dense"])
    assert one.dense is not None
    assert one.dense[0] == 3
    assert len(server.bodies) == 3


@pytest.mark.parametrize("kind", ["query", "passage"])
async def test_what_a_dying_replica_left_unanswered_is_sent_again(kind: TextKind) -> None:
    server = FakeServer(says(500), lengths)
    (one,) = await server.client().embed(["abc"], kind, ["dense"])
    assert one.dense is not None
    assert len(server.bodies) == 2


async def test_the_key_is_shown() -> None:
    shown: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        shown.append(request.headers.get("Authorization"))
        return httpx.Response(200, content=pack([Row(dense=np.zeros(2, np.float32))], ["dense"]))

    for key in (None, SecretStr("s3cret")):
        client = ModelClient("http://models", 5, httpx.MockTransport(answer), key)
        await client.embed(["a"], "query", ["dense"])
    assert shown == [None, "Bearer s3cret"]


async def test_queries_are_not() -> None:
    server = FakeServer(says(429, retry_after_s=0.25), lengths)
    with pytest.raises(Overloaded) as caught:
        await server.client().embed(["abc"], "query", ["dense"])
    assert caught.value.retry_after_s == 0.25
    assert len(server.bodies) == 1


async def test_retries_end() -> None:
    server = FakeServer(says(429, retry_after_s=0.001))
    with pytest.raises(Overloaded):
        await server.client().embed(["abc"], "passage", ["dense"])
    assert 1 < len(server.bodies) < 10


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ReadError("reset"), Unavailable),
        (httpx.ReadTimeout("slow"), Timeout),
    ],
)
async def test_failed_connections_become_errors(error: Exception, kind: type[ShirabeError]) -> None:
    def fail(_: dict[str, Any]) -> httpx.Response:
        raise error

    with pytest.raises(kind):
        await FakeServer(fail).client().info()


async def test_a_server_that_is_no_model_server() -> None:
    with pytest.raises(Unavailable):
        await FakeServer(lambda _: httpx.Response(200, text="<html>")).client().info()
    with pytest.raises(Unavailable):
        await FakeServer(lambda _: httpx.Response(200, json={"name": "x"})).client().info()


async def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(InvalidInput):
        await FakeServer(lengths).client().embed(["\ud800"], "query", ["dense"])


async def test_info_is_asked_once() -> None:
    server = FakeServer(says(200, name="m", revision="1", dim=8, max_tokens=16, outputs=["dense"]))
    client = server.client()
    assert await client.info() == await client.info()
    assert len(server.bodies) == 1


async def test_rerank() -> None:
    server = FakeServer(says(200, scores=[0.5, -1]))
    assert await server.client().rerank("q", ["a", "b"]) == [0.5, -1.0]
    assert server.bodies == [{"query": "q", "passages": ["a", "b"]}]
    assert await server.client().rerank("q", []) == []
    with pytest.raises(Unavailable, match="not scores"):
        await server.client().rerank("q", ["a", "b", "c"])
