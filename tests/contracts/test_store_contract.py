"""What every `Store` does, run on the one in memory and on OpenSearch."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import pytest_asyncio
from fake_store import InMemoryStore, InMemoryWords
from opensearchpy import AsyncOpenSearch

from opensearch.catalogue import Catalogue
from opensearch.pair import PairStore
from opensearch.shape import Shape
from opensearch.store import OpenSearchStore, open_store
from shirabe.errors import InvalidInput
from shirabe.names import name_key
from shirabe.protocols import Store
from shirabe.settings import OpenSearchSettings
from shirabe.types import (
    Acl,
    Document,
    Embedding,
    ModelInfo,
    Principal,
    Query,
    Record,
    Term,
    document_id,
    make_chunk,
)

DIM = 16
MODEL = ModelInfo("test-model", "1", DIM, 512)
WHEN = datetime(2026, 4, 1, 9, 30, 15, 250_000, UTC)
EVERYONE = Acl(public=True)
NOTHING = Embedding()
AnyStore = InMemoryStore | OpenSearchStore | PairStore


async def remove_indices(url: str, alias: str) -> None:
    """Delete the generations of one test's alias, and nothing else."""
    async with AsyncOpenSearch(hosts=[url]) as client:
        names = await client.indices.get(index=f"{alias}-*", params={"allow_no_indices": "true"})
        for name in names:
            await client.indices.delete(index=name)


@pytest.fixture
def alias() -> str:
    return f"contract-{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture
async def real_store(opensearch_url: str, alias: str) -> AsyncIterator[OpenSearchStore]:
    store = await open_store(OpenSearchSettings(url=opensearch_url, alias=alias), MODEL)
    yield store
    await store.close()
    await remove_indices(opensearch_url, alias)


@pytest_asyncio.fixture
async def real_pair(opensearch_url: str, alias: str, real_store: OpenSearchStore) -> PairStore:
    """Code in an index of its own beside the other, built by the same model; both are removed with the other."""

    async def shape() -> Shape:
        return Shape()

    prose = Catalogue(real_store._client, alias, shape)
    code = prose.beside("code")
    made = await code.ensure(MODEL, "1")
    words = prose.words(prose.alias, code.alias)
    return PairStore(real_store, code.to_answering(made), words, one_model=True, settled=False)


def pair_in_memory() -> PairStore:
    prose, code = InMemoryStore(), InMemoryStore()
    return PairStore(prose, code, InMemoryWords(prose, code), one_model=True, settled=False)


@pytest.fixture(params=["memory", "opensearch", "pair in memory", "pair in opensearch"])
def store(request: pytest.FixtureRequest) -> AnyStore:
    if request.param == "memory":
        return InMemoryStore()
    if request.param == "pair in memory":
        return pair_in_memory()
    real: AnyStore = request.getfixturevalue("real_store" if request.param == "opensearch" else "real_pair")
    return real


def axis(number: int, other: int | None = None) -> np.ndarray:
    vector = np.zeros(DIM, dtype=np.float32)
    vector[number] = 1.0
    if other is not None:
        vector[other] = 1.0
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def record(
    path: str,
    text: str,
    *,
    ordinal: int = 0,
    source: str = "docs",
    kind: str = "section",
    lang: str = "ja",
    acl: Acl = EVERYONE,
    revision: str = "r1",
    title: str = "",
    embedding: Embedding = NOTHING,
) -> Record:
    document = Document(
        document_id(source, path), source, path, f"https://x/{path}", title, b"", "text/plain", revision, WHEN, acl
    )
    chunk = make_chunk(
        document,
        ordinal,
        kind=kind,
        text=text,
        locator=f"{path}#L1",
        lang=lang,
        context="題名 > 見出し",
        headings=("題名", "見出し"),
        meta={"start_line": 1, "end_line": 3},
    )
    return Record(document, chunk, embedding)


def ids(*records: Record) -> list[str]:
    return [each.chunk.chunk_id for each in records]


async def filled(store: Store, *records: Record, version: int = 1) -> None:
    await store.write(records, [], version)
    await store.refresh()


async def lexical(store: Store, query: Query, depth: int = 10) -> list[str]:
    return [hit.chunk_id for hit in (await store.legs(query, ["lexical"], None, depth))["lexical"]]


async def test_fetch_gives_back_what_was_written_in_the_order_asked(store: AnyStore) -> None:
    bits = np.asarray([[0, 1], [250, 255], [254, 62], [251, 239], [128, 7]], dtype=np.uint8)
    first = record("a.md", "注文を取り消す", title="注文", embedding=Embedding(dense=axis(0), bits=bits))
    second = record("b.md", "order is cancelled", lang="en")
    await filled(store, first, second)
    found = await store.fetch([*ids(second), "missing", *ids(first)], Query("注文"), Embedding(dense=axis(0)))
    assert [item.chunk for item in found] == [second.chunk, first.chunk]
    got = found[1]
    assert (got.source_id, got.path, got.uri, got.title) == ("docs", "a.md", "https://x/a.md", "注文")
    assert (got.revision, got.updated_at, got.version_key) == ("r1", WHEN, "docs:a.md")
    assert got.bits is not None
    assert got.bits.dtype == np.uint8
    assert got.bits.tolist() == bits.tolist()
    assert found[0].bits is None


async def test_highlights_are_marked_and_escaped(store: AnyStore) -> None:
    row = record("a.md", "<script>alert(1)</script> 在庫 を確認する")
    await filled(store, row)
    (found,) = await store.fetch(ids(row), Query("在庫"), None)
    assert "<em>在庫</em>" in found.highlights[0]
    assert "<script>" not in "".join(found.highlights)
    (plain,) = await store.fetch(ids(row), Query(""), None)
    assert plain.highlights == ()


async def test_nothing_asked_nothing_given(store: AnyStore) -> None:
    assert await store.fetch([], Query("x"), None) == []
    assert await store.scores([], Query("x"), None) == {}
    assert await store.versions_of([], Query("x")) == []
    assert await store.legs(Query("x"), [], None, 10) == {}
    assert await store.document("nothing", Principal()) == []
    assert await store.chunk_hashes("nothing") == {}


async def test_each_leg_ranks_by_its_own_score(store: AnyStore) -> None:
    rows = [
        record("a.md", "倉庫", embedding=Embedding(dense=axis(0), sparse={3: 2.0, 4: 2.0})),
        record("b.md", "注文", embedding=Embedding(dense=axis(0, 1), sparse={3: 1.0})),
        record("c.md", "注文 と 倉庫", embedding=Embedding(dense=axis(2), sparse={200_001: 1.0})),
    ]
    await filled(store, *rows)
    a, b, c = ids(*rows)
    query = Embedding(dense=axis(1), sparse={3: 1.0, 200_001: 5.0, 9: 0.0})
    legs = await store.legs(Query("注文"), ["lexical", "dense", "sparse"], query, 10)
    assert {hit.chunk_id for hit in legs["lexical"]} == {b, c}
    dense = [(hit.chunk_id, hit.rank) for hit in legs["dense"]]
    assert dense[0] == (b, 1)
    assert legs["dense"][0].score == pytest.approx(2**-0.5, abs=1e-3)
    assert [hit.chunk_id for hit in legs["sparse"]] == [c, a, b]
    # A dot product with weights divided by the fourth root of the passage's sum, to the engine's nine bits.
    expected = [5.0, 2.0 / 4.0**0.25, 1.0]
    assert [hit.score for hit in legs["sparse"]] == pytest.approx(expected, rel=5e-3)


async def test_depth_bounds_every_leg(store: AnyStore) -> None:
    rows = [record(f"{n}.md", "注文", embedding=Embedding(dense=axis(n), sparse={1: 1.0})) for n in range(5)]
    await filled(store, *rows)
    query = Embedding(dense=axis(1), sparse={1: 1.0})
    legs = await store.legs(Query("注文"), ["lexical", "dense", "sparse"], query, 3)
    assert {leg: [hit.rank for hit in hits] for leg, hits in legs.items()} == {leg: [1, 2, 3] for leg in legs}


@pytest.mark.parametrize("leg", ["dense", "sparse"])
async def test_a_leg_without_its_embedding_is_refused(store: AnyStore, leg: str) -> None:
    with pytest.raises(ValueError, match="embedding"):
        await store.legs(Query("x"), [leg], None, 10)
    with pytest.raises(ValueError, match="embedding"):
        await store.legs(Query("x"), [leg], Embedding(), 10)


async def test_scores_are_those_of_the_legs_for_just_these_chunks(store: AnyStore) -> None:
    rows = [record(f"{n}.md", f"注文 {n}", embedding=Embedding(dense=axis(n), sparse={n: 1.0})) for n in range(6)]
    await filled(store, *rows)
    query = Embedding(dense=axis(1, 2), sparse={1: 2.0, 2: 1.0})
    legs = await store.legs(Query("注文 1"), ["lexical", "dense", "sparse"], query, 10)
    chosen = ids(*rows[1:3])
    scores = await store.scores([*chosen, "missing"], Query("注文 1"), query)
    for leg in ("lexical", "dense", "sparse"):
        expected = {hit.chunk_id: hit.score for hit in legs[leg] if hit.chunk_id in chosen}
        assert set(expected) == set(chosen)
        assert scores[leg] == pytest.approx(expected, abs=1e-4)
    assert set(await store.scores(chosen, Query("注文"), None)) == {"lexical"}


SECRET = record(
    "secret.md", "機密 の 注文", acl=Acl(principals=("alice", "ops")), embedding=Embedding(axis(1), {1: 1.0})
)
HIDDEN = record("hidden.md", "機密 の 注文", acl=Acl(), embedding=Embedding(axis(1), {1: 1.0}))
OPEN = record("open.md", "公開 の 注文", embedding=Embedding(axis(2), {1: 0.5}))


@pytest.mark.parametrize(
    ("names", "seen"),
    [((), [OPEN]), (("bob",), [OPEN]), (("alice",), [OPEN, SECRET]), (("bob", "ops"), [OPEN, SECRET])],
)
async def test_every_read_shows_only_what_the_principal_may_see(
    store: AnyStore, names: tuple[str, ...], seen: list[Record]
) -> None:
    rows = [SECRET, HIDDEN, OPEN]
    who = Principal(names)
    query = Query("注文", principal=who)
    embedding = Embedding(dense=axis(1), sparse={1: 1.0})
    # A store may have seen that all is public, and then asks otherwise: what comes after is not for everybody yet.
    await filled(store, OPEN)
    for rows_there, allowed in (([], set(ids(OPEN))), ([SECRET, HIDDEN], set(ids(*seen))), ([], set(ids(*seen)))):
        if rows_there:
            await filled(store, *rows_there)
        for leg, hits in (await store.legs(query, ["lexical", "dense", "sparse"], embedding, 10)).items():
            assert {hit.chunk_id for hit in hits} == allowed, leg
    for leg, scores in (await store.scores(ids(*rows), query, embedding)).items():
        assert set(scores) == allowed, leg
    assert {item.chunk.chunk_id for item in await store.fetch(ids(*rows), query, None)} == allowed
    keys = [f"docs:{row.document.path}" for row in rows]
    assert {item.chunk.chunk_id for item in await store.versions_of(keys, query)} == allowed
    documents = [await store.document(row.chunk.doc_id, who) for row in rows]
    assert {item.chunk.chunk_id for found in documents for item in found} == allowed


async def test_filters_hold_inside_every_leg(store: AnyStore) -> None:
    embedding = Embedding(axis(0), {1: 1.0})
    rows = [
        record("guide/a.md", "注文", embedding=embedding),
        record("guide/b.py", "注文", kind="function", lang="en", embedding=embedding),
        record("api/c.md", "注文", source="other", revision="r2", embedding=embedding),
    ]
    await filled(store, *rows)
    a, b, c = ids(*rows)
    cases: list[tuple[dict[str, tuple[str, ...]], set[str]]] = [
        ({"source": ("other",)}, {c}),
        ({"kind": ("function", "class")}, {b}),
        ({"lang": ("ja",)}, {a, c}),
        ({"lang": ("ja",), "source": ("docs",)}, {a}),
        ({"path": ("guide/*",)}, {a, b}),
        ({"path": ("guide/a.md", "api/*")}, {a, c}),
        ({"path": ("guide/",)}, set()),
        ({"path": ("*",)}, {a, b, c}),
        ({"doc_id": (rows[1].chunk.doc_id,)}, {b}),
        ({"revision": ("r2", "r3")}, {c}),
        ({"source": ('docs" OR "other',)}, set()),
    ]
    for filters, expected in cases:
        query = Query("注文", filters=filters)
        for leg, hits in (await store.legs(query, ["lexical", "dense", "sparse"], embedding, 10)).items():
            assert {hit.chunk_id for hit in hits} == expected, (filters, leg)
    assert await lexical(store, Query("注文", mode="code")) == [b]


@pytest.mark.parametrize(
    "filters",
    [{"acl": ("alice",)}, {"public": ("true",)}, {"lang": ()}, {"lang": ("x",) * 101}, {"path": ("x" * 2_000,)}],
)
async def test_a_bad_filter_is_refused_by_name(store: AnyStore, filters: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(InvalidInput) as refused:
        await store.legs(Query("x", filters=filters), ["lexical"], None, 10)
    assert refused.value.place == f"filters.{next(iter(filters))}"


async def test_an_older_writer_never_wins(store: AnyStore) -> None:
    new, old = record("a.md", "新しい 内容", revision="r2"), record("a.md", "古い 内容", revision="r1")
    await filled(store, new, version=20)
    await filled(store, old, version=10)
    (found,) = await store.document(new.chunk.doc_id, Principal())
    assert (found.chunk.text, found.revision) == ("新しい 内容", "r2")
    await store.write([], ids(new), 15)
    await store.refresh()
    assert len(await store.document(new.chunk.doc_id, Principal())) == 1


async def test_a_replay_of_the_same_version_is_welcome(store: AnyStore) -> None:
    row = record("a.md", "内容")
    await filled(store, row, version=20)
    await filled(store, row, version=20)
    assert await store.chunk_hashes("docs") == {row.chunk.chunk_id: row.chunk.content_hash}


async def test_a_delete_is_final_for_older_writers(store: AnyStore) -> None:
    row = record("a.md", "内容")
    await filled(store, row, version=10)
    await store.write([], [*ids(row), "never-there-00000"], 20)
    await store.refresh()
    assert await store.document(row.chunk.doc_id, Principal()) == []
    await filled(store, row, version=10)
    assert await store.document(row.chunk.doc_id, Principal()) == []
    await filled(store, row, version=21)
    assert len(await store.document(row.chunk.doc_id, Principal())) == 1


async def test_a_lost_permission_shows_at_once(store: AnyStore) -> None:
    await filled(store, record("a.md", "注文"), version=1)
    await filled(store, record("a.md", "注文", acl=Acl(principals=("ops",))), version=2)
    assert await lexical(store, Query("注文")) == []
    assert len(await lexical(store, Query("注文", principal=Principal(("ops",))))) == 1


async def test_document_gives_all_chunks_in_order(store: AnyStore) -> None:
    rows = [record("a.md", f"節 {n}", ordinal=n) for n in range(12)]
    await filled(store, *reversed(rows), record("b.md", "別"))
    found = await store.document(rows[0].chunk.doc_id, Principal())
    assert [item.chunk.ordinal for item in found] == list(range(12))


async def test_versions_of_gives_the_first_chunk_of_each_language(store: AnyStore) -> None:
    rows = [
        record("docs/ja/pod.md", "一", ordinal=0),
        record("docs/ja/pod.md", "二", ordinal=1),
        record("docs/en/pod.md", "one", ordinal=0, lang="en"),
        record("docs/en/node.md", "node", ordinal=0, lang="en"),
    ]
    await filled(store, *rows)
    found = await store.versions_of(["docs:docs/pod.md"], Query("x"))
    assert {item.chunk.chunk_id for item in found} == {*ids(rows[0], rows[2])}
    found = await store.versions_of(["docs:docs/pod.md"], Query("x", filters={"lang": ("en",)}))
    assert [item.chunk.lang for item in found] == ["en"]


async def test_hashes_and_counts_are_per_source(store: AnyStore) -> None:
    rows = [record("a.md", "x", ordinal=n) for n in range(3)]
    other = record("a.md", "x", source="other")
    await filled(store, *rows, other)
    assert await store.chunk_hashes("docs") == {row.chunk.chunk_id: row.chunk.content_hash for row in rows}
    assert await store.counts() == {"docs": (1, 3), "other": (1, 1)}


async def test_chunks_without_embeddings_are_found_by_their_words(store: AnyStore) -> None:
    row = record("a.md", "注文")
    await filled(store, row)
    assert await lexical(store, Query("注文")) == ids(row)
    query = Embedding(dense=axis(1), sparse={1: 1.0})
    legs = await store.legs(Query("注文"), ["dense", "sparse"], query, 10)
    assert legs == {"dense": [], "sparse": []}


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("サーバーを再起動する", "ｻｰﾊﾞ"),
        ("ＡＰＩキーの発行", "API"),
        ("第１２章 例外処理", "12"),
        ("getUserById(id) を呼ぶ", "get user by id"),
        ("getUserById(id) を呼ぶ", "getuserbyid"),
        ("列 order_id は必須", "orderId"),
        ("the field orderId", "order_id"),
        ("POST /orders/{id} は 201 を返す", "/orders/{id}"),
        ("client.fetchAll() を使う", "fetch all"),
    ],
)
async def test_spellings_meet(store: AnyStore, text: str, query: str) -> None:
    row = record("a.md", text)
    await filled(store, row, record("b.md", "まったく違う話です"))
    assert (await lexical(store, Query(query)))[:1] == ids(row)


def term(path: str, acl: Acl = EVERYONE, **fields: object) -> Record:
    row = record(path, "受注", acl=acl)
    return replace(row, chunk=replace(row.chunk, kind="term", meta={"term": Term(**fields).to_meta()}))  # type: ignore[arg-type]


async def test_terms_are_found_by_every_name_they_have(store: AnyStore) -> None:
    order = term("a.md", ja="受注（販売）", en="Sales Order", abbreviations=("SO",), forbidden=("オーダー",))
    await filled(store, order, term("b.md", ja="受注残"), record("c.md", "受注"))
    for name in ("受注", "sales-order", "salesOrder", "ｵｰﾀﾞ", "so"):
        found = await store.terms({name_key(name), "nothing"}, Principal())
        assert [item.chunk.meta["term"]["ja"] for item in found] == ["受注（販売）"], name
    assert await store.terms({name_key("販売"), name_key("order")}, Principal()) == []
    assert await store.terms((), Principal()) == []


async def test_a_term_is_nobody_s_whom_it_is_hidden_from(store: AnyStore) -> None:
    await filled(store, term("a.md", Acl(principals=("sales",)), ja="与信枠"))
    assert await store.terms({"与信枠"}, Principal()) == []
    assert len(await store.terms({"与信枠"}, Principal(("sales",)))) == 1


async def test_what_a_term_is_called_besides_finds_less_than_what_was_asked(store: AnyStore) -> None:
    asked, besides = record("a.md", "与信枠"), record("b.md", "the credit line")
    await filled(store, asked, besides, record("c.md", "credit, a line"))
    ranked = await lexical(store, Query("与信枠", also=(("credit line", "CL"),)))
    assert ranked == ids(asked, besides)
    assert await lexical(store, Query("与信枠")) == ids(asked)


async def test_identity_and_generation_hold_while_the_index_does(store: AnyStore) -> None:
    assert await store.identity() == await store.identity()
    assert (await store.generation()).endswith("-000001")


async def test_stored_text_comes_back_as_it_was_written_refreshed_or_not(store: AnyStore) -> None:
    restricted = Acl(principals=("a", "b"))
    rows = [record("p1", "一"), record("p2", "two", acl=restricted, title="題"), record("p3", "three")]
    await store.write(rows, [], 1)
    await store.write([], ids(rows[2]), 2)
    found = await store.saved([*ids(*rows[::-1]), "none-00000"])
    assert [saved.chunk for saved in found] == [rows[1].chunk, rows[0].chunk]
    for saved, row in zip(found, rows[1::-1], strict=True):
        given = (saved.document.doc_id, saved.document.source_id, saved.document.path, saved.document.uri)
        assert given == (row.document.doc_id, row.document.source_id, row.document.path, row.document.uri)
        assert (saved.document.title, saved.document.acl) == (row.document.title, row.document.acl)
        assert (saved.document.revision, saved.document.updated_at) == (row.document.revision, row.document.updated_at)
        assert saved.document.content == b""
