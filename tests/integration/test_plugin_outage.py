"""A cluster whose model server goes away and comes back: what answers, what degrades, what refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import TransportError
from plugin_cluster import installed
from stoppable_models import StoppableModels

INDEX = "shirabe-text-outage"
QUESTION = "cancel an order"
TEXTS = ("how to cancel an order", "weather in Kyoto", "order history")
MATCH = {"match": {"text": QUESTION}}
DENSE = {"neural": {"dense": {"query_text": QUESTION, "k": 10}}}
RERANK = {"rerank": {"query_context": {"query_text": QUESTION}}}


@pytest.fixture
async def models() -> AsyncIterator[StoppableModels]:
    server = StoppableModels()
    await server.start()
    yield server
    await server.stop()


async def found(client: AsyncOpenSearch, pipeline: str | None = None, **body: Any) -> list[str]:
    params = {"search_pipeline": pipeline} if pipeline else {}
    answer = await client.search(index=INDEX, body=body, params=params)
    return [row["_id"] for row in answer["hits"]["hits"]]


async def test_what_can_answers_and_what_cannot_says_so(opensearch_url: str, models: StoppableModels) -> None:
    hybrid = {"hybrid": {"queries": [MATCH, DENSE]}}
    async with (
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
