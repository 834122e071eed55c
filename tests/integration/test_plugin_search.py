"""After `plugin install`, a client that knows only OpenSearch finds what the facade finds, in the same order."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from opensearchpy import AsyncOpenSearch
from plugin_cluster import installed
from real_system import drop, own

from api.rerank import LateWeights
from api.search import SearchPath
from opensearch.plugin.calls import Ref, resolved
from opensearch.plugin.census import read_shelf
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.judged import judged_texts
from opensearch.plugin.relevance import SEARCH_TEXT, configurations, lexical_query
from opensearch.plugin.served import read_served
from opensearch.plugin.shelves import MODEL
from opensearch.store import OpenSearchStore, open_store
from ray_app.client import ModelClient
from shirabe.settings import SearchSettings, Settings
from shirabe.types import Acl, Document, Mode, Principal, Query, Record, Rerank, document_id, make_chunk

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
INDEX = "shirabe-text-parity"
DEPTH = 100
RERANKED = 20
TOP = 10
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
TIE = 2e-4  # of the score: two engines' floats, one of them through rank_features' nine significant bits

QUESTIONS = (
    "注文を取り消せる期限",
    "how to cancel an order",
    "出荷後の返品",
    "retry policy for webhooks",
    "与信サービスが止まったとき",
    "idempotency key",
    "在庫の引き当て",
    "order_id",
    "データベースのフェイルオーバー手順",
    "What does the outbox relay do?",
)

Search = Callable[[dict[str, Any], str | None], Awaitable[list[tuple[str, float]]]]


@dataclass(frozen=True)
class Both:
    """The same passages behind the facade and in an index that OpenSearch's own client wrote."""

    facade: SearchPath
    search: Search
    cluster: Cluster
    alias: str

    async def facade_order(self, question: str, mode: Mode, rerank: Rerank = "none") -> list[tuple[str, float]]:
        asked = Query(question, top_k=RERANKED, mode=mode, rerank=rerank, principal=Principal())
        return [(hit.stored.path, hit.score) for hit in (await self.facade.search(asked)).hits]


def passages() -> list[str]:
    """Return paragraphs of the samples, Japanese and English, each once."""
    found: dict[str, None] = {}
    for path in sorted(SAMPLES.rglob("*.md")):
        for part in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            text = " ".join(part.split())
            if 40 <= len(text) <= 500 and not text.startswith(("```", "|", "---")):
                found.setdefault(text)
    return list(found)[::3]


class ServedReranker:
    """The facade's reranker over the endpoint that the cluster's connector calls."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        async with httpx.AsyncClient(base_url=self._url, timeout=60, trust_env=False) as client:
            answer = await client.post("/v2/rerank", json={"query": query, "documents": list(passages)})
        scores = {row["index"]: row["relevance_score"] for row in answer.json()["results"]}
        return [scores[number] for number in range(len(passages))]


async def fill_facade(store: OpenSearchStore, models: ModelClient, texts: Sequence[str]) -> None:
    records = []
    for number, embedding in enumerate(await models.embed(texts, "passage", {"dense", "sparse", "bits"})):
        path = f"{number:04d}"
        document = Document(
            document_id("parity", path), "parity", path, "", "", b"", "text/plain", "1", WHEN, Acl(public=True)
        )
        chunk = make_chunk(document, 0, kind="text", text=texts[number], locator=path, lang="ja")
        records.append(Record(document, chunk, embedding))
    await store.write(records, [], 1)
    await store.refresh()


async def fill_index(client: AsyncOpenSearch, index: str, texts: Sequence[str]) -> None:
    """Index texts as any client would: the template's default pipeline embeds them."""
    lines: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        path = f"{number:04d}"
        lines += [{"index": {"_id": path}}, {"text": text, "path": path}]
    answer = await client.bulk(body=lines, index=index, params={"refresh": "true"}, request_timeout=120)
    assert not answer["errors"], answer["items"][:2]


def searching(client: AsyncOpenSearch, index: str) -> Search:
    async def search(body: dict[str, Any], pipeline: str | None) -> list[tuple[str, float]]:
        params = {"search_pipeline": pipeline} if pipeline else {}
        # The reranker reads the text from the hits: without it in `_source` there is nothing to rerank.
        answer = await client.search(index=index, body={"size": RERANKED, "_source": ["text"], **body}, params=params)
        return [(row["_id"], row["_score"]) for row in answer["hits"]["hits"]]

    return search


@pytest.fixture(scope="module")
async def both(opensearch_url: str, models_url: str, settings: Settings) -> AsyncIterator[Both]:
    mine = own(settings, url=opensearch_url)
    models = ModelClient(models_url, 60.0)
    store = await open_store(mine.opensearch, await models.info())
    texts = passages()
    assert len(texts) >= 80
    search = SearchSettings(weights={"lexical": 1.0, "dense": 1.0, "sparse": 1.0}, versions_together=False)
    # No late interaction before the reranker, so that it is given the same twenty.
    facade = SearchPath(store, models, ServedReranker(models_url), search, LateWeights(0.0, 0.0, 0.0, 0.0))
    try:
        async with (
            installed(opensearch_url, models_url) as cluster,
            AsyncOpenSearch(hosts=[opensearch_url], timeout=60) as client,
        ):
            try:
                await client.indices.create(index=INDEX)
                await fill_index(client, INDEX, texts)
                await fill_facade(store, models, texts)
                yield Both(facade, searching(client, INDEX), cluster, mine.opensearch.alias)
            finally:
                await client.indices.delete(index=INDEX, params={"ignore_unavailable": "true"})
    finally:
        await store.close()
        await models.close()
        await drop(opensearch_url, mine.opensearch.alias)


def dense(question: str) -> dict[str, Any]:
    return {"neural": {"dense": {"query_text": question, "k": DEPTH}}}


def sparse(question: str) -> dict[str, Any]:
    return {"neural_sparse": {"sparse": {"query_text": question}}}


def hybrid(question: str) -> dict[str, Any]:
    legs = [lexical_query(question), dense(question), sparse(question)]
    return {"hybrid": {"queries": legs, "pagination_depth": DEPTH}}


def reranked(question: str) -> dict[str, Any]:
    return {"query": hybrid(question), "ext": {"rerank": {"query_context": {"query_text": question}}}}


FORMS: dict[str, tuple[Mode, Rerank, Callable[[str], dict[str, Any]], str | None]] = {
    "lexical": ("lexical", "none", lambda text: {"query": lexical_query(text)}, None),
    "neural": ("dense", "none", lambda text: {"query": dense(text)}, "shirabe-rrf"),
    "neural_sparse": ("sparse", "none", lambda text: {"query": sparse(text)}, "shirabe-rrf"),
    "hybrid": ("hybrid", "none", lambda text: {"query": hybrid(text)}, "shirabe-rrf"),
    "hybrid and rerank": ("hybrid", "cross", reranked, "shirabe-rrf-rerank"),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_plain_client_gets_the_facade_s_top_ten(form: str, both: Both) -> None:
    mode, rerank, body, pipeline = FORMS[form]
    # Reranking reads every candidate with the model: half the questions say as much.
    for question in QUESTIONS if rerank == "none" else QUESTIONS[::2]:
        ours = await both.facade_order(question, mode, rerank)
        theirs = await both.search(body(question), pipeline)
        assert len(ours) == len(theirs) > 0, question
        scores = dict(ours)
        for place in range(min(TOP, len(ours))):
            name = theirs[place][0]
            assert name in scores, f"{question}: {name} at {place + 1} is not found by the facade"
            assert scores[name] == pytest.approx(ours[place][1], rel=TIE), f"{question}: {name} at {place + 1}"


async def test_long_texts_are_cut_on_their_way_in_and_found_by_any_part(both: Both, opensearch_url: str) -> None:
    index = "shirabe-text-long"
    long = "注文は出荷の前に限り取り消せる。" * 60 + "The weather in Kyoto was fine. " * 80
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        await client.indices.create(index=index)
        try:
            for name, text in (("long", long), ("short", "Refunds are paid within thirty days.")):
                params = {"pipeline": "shirabe-chunked", "refresh": "true"}
                await client.index(index=index, id=name, body={"text": text}, params=params, request_timeout=60)
            held = (await client.get(index=index, id="long"))["_source"]
            assert len(held["chunks"]) >= 4
            assert len(held["chunk_dense"]) == len(held["chunk_sparse"]) == len(held["chunks"])
            for question, wanted in (("京都の天気", "long"), ("refunds after thirty days", "short")):
                nested = {
                    "path": "chunk_dense",
                    "score_mode": "max",
                    "query": {"neural": {"chunk_dense.knn": {"query_text": question, "k": 10}}},
                }
                found = await searching(client, index)({"query": {"nested": nested}}, "shirabe-rrf")
                assert found[0][0] == wanted, question
            nested = {
                "path": "chunk_sparse",
                "score_mode": "max",
                "query": {"neural_sparse": {"chunk_sparse.sparse_encoding": {"query_text": "weather in Kyoto"}}},
            }
            found = await searching(client, index)({"query": {"nested": nested}}, "shirabe-rrf")
            assert found[0][0] == "long"
        finally:
            await client.indices.delete(index=index)


async def test_a_question_that_is_json_is_refused_by_the_reranker_s_connector_only(both: Both) -> None:
    question = '{"a": 1}'
    found = await both.search({"query": dense(question)}, "shirabe-rrf")
    assert len(found) == RERANKED, "the embedding connectors escape what they are given"
    # The connector writes the question into JSON as it stands: the reranker fails, and the order before it stays.
    assert await both.search(reranked(question), "shirabe-rrf-rerank") == await both.search(
        {"query": hybrid(question)}, "shirabe-rrf"
    )


async def test_search_configurations_run_on_the_facade_s_own_index_and_find_what_is_judged(
    both: Both, models_url: str, opensearch_url: str
) -> None:
    judged = await judged_texts(both.cluster, both.alias, [(question, ["0003", "0007"]) for question in QUESTIONS])
    held = {ident for idents in judged.ratings.values() for ident in idents}
    assert len(held) == 2 and not judged.left_out
    things = configurations(await read_served(models_url, None), both.alias)
    assert len(things) == 4
    ids = {Ref(MODEL.title, found.name): found.ident for found in await read_shelf(both.cluster, MODEL)}
    async with AsyncOpenSearch(hosts=[opensearch_url], timeout=60) as client:
        for body in (resolved(thing.body, ids) for thing in things):
            # What the workbench does: the text takes the placeholder's place in the string, and the query is wrapped,
            # so that the search pipeline does not see into it.
            search = json.loads(body["query"].replace(SEARCH_TEXT, QUESTIONS[1]))
            search["query"] = {"wrapper": {"query": b64encode(json.dumps(search["query"]).encode()).decode()}}
            params = {"search_pipeline": body["searchPipeline"]} if body["searchPipeline"] else {}
            answer = await client.search(index=body["index"], body=search | {"_source": ["text"]}, params=params)
            assert len(answer["hits"]["hits"]) >= TOP
