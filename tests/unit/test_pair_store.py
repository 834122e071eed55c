"""Two stores as one: what is written where, what is found where, and that nothing is found twice or lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from facade_fakes import embed_text, record
from fake_store import InMemoryStore, InMemoryWords
from ingest_fakes import FailingStore

from opensearch.pair import Own, PairStore, ranked
from shirabe.errors import PartialWrite
from shirabe.types import Embedding, LegHit, Mode, Principal, Query, Record

PROSE = record("docs/cancel.md", "how to cancel an order")
CODE = record("src/orders.py", "def cancel_order(order_id)", kind="function")
MIXED = [
    record("src/mixed.py", "import order", kind="module"),
    record("src/mixed.py", "a table of orders", kind="table", ordinal=1),
    record("src/mixed.py", "class Order", kind="class", ordinal=2),
]


def pair(
    prose: InMemoryStore, code: InMemoryStore, *, one_model: bool = True, settled: bool = True, own: Own = "both"
) -> PairStore:
    return PairStore(prose, code, InMemoryWords(prose, code), one_model=one_model, settled=settled, own=own)


async def held(store: InMemoryStore) -> set[str]:
    await store.refresh()
    return set(await store.chunk_hashes("docs"))


def ids(*records: Record) -> set[str]:
    return {each.chunk.chunk_id for each in records}


def of_kind(row: Record, kind: str) -> Record:
    return replace(row, chunk=replace(row.chunk, kind=kind))


async def test_each_chunk_goes_where_its_kind_belongs_and_a_document_is_shown_whole() -> None:
    prose, code = InMemoryStore(), InMemoryStore()
    both = pair(prose, code)
    await both.write([PROSE, CODE, *MIXED], [], 1)
    assert await held(prose) == ids(PROSE, MIXED[1])
    assert await held(code) == ids(CODE, MIXED[0], MIXED[2])
    shown = await both.document(MIXED[0].chunk.doc_id, Principal())
    assert [item.chunk for item in shown] == [row.chunk for row in MIXED]
    assert await both.chunk_hashes("docs") == {
        row.chunk.chunk_id: row.chunk.content_hash for row in (PROSE, CODE, *MIXED)
    }
    assert await both.counts() == {"docs": (3, 5)}
    await both.write([], list(ids(PROSE, *MIXED)), 2)
    assert (await held(prose), await held(code)) == (set(), ids(CODE))


@pytest.mark.parametrize(("before", "after"), [("section", "function"), ("function", "section")])
async def test_a_chunk_that_changes_its_kind_leaves_the_index_it_was_in(before: str, after: str) -> None:
    prose, code = InMemoryStore(), InMemoryStore()
    both = pair(prose, code)
    await both.write([of_kind(PROSE, before)], [], 1)
    await both.write([of_kind(PROSE, after)], [], 2)
    here, there = (code, prose) if after == "function" else (prose, code)
    assert (await held(here), await held(there)) == (ids(PROSE), set())
    (found,) = await both.fetch(list(ids(PROSE)), Query("x"), None)
    assert found.chunk.kind == after


async def test_what_is_refused_where_it_belongs_stays_where_it_was() -> None:
    prose, code = InMemoryStore(), FailingStore()
    both = pair(prose, code)
    await both.write([PROSE], [], 1)
    code.refused = ids(PROSE)
    with pytest.raises(PartialWrite) as refused:
        await both.write([of_kind(PROSE, "function"), CODE], [], 2)
    assert set(refused.value.failed_ids) == ids(PROSE)
    assert (await held(prose), await held(code)) == (ids(PROSE), ids(CODE))


async def test_a_follower_writes_its_own_index_and_gives_up_what_belongs_to_the_other() -> None:
    prose, code = InMemoryStore(), InMemoryStore()
    await prose.write([CODE], [], 1)
    await pair(prose, code, own="prose").write([PROSE, CODE], [], 2)
    assert (await held(prose), await held(code)) == (ids(PROSE), set())
    await pair(prose, code, own="code").write([PROSE, CODE], list(ids(PROSE)), 3)
    assert (await held(prose), await held(code)) == (ids(PROSE), ids(CODE))


async def test_without_kinds_of_its_own_code_returns() -> None:
    prose, code = InMemoryStore(), InMemoryStore()
    await pair(prose, code).write([PROSE, CODE], [], 1)
    back = PairStore(prose, code, InMemoryWords(prose, code), one_model=True, apart=False)
    await back.write([CODE], [], 2)
    assert (await held(prose), await held(code)) == (ids(PROSE, CODE), set())


async def test_one_that_is_in_both_for_a_moment_is_found_once() -> None:
    prose, code = InMemoryStore(), InMemoryStore()
    for store in (prose, code):
        await store.write([CODE], [], 1)
    both = pair(prose, code, settled=False)
    await both.refresh()
    query, embedding = Query("cancel order"), embed_text("cancel order")
    for leg, hits in (await both.legs(query, ["lexical", "dense", "sparse"], embedding, 10)).items():
        assert [(hit.chunk_id, hit.rank) for hit in hits] == [(CODE.chunk.chunk_id, 1)], leg
    assert len(await both.fetch([CODE.chunk.chunk_id], query, embedding)) == 1
    assert len(await both.document(CODE.chunk.doc_id, Principal())) == 1
    assert [saved.chunk for saved in await both.saved([CODE.chunk.chunk_id])] == [CODE.chunk]


def test_rankings_are_merged_by_score_each_id_once_by_its_best() -> None:
    rows = [("b", 1.0), ("a", 1.0), ("c", 3.0), ("b", 2.0)]
    assert ranked(rows, 2) == [LegHit("c", 1, 3.0), LegHit("b", 2, 2.0)]
    assert [hit.chunk_id for hit in ranked(rows, 9)] == ["c", "b", "a"]


def narrow(row: Record) -> Record:
    """Return a record as another model would have embedded it: half as wide, and no sparse weights."""
    vector = row.embedding.dense
    assert vector is not None and row.embedding.bits is not None
    half = (vector[:32] / np.linalg.norm(vector[:32])).astype(np.float32)
    return replace(row, embedding=Embedding(dense=half, bits=row.embedding.bits[:, :4]))


async def two_models(*, settled: bool = True) -> PairStore:
    prose, code = InMemoryStore(), InMemoryStore()
    both = pair(prose, code, one_model=False, settled=settled)
    await both.write([PROSE, narrow(CODE)], [], 1)
    await both.refresh()
    return both


def asked(text: str, *, prose: bool = True, code: bool = True) -> Embedding:
    there = narrow(record("q", text)).embedding
    here = embed_text(text) if prose else Embedding()
    return replace(here, code=there if code else None)


async def test_two_models_are_asked_each_of_its_own_and_keep_their_ranks_apart() -> None:
    both = await two_models()
    legs = await both.legs(Query("cancel order"), ["lexical", "dense", "sparse"], asked("cancel order"), 10)
    assert {leg: [hit.chunk_id for hit in hits] for leg, hits in legs.items() if leg != "lexical"} == {
        "dense": [PROSE.chunk.chunk_id],
        "sparse": [PROSE.chunk.chunk_id],
        "code_dense": [CODE.chunk.chunk_id],
    }
    assert {hit.chunk_id for hit in legs["lexical"]} == ids(PROSE, CODE)
    names = [CODE.chunk.chunk_id, PROSE.chunk.chunk_id]
    found = await both.fetch(names, Query(""), asked("cancel order"))
    assert [(item.apart, item.bits is not None and item.bits.shape[1]) for item in found] == [(True, 4), (False, 8)]
    scores = await both.scores(names, Query("cancel order"), asked("cancel order"))
    assert {leg: set(by_id) for leg, by_id in scores.items()} == {
        "lexical": set(names),
        "dense": set(names),
        "sparse": {PROSE.chunk.chunk_id},
    }


async def test_a_model_that_said_nothing_leaves_the_other_index() -> None:
    both = await two_models()
    for prose, code, expected in ((True, False, "dense"), (False, True, "code_dense")):
        embedding = asked("cancel order", prose=prose, code=code)
        assert set(await both.legs(Query("cancel order"), ["dense"], embedding, 10)) == {expected}
    for nothing in (None, Embedding()):
        with pytest.raises(ValueError, match="dense leg needs"):
            await both.legs(Query("x"), ["dense"], nothing, 10)


@pytest.mark.parametrize(
    ("mode", "settled", "legs"),
    [
        ("code", True, {"code_dense"}),
        ("code", False, {"dense", "code_dense"}),
        ("hybrid", True, {"dense", "code_dense"}),
    ],
)
async def test_code_is_asked_of_its_own_index_alone_once_all_of_it_is_there(
    mode: Mode, settled: bool, legs: set[str]
) -> None:
    both = await two_models(settled=settled)
    assert set(await both.legs(Query("order", mode=mode), ["dense"], asked("order"), 10)) == legs
