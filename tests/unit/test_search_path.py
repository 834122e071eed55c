import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from facade_fakes import FakeEmbedder, FakeReranker, FaultyStore, filled, record

from api.search import CROSS_DEPTH, SearchPath
from api.stages import StageTimeouts
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError, Timeout, Unavailable
from shirabe.settings import SearchSettings
from shirabe.types import Embedding, LegHit, Mode, Output, Query, Record, Rerank, TextKind

ROWS = [
    record("docs/en/cancel.md", "how to cancel an order before it ships"),
    record("docs/ja/cancel.md", "注文を取り消す方法", lang="ja"),
    record("docs/en/refund.md", "refund an order after it ships"),
    record("docs/en/refund.md", "a refund takes three days", ordinal=1),
    record("src/orders.py", "def cancel_order(order_id): ...", kind="function"),
    record("secret.md", "cancel order secret", public=False),
]


@pytest.fixture
async def store() -> FaultyStore:
    return await filled(ROWS)


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
def search(store: FaultyStore, embedder: FakeEmbedder) -> SearchPath:
    return SearchPath(store, embedder, None, SearchSettings())


async def paths(search: SearchPath, query: Query) -> list[str]:
    return [hit.stored.path for hit in (await search.search(query)).hits]


async def test_the_best_answer_is_first_and_its_other_language_follows(search: SearchPath) -> None:
    result = await search.search(Query("cancel an order"))
    assert [hit.stored.path for hit in result.hits][:2] == ["docs/en/cancel.md", "docs/ja/cancel.md"]
    assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
    assert result.generation == "in-memory-000001"
    assert result.degraded == ()
    assert set(result.stages_ms) == {"embed", "glossary", "legs", "fetch", "late", "versions", "highlight"}
    assert {"lexical", "dense", "sparse", "fused", "late"} <= set(result.hits[0].legs)


async def test_versions_stay_apart_when_told_to(embedder: FakeEmbedder) -> None:
    store = await filled([row for row in ROWS if row.document.path != "docs/en/refund.md"])
    query = Query("cancel an order", mode="lexical")
    apart = SearchPath(store, embedder, None, SearchSettings(versions_together=False))
    assert await paths(apart, query) == ["docs/en/cancel.md", "src/orders.py", "docs/ja/cancel.md"]
    kept = SearchPath(store, embedder, None, SearchSettings())
    assert await paths(kept, query) == ["docs/en/cancel.md", "docs/ja/cancel.md", "src/orders.py"]


async def test_what_nobody_may_see_is_not_found(search: SearchPath) -> None:
    assert "secret.md" not in await paths(search, Query("secret", top_k=50))


async def test_no_document_is_lost(search: SearchPath) -> None:
    result = await search.search(Query("refund order", top_k=50))
    assert [(hit.stored.path, hit.stored.chunk.ordinal) for hit in result.hits][-1] == ("docs/en/refund.md", 1)


async def test_top_k_is_kept(search: SearchPath) -> None:
    assert len(await paths(search, Query("order", top_k=2))) == 2


async def test_no_match_is_no_hit(search: SearchPath) -> None:
    result = await search.search(Query("zzz", mode="lexical"))
    assert result.hits == () and result.degraded == ()


@pytest.mark.parametrize(
    ("mode", "legs"),
    [
        ("hybrid", ("dense", "lexical", "sparse")),
        ("code", ("dense", "lexical", "sparse")),
        ("dense", ("dense",)),
        ("sparse", ("sparse",)),
        ("lexical", ("lexical",)),
    ],
)
async def test_a_mode_asks_its_legs(search: SearchPath, store: FaultyStore, mode: Mode, legs: tuple[str, ...]) -> None:
    await search.search(Query("cancel order", mode=mode))
    assert store.asked == [legs]


async def test_a_leg_without_weight_is_not_asked(store: FaultyStore, embedder: FakeEmbedder) -> None:
    settings = SearchSettings(weights={"lexical": 1.0, "dense": 0.0})
    await SearchPath(store, embedder, None, settings).search(Query("order"))
    assert store.asked == [("lexical",)]


async def test_code_mode_finds_code_only(search: SearchPath) -> None:
    assert await paths(search, Query("cancel order", mode="code")) == ["src/orders.py"]


async def test_lexical_mode_needs_no_model(search: SearchPath, embedder: FakeEmbedder) -> None:
    await search.search(Query("order", mode="lexical"))
    assert embedder.calls == 0


async def test_rerank_none_keeps_the_fused_order(search: SearchPath) -> None:
    result = await search.search(Query("refund order", rerank="none", filters={"kind": ("function", "section")}))
    assert "late" not in result.stages_ms
    assert all("late" not in hit.legs for hit in result.hits)


async def test_a_single_leg_can_be_reranked_when_asked(search: SearchPath) -> None:
    result = await search.search(Query("cancel order", mode="lexical", rerank="late"))
    assert "late" in result.hits[0].legs


async def test_the_cross_encoder_decides_over_what_late_interaction_chose(embedder: FakeEmbedder) -> None:
    store = await filled([record(f"docs/{n}.md", f"order number {n}") for n in range(CROSS_DEPTH + 5)])
    reranker = FakeReranker()
    search = SearchPath(store, embedder, reranker, SearchSettings())
    result = await search.search(Query("order number 7", top_k=100))
    assert len(reranker.passages) == CROSS_DEPTH
    assert result.hits[0].stored.path == "docs/7.md"
    assert result.hits[0].legs["cross"] == (1, 1.0)
    assert len(result.hits) == CROSS_DEPTH + 5
    assert reranker.passages[0].startswith("docs/")


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("gone"),
        Timeout("slow"),
        Overloaded("full"),
        Forbidden("the key is wrong"),
        NotFound("no such model"),
    ],
)
async def test_without_the_model_lexical_hits_come_and_say_so(
    search: SearchPath, embedder: FakeEmbedder, store: FaultyStore, error: Exception
) -> None:
    embedder.error = error  # type: ignore[assignment]
    result = await search.search(Query("cancel order"))
    assert result.degraded == ("embedder",)
    assert store.asked == [("lexical",)]
    assert result.hits[0].stored.path in ("docs/en/cancel.md", "src/orders.py")
    embedder.error = None
    assert (await search.search(Query("cancel order"))).degraded == ()


@pytest.mark.parametrize("mode", ["dense", "sparse"])
async def test_a_leg_of_the_model_cannot_do_without_it(search: SearchPath, embedder: FakeEmbedder, mode: Mode) -> None:
    for error in (Overloaded("full"), Forbidden("the key is wrong")):
        embedder.error = error
        with pytest.raises(Unavailable, match=f"mode {mode} needs the embedding model: {error}"):
            await search.search(Query("order", mode=mode))


async def test_a_model_that_hangs_is_given_up(store: FaultyStore) -> None:
    class Hanging(FakeEmbedder):
        async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
            await asyncio.Event().wait()
            return []

    search = SearchPath(store, Hanging(), None, SearchSettings(), timeouts=StageTimeouts(embed_s=0.01))
    assert (await search.search(Query("order"))).degraded == ("embedder",)


async def test_a_store_that_hangs_is_a_timeout(embedder: FakeEmbedder) -> None:
    class Hanging(FaultyStore):
        async def legs(
            self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
        ) -> dict[str, list[LegHit]]:
            await asyncio.Event().wait()
            return {}

    search = SearchPath(Hanging(), embedder, None, SearchSettings(), timeouts=StageTimeouts(store_s=0.01))
    with pytest.raises(Timeout, match="search engine"):
        await search.search(Query("order"))


async def test_a_store_that_is_gone_is_told(search: SearchPath, store: FaultyStore) -> None:
    store.error = Unavailable("no engine")
    with pytest.raises(Unavailable, match="no engine"):
        await search.search(Query("order"))


@pytest.mark.parametrize("error", [Unavailable("gone"), NotFound("no cross-encoder is served here")])
async def test_without_the_reranker_late_interaction_decides_and_says_so(
    store: FaultyStore, embedder: FakeEmbedder, error: ShirabeError
) -> None:
    reranker = FakeReranker()
    reranker.error = error
    result = await SearchPath(store, embedder, reranker, SearchSettings()).search(Query("cancel order"))
    assert result.degraded == ("rerank",)
    assert "late" in result.hits[0].legs and "cross" not in result.hits[0].legs


async def test_a_cross_encoder_that_was_never_there_is_told(search: SearchPath) -> None:
    assert (await search.search(Query("order", rerank="cross"))).degraded == ("rerank",)


async def test_tokens_of_another_model_are_told(embedder: FakeEmbedder) -> None:
    def narrow(row: Record) -> Record:
        assert row.embedding.bits is not None
        return replace(row, embedding=replace(row.embedding, bits=row.embedding.bits[:, :2]))

    store = await filled([narrow(row) for row in ROWS])
    result = await SearchPath(store, embedder, None, SearchSettings()).search(Query("order"))
    assert result.degraded == ("rerank",) and result.hits


@pytest.mark.parametrize(
    ("query", "place"),
    [
        (Query(""), "query"),
        (Query(" \t\n\x00 "), "query"),
        (Query("x" * 8_001), "query"),
        (Query("\ud800"), "query"),
        (Query("x", top_k=0), "top_k"),
        (Query("x", top_k=101), "top_k"),
        (Query("x", mode="fuzzy"), "mode"),  # type: ignore[arg-type]
        (Query("x", rerank="best"), "rerank"),  # type: ignore[arg-type]
        (Query("x", filters={"nothing": ("y",)}), "filters.nothing"),
        (Query("x", filters={"lang": ()}), "filters.lang"),
        (Query("x", filters={"lang": ("y" * 2_000,)}), "filters.lang"),
    ],
)
async def test_bad_input_names_its_place(search: SearchPath, query: Query, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await search.search(query)
    assert caught.value.place == place


async def test_control_characters_are_spaces(search: SearchPath) -> None:
    assert await paths(search, Query("cancel\x00\x1border\r\n")) == await paths(search, Query("cancel  order"))


@pytest.mark.parametrize("rerank", ["auto", "none", "late"])
async def test_the_same_question_has_the_same_answer(search: SearchPath, rerank: Rerank) -> None:
    first = await search.search(Query("order", rerank=rerank, top_k=50))
    again = await search.search(Query("order", rerank=rerank, top_k=50))
    assert [(hit.stored.chunk.chunk_id, hit.score) for hit in first.hits] == [
        (hit.stored.chunk.chunk_id, hit.score) for hit in again.hits
    ]


CODE = [
    record("src/orders.py", "def cancel_order(order_id):\n    return order_id", kind="function", lang="python"),
    record("src/test_orders.py", "def test_cancel_order():\n    cancel_order(1)", kind="function", lang="python"),
    record("docs/cancel.md", "how cancel_order cancels an order"),
    record("src/secret.py", "def cancel_order_secretly(): ...", kind="function", lang="python", public=False),
]


def defining(row: Record, *names: str) -> Record:
    meta = {"symbols": [[1, name] for name in names], "start_line": 1, "end_line": 2}
    return replace(row, chunk=replace(row.chunk, meta=meta, locator=f"{row.document.path}#L1-L2"))


@pytest.fixture
async def code(embedder: FakeEmbedder) -> SearchPath:
    names = ("cancel_order", "test_cancel_order", "", "cancel_order_secretly")
    rows = [defining(row, name) if name else row for row, name in zip(CODE, names, strict=True)]
    return SearchPath(await filled(rows), embedder, FakeReranker(), SearchSettings())


async def test_operators_alone_are_answered_exactly_without_a_model(code: SearchPath, embedder: FakeEmbedder) -> None:
    embedder.error = Unavailable("gone")
    result = await code.search(Query("sym:cancel_order"))
    assert [hit.stored.path for hit in result.hits] == ["src/orders.py", "src/test_orders.py"]
    assert [(hit.rank, set(hit.legs), hit.lines) for hit in result.hits] == [(1, {"exact"}, (1,)), (2, {"exact"}, (1,))]
    assert result.hits[0].stored.chunk.locator == "src/orders.py#L1"
    assert (result.degraded, result.glossary, embedder.calls) == ((), (), 0)
    assert set(result.stages_ms) == {"legs", "fetch"}
    assert await paths(code, Query("sym:cancel_order -file:test", mode="dense")) == ["src/orders.py"]
    assert await paths(code, Query("sym:cancel_order", top_k=1)) == ["src/orders.py"]


async def test_words_beside_operators_are_ranked_among_what_fulfils_them(code: SearchPath) -> None:
    result = await code.search(Query("cancel an order lang:py -file:test"))
    assert [hit.stored.path for hit in result.hits] == ["src/orders.py"]
    assert {"dense", "lexical", "sparse", "late", "cross"} <= set(result.hits[0].legs)
    assert result.hits[0].lines == ()
    lines = await code.search(Query('return "order_id"', mode="code"))
    assert [(hit.stored.path, hit.lines) for hit in lines.hits] == [("src/orders.py", (1, 2))]
    assert lines.hits[0].stored.highlights == (
        "def cancel_order(<em>order_id</em>):",
        "    return <em>order_id</em>",
    )


async def test_an_operator_shows_nothing_that_the_asker_may_not_see(code: SearchPath) -> None:
    for text in ("sym:cancel_order", "file:secret", '"cancel_order"', r"/^def \w+/", "cancel sym:cancel_order"):
        assert "src/secret.py" not in await paths(code, Query(text, mode="code", top_k=50)), text


async def test_a_bad_operator_is_refused_before_anything_is_asked(code: SearchPath, embedder: FakeEmbedder) -> None:
    for text in ("cancel sym:a(", "lang:klingon", "file:*.py"):
        with pytest.raises(InvalidInput, match=r"at character \d+"):
            await code.search(Query(text))
    assert embedder.calls == 0
