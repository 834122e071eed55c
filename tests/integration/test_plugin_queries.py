"""What OpenSearch documents of hybrid queries and search pipelines, asked of what `plugin install` makes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from plugin_cases import ALL, CASES, DENSE, INDEX, MATCH, TEXTS, Case, hybrid, ids
from plugin_cluster import installed
from stoppable_models import StoppableModels


@pytest.fixture(scope="module")
async def http(opensearch_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the engine, with our pipelines and a filled index."""
    models = StoppableModels()
    await models.start()
    async with (
        installed(opensearch_url, models.url),
        httpx.AsyncClient(base_url=opensearch_url, timeout=60, trust_env=False) as client,
    ):
        try:
            assert (await client.put(f"/{INDEX}")).is_success
            for number, (name, (text, kind, lang)) in enumerate(TEXTS.items()):
                body = {"text": text, "kind": kind, "lang": lang, "number": number}
                response = await client.put(f"/{INDEX}/_doc/{name}?refresh=true", json=body)
                assert response.is_success, response.text
            yield client
        finally:
            await client.delete(f"/{INDEX}")
    await models.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_as_documented(case: Case, http: httpx.AsyncClient) -> None:
    path = f"/{INDEX}/_search" + (f"?search_pipeline={case.pipeline}" if case.pipeline else "")
    response = await http.post(path, json={"_source": ["text"]} | case.body)
    if isinstance(case.expected, str):
        assert response.is_client_error, response.text
        assert case.expected in response.text
    else:
        assert response.is_success, response.text
        assert case.expected(response.json()), response.text


async def test_pages_of_one_depth_neither_repeat_nor_leave_out(http: httpx.AsyncClient) -> None:
    found: list[str] = []
    for start in range(0, 12, 3):
        body = {"query": hybrid(MATCH, DENSE, pagination_depth=12), "from": start, "size": 3, "_source": False}
        found += ids((await http.post(f"/{INDEX}/_search?search_pipeline=shirabe-rrf", json=body)).json())
    assert len(found) == 12 and set(found) == ALL
