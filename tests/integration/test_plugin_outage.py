"""A cluster whose model server goes away and comes back: what answers, what degrades, what refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fake_models import FakeModel
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import TransportError
from plugin_cluster import installed
from pydantic import SecretStr
from stoppable_models import StoppableModels

from opensearch.plugin.served import read_served
from shirabe.errors import Forbidden, Overloaded

INDEX = "shirabe-text-outage"
QUESTION = "cancel an order"
TEXTS = ("how to cancel an order", "weather in Kyoto", "order history")
MATCH = {"match": {"text": QUESTION}}
DENSE = {"neural": {"dense": {"query_text": QUESTION, "k": 10}}}
RERANK = {"rerank": {"query_context": {"query_text": QUESTION}}}


@asynccontextmanager
async def started(model: FakeModel | None = None, api_key: str | None = None) -> AsyncIterator[StoppableModels]:
    server = StoppableModels(model, api_key)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


class Busy(FakeModel):
    """Has its queue full for the next few requests."""

    refusals = 0

    def check(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Overloaded("the queue is full", 0.1)


async def found(client: AsyncOpenSearch, pipeline: str | None = None, **body: Any) -> list[str]:
    params = {"search_pipeline": pipeline} if pipeline else {}
    answer = await client.search(index=INDEX, body=body, params=params)
    return [row["_id"] for row in answer["hits"]["hits"]]


async def test_what_can_answers_and_what_cannot_says_so(opensearch_url: str) -> None:
    hybrid = {"hybrid": {"queries": [MATCH, DENSE]}}
    async with (
        started() as models,
        installed(opensearch_url, models.url),
        AsyncOpenSearch(hosts=[opensearch_url], timeout=120, max_retries=0) as client,
    ):
        try:
            await client.indices.create(index=INDEX)
            for number, text in enumerate(TEXTS):
                await client.index(index=INDEX, id=str(number), body={"text": text}, params={"refresh": "true"})
            lexical = await found(client, query=MATCH)
            reranked = await found(client, "shirabe-rrf-rerank", query=hybrid, ext=RERANK)

            await models.stop()
            assert await found(client, query=MATCH) == lexical, "lexical search needs no model"
            assert await found(client, "shirabe-rrf-rerank", query=MATCH, ext=RERANK) == lexical, "the order before"
            with pytest.raises(TransportError):
                await found(client, "shirabe-rrf", query=hybrid)
            with pytest.raises(TransportError) as refused:
                await client.index(index=INDEX, id="late", body={"text": "an order placed late"})
            assert "Connection refused" in str(refused.value)
            assert not await client.exists(index=INDEX, id="late"), "no document without its vectors"

            await models.start()
            assert await found(client, "shirabe-rrf-rerank", query=hybrid, ext=RERANK) == reranked
            await client.index(index=INDEX, id="late", body={"text": QUESTION}, params={"refresh": "true"})
            assert (await found(client, "shirabe-rrf", query=DENSE))[0] == "late"
        finally:
            await client.indices.delete(index=INDEX, params={"ignore_unavailable": "true"})


async def test_a_busy_model_server_is_asked_again(opensearch_url: str) -> None:
    model = Busy()
    async with (
        started(model) as models,
        installed(opensearch_url, models.url),
        AsyncOpenSearch(hosts=[opensearch_url], timeout=60, max_retries=0) as client,
    ):
        try:
            await client.indices.create(index=INDEX)
            model.refusals = 1
            await client.index(index=INDEX, id="1", body={"text": QUESTION}, params={"refresh": "true"})
            assert model.refusals == 0
            model.refusals = 2
            assert await found(client, "shirabe-rrf", query=DENSE) == ["1"]
            assert model.refusals == 0
        finally:
            await client.indices.delete(index=INDEX, params={"ignore_unavailable": "true"})


async def test_the_key_of_the_model_server_is_shown_to_it_and_kept_from_others(
    opensearch_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = "a-key-that-nobody-may-read"
    async with started(api_key=key) as models:
        with pytest.raises(Forbidden, match="does not take the key"):
            await read_served(models.url, None)
        async with (
            installed(opensearch_url, models.url, SecretStr(key)),
            AsyncOpenSearch(hosts=[opensearch_url], timeout=60, max_retries=0) as client,
        ):
            try:
                await client.indices.create(index=INDEX)
                await client.index(index=INDEX, id="1", body={"text": QUESTION}, params={"refresh": "true"})
                assert await found(client, "shirabe-rrf", query=DENSE) == ["1"]
                kept = await client.transport.perform_request(
                    "POST", "/_plugins/_ml/connectors/_search", body={"query": {"match_all": {}}}
                )
                assert kept["hits"]["hits"] and key not in str(kept)
            finally:
                await client.indices.delete(index=INDEX, params={"ignore_unavailable": "true"})
    assert key not in caplog.text
