"""A snapshot, an empty cluster, a restore by the documented steps: what was searched is searched again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from plugin_cluster import apply, installed, opened
from real_system import drop, own
from stoppable_models import StoppableModels

from opensearch.node import EmbeddedNode
from opensearch.node_config import Folders
from opensearch.plugin.served import read_served
from opensearch.privileges import engine_user, hand_over
from opensearch.store import open_store
from shirabe.settings import Settings
from shirabe.types import (
    Acl,
    Document,
    Embedding,
    LegHit,
    ModelInfo,
    Principal,
    Query,
    Record,
    TextKind,
    document_id,
    make_chunk,
)

INDEX = "shirabe-text-kept"
REPOSITORY, SNAPSHOT = "/_snapshot/backups", "/_snapshot/backups/first"
PLACE = {"type": "fs", "settings": {"location": "backups"}}
WAIT = "wait_for_completion=true"
TEXTS = ("how to cancel an order", "weather in Kyoto", "注文を取り消す")
QUESTION = "cancel an order"
NEURAL = {"query": {"neural": {"dense": {"query_text": QUESTION, "k": 3}}}}
HYBRID = {
    "query": {"hybrid": {"queries": [{"match": {"text": QUESTION}}, NEURAL["query"]]}},
    "ext": {"rerank": {"query_context": {"query_text": QUESTION}}},
}


@pytest.fixture
async def models() -> AsyncIterator[StoppableModels]:
    server = StoppableModels()
    await server.start()
    yield server
    await server.stop()


async def found(http: httpx.AsyncClient, body: dict[str, Any], pipeline: str) -> list[tuple[str, float]]:
    response = await http.post(f"/{INDEX}/_search?search_pipeline={pipeline}", json=body)
    assert response.is_success, response.text
    return [(row["_id"], row["_score"]) for row in response.json()["hits"]["hits"]]


async def embeddings(models: StoppableModels, kind: TextKind, *texts: str) -> list[Embedding]:
    rows = (await models.model.encode(texts, kind, frozenset({"dense", "sparse", "bits"}), kind)).rows
    return [Embedding(row.dense, dict(row.sparse_items()), None, row.bits) for row in rows]


async def test_a_restored_cluster_searches_as_before(
    opensearch_url: str, settings: Settings, models: StoppableModels
) -> None:
    card = models.model.card
    mine = own(settings, url=opensearch_url)
    info = ModelInfo(card.name, card.revision, card.dim, card.max_tokens, card.outputs)
    alias = mine.opensearch.alias
    embedded = await embeddings(models, "passage", *TEXTS)
    [asked] = await embeddings(models, "query", QUESTION)
    query = Query(QUESTION, principal=Principal())

    async def legs(url: str) -> tuple[dict[str, list[LegHit]], str]:
        """Return what the facade's store finds, and in which generation."""
        store = await open_store(mine.opensearch.model_copy(update={"url": url}), info)
        try:
            return await store.legs(query, ("lexical", "dense", "sparse"), asked, 10), await store.generation()
        finally:
            await store.close()

    store = await open_store(mine.opensearch, info)
    try:
        await store.write([_record(number, text, embedded[number]) for number, text in enumerate(TEXTS)], [], 7)
        await store.refresh()
        async with installed(opensearch_url, models.url), _client(opensearch_url) as http:
            assert (await http.put(f"/{INDEX}")).is_success
            for number, text in enumerate(TEXTS):
                response = await http.put(f"/{INDEX}/_doc/{number}?refresh=true", json={"text": text})
                assert response.is_success, response.text
            before = await found(http, NEURAL, "shirabe-rrf"), await found(http, HYBRID, "shirabe-rrf-rerank")
            legs_before = await legs(opensearch_url)

            assert (await http.put(REPOSITORY, json=PLACE)).is_success
            wanted = {"indices": f"{alias}-*,shirabe-text-*", "include_global_state": False}
            taken = await http.put(f"{SNAPSHOT}?{WAIT}", json=wanted)
            assert taken.json()["snapshot"]["state"] == "SUCCESS", taken.text
            await asyncio.to_thread(_copy, settings.state_dir, mine.state_dir)
    finally:
        async with _client(opensearch_url) as http:
            await http.delete(f"/{INDEX}")
            await http.delete(SNAPSHOT)
            await http.delete(REPOSITORY)
        await store.close()
    assert before[0] and before[1]

    empty = EmbeddedNode(settings.opensearch, mine.state_dir, settings.cache_dir)
    try:
        url = await empty.start()
        async with _client(url) as http, opened(url) as cluster:
            assert (await http.put(REPOSITORY, json=PLACE)).is_success
            await apply(cluster, await read_served(models.url, None))
            restored = await http.post(f"{SNAPSHOT}/_restore?{WAIT}", json={"indices": f"{alias}-*,shirabe-text-*"})
            assert restored.json()["snapshot"]["shards"]["failed"] == 0, restored.text
            assert (await found(http, NEURAL, "shirabe-rrf"), await found(http, HYBRID, "shirabe-rrf-rerank")) == before
            assert (await http.put(f"/{INDEX}/_doc/new", json={"text": "indexed after"})).is_success
            assert await legs(url) == legs_before, "the alias, the generation and what it records came back"
            # The next writer goes on where the last one was: an older version is still refused.
            late = await open_store(mine.opensearch.model_copy(update={"url": url}), info)
            try:
                await late.write([_record(0, "an older text", embedded[1])], [], 6)
                await late.refresh()
                assert await legs(url) == legs_before
            finally:
                await late.close()
    finally:
        await empty.stop()
        await drop(opensearch_url, alias)


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=60, trust_env=False)


def _record(number: int, text: str, embedding: Embedding) -> Record:
    path = f"page-{number}.md"
    when = datetime(2026, 1, 1, tzinfo=UTC)
    ident = document_id("kept", path)
    document = Document(ident, "kept", path, "", "", b"", "text/plain", "1", when, Acl(public=True))
    return Record(document, make_chunk(document, 0, kind="section", text=text, locator=path, lang="en"), embedding)


def _copy(source: Path, target: Path) -> None:
    """Copy the repositories of a node to where another may read them."""
    theirs, ours = (Folders(state / "opensearch") for state in (source, target))
    for folder in (target.parent, target):
        folder.chmod(0o755)
    shutil.copytree(theirs.snapshots, ours.snapshots)
    hand_over(ours.snapshots, engine_user())
