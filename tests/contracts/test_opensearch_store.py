"""What only the real engine can show of our store."""

from __future__ import annotations

import asyncio
import random
import socket
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from opensearchpy import AsyncOpenSearch

from opensearch import queries, reader, store
from opensearch.analysis import KUROMOJI
from opensearch.code_search import CODE_FIELDS
from opensearch.generations import answering_generation, current_name, generation_name
from opensearch.mapping import index_body
from opensearch.store import OpenSearchStore, open_store
from shirabe.errors import InvalidInput, PartialWrite, Unavailable
from shirabe.settings import OpenSearchSettings
from shirabe.types import Acl, Condition, Document, Embedding, ModelInfo, Query, Record, document_id, make_chunk

DIM = 8
MODEL = ModelInfo("test-model", "1", DIM, 512)


@pytest_asyncio.fixture
async def engine_settings(opensearch_url: str) -> AsyncIterator[OpenSearchSettings]:
    """Settings with an alias of this test's own."""
    alias = f"engine-{uuid.uuid4().hex[:12]}"
    yield OpenSearchSettings(url=opensearch_url, alias=alias)
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        for name in await client.indices.get(index=f"{alias}*", params={"allow_no_indices": "true"}):
            await client.indices.delete(index=name)


@pytest_asyncio.fixture
async def opened(engine_settings: OpenSearchSettings) -> AsyncIterator[OpenSearchStore]:
    opened = await open_store(engine_settings, MODEL, chunker_version="7")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def client(opensearch_url: str) -> AsyncIterator[AsyncOpenSearch]:
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        yield client


def record(number: int, text: str) -> Record:
    path = f"p{number}.md"
    when = datetime(2026, 4, 1, tzinfo=UTC)
    document = Document(
        document_id("docs", path), "docs", path, f"https://x/{path}", "題", b"", "text/plain", "r", when, Acl(True)
    )
    chunk = make_chunk(document, 0, kind="section", text=text, locator=path, lang="ja")
    vector = np.zeros(DIM, dtype=np.float32)
    vector[number % DIM] = 1.0
    bits = np.full((2, DIM // 8), number % 256, dtype=np.uint8)
    return Record(document, chunk, Embedding(dense=vector, sparse={number: 1.0}, bits=bits))


LONG_QUERIES = {
    "one Japanese sentence": "注文を取り消したときに在庫がいつ戻るのかを知りたい" * 400,
    "every kanji once": "".join(chr(0x4E00 + n) for n in range(8_000)),
    "identifiers": " ".join(f"getOrder{n}.by_id-{n}/x" for n in range(600)),
    "letters and kanji in turn": "a亜" * 4_000,
    "one long path": "aB." * 2_700,
    "digits and letters": "1a2b3c4d" * 1_000,
    "half-width kana": "ｶﾞ" * 4_000,
    "an engine query": '{"query": {"match_all": {}}} OR _id:* /.*/ "' * 100,
    "a lone surrogate": "注文 \ud800 x" * 500,
    "only punctuation": "?!…「」" * 1_000,
}


@pytest.mark.parametrize("name", LONG_QUERIES)
async def test_the_longest_query_passes(opened: OpenSearchStore, name: str) -> None:
    row = record(1, "注文を取り消す getOrder1")
    await opened.write([row], [], 1)
    await opened.refresh()
    query = Query(LONG_QUERIES[name][:8_000])
    embedding = Embedding(dense=row.embedding.dense, sparse=dict.fromkeys(range(1, 300), 100.0))
    legs = await opened.legs(query, ["lexical", "dense", "sparse"], embedding, 10)
    assert [hit.chunk_id for hit in legs["dense"]] == [row.chunk.chunk_id]
    assert len(await opened.fetch([row.chunk.chunk_id], query, embedding)) == 1


async def test_no_name_however_it_is_written_is_refused(opened: OpenSearchStore) -> None:
    """The index refuses a document one of whose terms begins before the term that it has just seen."""
    drawn = random.Random(0)
    texts = ["".join(drawn.choices("aB1_./:{}- 注", k=60)) for _ in range(300)]
    await opened.write([record(number, text) for number, text in enumerate([*texts, *LONG_QUERIES.values()])], [], 1)
    await opened.refresh()
    assert (await opened.health())["chunks"] == len(texts) + len(LONG_QUERIES)


async def test_two_processes_that_start_at_once_share_one_generation(engine_settings: OpenSearchSettings) -> None:
    stores = await asyncio.gather(*(open_store(engine_settings, MODEL) for _ in range(4)))
    try:
        assert len({await each.identity() for each in stores}) == 1
        assert {await each.generation() for each in stores} == {generation_name(engine_settings.alias, 1)}
    finally:
        for each in stores:
            await each.close()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ModelInfo("test-model", "1", 16, 512), "dim 8, now 16"),
        (ModelInfo("other", "1", DIM, 512), "model 'test-model', now 'other'"),
        (ModelInfo("test-model", "2", DIM, 512), "model_revision '1', now '2'"),
    ],
)
async def test_a_generation_of_another_model_is_refused_by_name(
    engine_settings: OpenSearchSettings, opened: OpenSearchStore, model: ModelInfo, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await open_store(engine_settings, model)
    assert said in refused.value.message
    assert await opened.generation() in refused.value.message


async def test_words_of_the_user_dictionary_are_terms(
    engine_settings: OpenSearchSettings, client: AsyncOpenSearch, tmp_path: Path
) -> None:
    words = tmp_path / "words.csv"
    words.write_text(
        "茜便,茜便,アカネビン,固有名詞\n返金承認番号,返金 承認番号,ヘンキン ショウニンバンゴウ,名詞\n", encoding="utf-8"
    )
    told = await open_store(engine_settings.model_copy(update={"user_dictionary": words}), MODEL)
    try:
        body = {"analyzer": KUROMOJI, "text": "茜便の返金承認番号"}
        terms = await client.indices.analyze(index=await told.generation(), body=body)
        assert [term["token"] for term in terms["tokens"]] == ["茜便", "返金", "承認番号"]
        await told.write([record(1, "茜便で送る"), record(2, "便を数える")], [], 1)
        await told.refresh()
        hits = (await told.legs(Query("茜便"), ["lexical"], None, 10))["lexical"]
        assert hits[0].chunk_id == record(1, "茜便で送る").chunk.chunk_id
    finally:
        await told.close()


async def test_another_chunker_is_told_and_not_refused(
    engine_settings: OpenSearchSettings, opened: OpenSearchStore
) -> None:
    again = await open_store(engine_settings, MODEL, chunker_version="8")
    await again.close()
    assert (await opened.health())["built_with"]["chunker_version"] == "7"


async def test_an_index_without_its_alias_is_refused(
    engine_settings: OpenSearchSettings, opened: OpenSearchStore, client: AsyncOpenSearch
) -> None:
    name = await opened.generation()
    await client.indices.delete_alias(index=name, name=engine_settings.alias)
    with pytest.raises(InvalidInput, match="without its alias"):
        await open_store(engine_settings, MODEL)


async def test_writing_goes_to_the_write_index_of_several(
    engine_settings: OpenSearchSettings, opened: OpenSearchStore, client: AsyncOpenSearch
) -> None:
    second = generation_name(engine_settings.alias, 2)
    await client.indices.create(index=second, body=index_body(MODEL, "7", single_node=True))
    actions = [
        {
            "add": {
                "index": generation_name(engine_settings.alias, 1),
                "alias": engine_settings.alias,
                "is_write_index": False,
            }
        },
        {"add": {"index": second, "alias": engine_settings.alias, "is_write_index": True}},
    ]
    await client.indices.update_aliases(body={"actions": actions})
    assert await current_name(client, engine_settings.alias) == second
    assert (await answering_generation(client, engine_settings.alias)).name == second
    await opened.write([record(1, "注文")], [], 1)
    await opened.refresh()
    assert (await client.count(index=second))["count"] == 1


async def test_no_write_makes_an_index(
    engine_settings: OpenSearchSettings, opened: OpenSearchStore, client: AsyncOpenSearch
) -> None:
    await client.indices.delete(index=await opened.generation())
    row = record(1, "注文")
    with pytest.raises(PartialWrite) as refused:
        await opened.write([row], [], 1)
    assert set(refused.value.failed_ids) == {row.chunk.chunk_id}
    with pytest.raises(Unavailable, match="gone"):
        await opened.write([], ["gone-00000"], 1)
    assert not await client.indices.exists(index=engine_settings.alias)
    with pytest.raises(Unavailable, match="not there"):
        await opened.legs(Query("x"), ["lexical"], None, 10)
    with pytest.raises(Unavailable, match="gone"):
        await opened.generation()
    with pytest.raises(Unavailable, match="not there"):
        await answering_generation(client, engine_settings.alias)


async def test_vectors_are_in_no_stored_field(opened: OpenSearchStore, client: AsyncOpenSearch) -> None:
    await opened.write([record(1, "注文")], [], 1)
    await opened.refresh()
    name = await opened.generation()
    await client.indices.forcemerge(index=name, params={"max_num_segments": "1"})
    (hit,) = (await client.search(index=name, body={"query": {"match_all": {}}}))["hits"]["hits"]
    assert not {"dense", "sparse", "late"} & set(hit["_source"])
    assert {"chunk_id", "text"} <= set(hit["_source"])


async def test_what_is_public_is_asked_for_once_and_then_from_time_to_time(
    opened: OpenSearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = record(2, "tea")
    hidden = replace(hidden, document=replace(hidden.document, acl=Acl(False, ("team",))))
    sent: list[list[str]] = []
    ask = AsyncOpenSearch.msearch

    async def listening(client: AsyncOpenSearch, *, index: str, body: list[object]) -> object:
        sent.append([str(line) for line in body[1::2]])
        return await ask(client, index=index, body=body)

    async def asked() -> tuple[int, bool, int]:
        hits = (await opened.legs(Query("tea"), ["lexical"], None, 10))["lexical"]
        return len(sent[-1]), "must_not" in sent[-1][0], len(hits)

    monkeypatch.setattr(AsyncOpenSearch, "msearch", listening)
    monkeypatch.setattr(store, "_KNOWN_S", 1_000.0)
    await opened.write([record(1, "tea")], [], 1)
    await opened.refresh()
    assert await asked() == (2, False, 1)
    assert await asked() == (1, True, 1)
    await opened.write([hidden], [], 1)
    await opened.refresh()
    assert await asked() == (1, True, 1), "hidden, however it is asked"
    monkeypatch.setattr(opened, "_known_until_s", 0.0)
    assert await asked() == (2, True, 1)
    assert await asked() == (1, False, 1)


async def test_listings_go_on_past_one_page(opened: OpenSearchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE_ROWS", 3)
    monkeypatch.setattr(reader, "PAGE_ROWS", 3)
    rows = [record(number, f"文 {number}") for number in range(9)]
    await opened.write(rows, [], 1)
    await opened.refresh()
    assert set(await opened.chunk_hashes("docs")) == {row.chunk.chunk_id for row in rows}


async def test_health_is_plain_values(opened: OpenSearchStore) -> None:
    await opened.write([record(1, "注文")], [], 1)
    await opened.refresh()
    health = await opened.health()
    assert (health["status"], health["chunks"], health["generation"]) == ("green", 1, await opened.generation())
    assert health["built_with"]["model"] == "test-model"


async def test_an_engine_that_is_gone_is_unavailable(unused_tcp_port: int) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await open_store(OpenSearchSettings(url=f"http://127.0.0.1:{unused_tcp_port}", timeout_s=2.0), MODEL)


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_an_expression_that_costs_too_much_is_refused(opened: OpenSearchStore) -> None:
    asked = Query("", conditions=(Condition("line", r"\w*a\w{60}x\w*b\w{60}", ignore_case=True),))
    with pytest.raises(InvalidInput, match="too complex"):
        await opened.legs(asked, ["exact"], None, 10)


async def test_a_generation_from_before_exact_search_is_told_and_still_written_to(
    engine_settings: OpenSearchSettings, opened: OpenSearchStore, client: AsyncOpenSearch
) -> None:
    name = f"{engine_settings.alias}-000002"
    body = index_body(MODEL, "7", single_node=True)
    body["mappings"]["_meta"]["analyzer_version"] = "3"
    for field in CODE_FIELDS:
        del body["mappings"]["properties"][field]
    await client.indices.create(index=name, body=body)
    await client.indices.update_aliases(
        body={
            "actions": [
                {"remove": {"index": await opened.generation(), "alias": engine_settings.alias}},
                {"add": {"index": name, "alias": engine_settings.alias, "is_write_index": True}},
            ]
        }
    )
    plain = record(1, "def cancel(): pass")
    row = replace(plain, chunk=replace(plain.chunk, kind="function", meta={"symbol": "cancel"}))
    await opened.write([row], [], 1)
    await opened.refresh()
    by_path = Query("", conditions=(Condition("path", "p1", literal=True),))
    assert len((await opened.legs(by_path, ["exact"], None, 10))["exact"]) == 1
    for target in ("symbol", "qualified", "line"):
        asked = Query("", conditions=(Condition(target, "cancel", literal=True),))
        with pytest.raises(InvalidInput, match=f"{name} was built before.*index build"):
            await opened.legs(asked, ["exact"], None, 10)
