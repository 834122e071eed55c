"""Searching where code has an index and a model of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest
from facade_fakes import FakeEmbedder, FakeReranker, FaultyStore, embed_text, record
from fake_store import InMemoryStore, InMemoryWords

from api.links import LINKS_WEIGHT, names_of
from api.search import SearchPath
from api.sides import leg_weights
from opensearch.pair import PairStore
from shirabe.errors import Overloaded, ShirabeError, Unavailable
from shirabe.protocols import CodeApart
from shirabe.settings import SearchSettings
from shirabe.types import Embedding, Mode, ModelInfo, Output, Query, Record, TextKind

ROWS = [
    record("docs/en/cancel.md", "how to cancel an order before it ships"),
    record("docs/en/refund.md", "refund an order after it ships"),
    record("docs/en/internals.md", "the warehouse calls cancel_order for every lot"),
    record("docs/en/other.md", "nothing of this is about it"),
    record("src/akane/orders.py", "def cancel_order(order_id)", kind="function"),
    record("src/akane/refunds.py", "def refund(order)", kind="function"),
    record("src/akane/secret.py", "def cancel_order_secretly()", kind="function", public=False),
]
WEIGHTS = SearchSettings().weights


def other(embedding: Embedding, outputs: Collection[Output] = ("dense", "bits", "tokens")) -> Embedding:
    """Return what another model would say: vectors half as wide, and no sparse weights."""
    assert embedding.dense is not None and embedding.bits is not None and embedding.tokens is not None
    return Embedding(
        dense=embedding.dense[:32] if "dense" in outputs else None,
        bits=embedding.bits[:, :4] if "bits" in outputs else None,
        tokens=embedding.tokens[:, :32] if "tokens" in outputs else None,
    )


class Coder(FakeEmbedder):
    """The model of code."""

    outputs: tuple[Output, ...] = ("dense", "tokens", "bits")

    async def info(self) -> ModelInfo:
        return replace(await super().info(), name="coder", dim=32, outputs=self.outputs)

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        assert set(outputs) <= set(self.outputs)
        await super().embed(texts, kind, outputs)
        return [other(embed_text(text), outputs) for text in texts]


def with_symbol(row: Record) -> Record:
    symbol = row.chunk.text.removeprefix("def ").partition("(")[0]
    return replace(row, chunk=replace(row.chunk, meta={"symbol": symbol})) if row.chunk.kind == "function" else row


async def pair_of(rows: Sequence[Record], *, one_model: bool) -> tuple[PairStore, FaultyStore]:
    prose, code = FaultyStore(), InMemoryStore()
    pair = PairStore(prose, code, InMemoryWords(prose, code), one_model=one_model)
    given = [
        replace(row, embedding=other(row.embedding)) if row.chunk.kind == "function" and not one_model else row
        for row in map(with_symbol, rows)
    ]
    await pair.write(given, [], 1)
    await pair.refresh()
    return pair, prose


class Rig:
    """A search path over two models."""

    def __init__(self, pair: PairStore, **more: Any) -> None:
        self.pair, self.prose, self.code = pair, FakeEmbedder(), Coder()
        settings = SearchSettings(versions_together=False)
        self.search = SearchPath(
            pair, self.prose, more.pop("reranker", None), settings, code=CodeApart(self.code, settled=True), **more
        )

    async def paths(self, query: Query) -> list[str]:
        return [hit.stored.path for hit in (await self.search.search(query)).hits]


@pytest.fixture
async def rig() -> Rig:
    return Rig((await pair_of(ROWS, one_model=False))[0])


async def test_both_models_are_asked_and_both_indices_answer(rig: Rig) -> None:
    result = await rig.search.search(Query("cancel order"))
    assert result.degraded == ()
    assert (rig.prose.calls, rig.code.calls) == (1, 1)
    assert "src/akane/orders.py" in [hit.stored.path for hit in result.hits[:2]]
    assert {hit.stored.chunk.kind for hit in result.hits[:2]} == {"section", "function"}
    legs = {hit.stored.path: set(hit.legs) for hit in result.hits}
    assert {"lexical", "dense", "sparse", "late"} <= legs["docs/en/cancel.md"]
    assert {"lexical", "code_dense", "late"} <= legs["src/akane/orders.py"]
    assert "dense" not in legs["src/akane/orders.py"]
    assert result.generation == "in-memory-000001 + in-memory-000001"
    assert "src/akane/secret.py" not in legs
    scores = [hit.score for hit in result.hits]
    assert scores == sorted(scores, reverse=True)


async def test_mode_code_asks_the_model_of_code_alone(rig: Rig) -> None:
    assert (await rig.paths(Query("cancel order", mode="code")))[0] == "src/akane/orders.py"
    assert (rig.prose.calls, rig.code.calls) == (0, 1)
    assert {path.split("/")[0] for path in await rig.paths(Query("order", mode="code"))} == {"src"}


@pytest.mark.parametrize("error", [Unavailable("gone"), Overloaded("full")])
@pytest.mark.parametrize("gone", ["embedder", "code-embedder"])
async def test_a_model_that_is_gone_is_named_and_the_other_answers(rig: Rig, gone: str, error: ShirabeError) -> None:
    away, there = (rig.prose, "code_dense") if gone == "embedder" else (rig.code, "dense")
    away.error = error
    result = await rig.search.search(Query("cancel order"))
    assert result.degraded == (gone,)
    assert any(there in hit.legs for hit in result.hits)
    assert {hit.stored.path for hit in result.hits} >= {"docs/en/cancel.md", "src/akane/orders.py"}, "by their words"
    dense = await rig.search.search(Query("cancel order", mode="dense"))
    assert dense.degraded == (gone,) and {leg for hit in dense.hits for leg in hit.legs} == {there, "fused"}


async def test_without_any_model_the_words_answer_and_a_leg_of_meaning_cannot(rig: Rig) -> None:
    rig.prose.error = rig.code.error = Unavailable("gone")
    result = await rig.search.search(Query("cancel order"))
    assert result.degraded == ("embedder", "code-embedder") and result.hits
    with pytest.raises(Unavailable, match="mode dense needs the embedding model"):
        await rig.search.search(Query("order", mode="dense"))


async def test_a_code_model_without_tokens_ranks_code_by_what_it_has(rig: Rig) -> None:
    rig.code.outputs = ("dense",)
    result = await rig.search.search(Query("cancel order"))
    assert result.degraded == () and all("late" in hit.legs for hit in result.hits)
    assert "src/akane/orders.py" in [hit.stored.path for hit in result.hits[:2]]
    assert (await rig.search.search(Query("cancel order", mode="code"))).hits[0].stored.path == "src/akane/orders.py"


async def test_the_cross_encoder_decides_over_both() -> None:
    reranker = FakeReranker()
    rig = Rig((await pair_of(ROWS, one_model=False))[0], reranker=reranker)
    result = await rig.search.search(Query("cancel order"))
    assert {"def cancel_order(order_id)", "how to cancel an order before it ships"} <= {
        passage.rpartition("\n")[2] for passage in reranker.passages
    }
    assert [hit.legs["cross"][0] for hit in result.hits] == list(range(1, len(result.hits) + 1))


async def test_a_document_that_names_the_code_that_was_found_is_found_by_it(rig: Rig) -> None:
    result = await rig.search.search(Query("cancel order"))
    linked = {hit.stored.path: hit.legs["links"][0] for hit in result.hits if "links" in hit.legs}
    assert linked == {"docs/en/internals.md": 1}
    assert "links" in result.stages_ms
    for mode in ("code", "lexical", "dense"):
        assert "links" not in (await rig.search.search(Query("cancel order", mode=mode))).stages_ms


async def test_what_is_linked_is_a_candidate_even_beyond_the_depth_that_is_reranked(rig: Rig) -> None:
    shallow = SearchSettings(versions_together=False, rerank_depth=2)
    rig.search = SearchPath(rig.pair, rig.prose, None, shallow, code=CodeApart(rig.code, settled=True))
    found = await rig.paths(Query("def cancel_order order_id", top_k=2))
    assert found == ["src/akane/orders.py", "docs/en/internals.md"]


async def test_a_link_shows_nothing_that_the_question_leaves_out(rig: Rig) -> None:
    for filters in ({"path": ("src/*",)}, {"kind": ("function",)}):
        assert not [path for path in await rig.paths(Query("cancel order", filters=filters)) if "docs" in path]


@pytest.mark.parametrize("mode", ["hybrid", "code", "dense", "sparse", "lexical"])
async def test_with_one_model_two_indices_answer_as_one_would(mode: Mode) -> None:
    rows = [*ROWS, *(record(f"docs/{n}.md", f"order number {n} ships") for n in range(8))]
    pair, _ = await pair_of(rows, one_model=True)
    whole = InMemoryStore()
    await whole.write([with_symbol(row) for row in rows], [], 1)
    await whole.refresh()
    query = Query("cancel an order that ships", mode=mode, top_k=50)
    answers = [await SearchPath(store, FakeEmbedder(), None, SearchSettings()).search(query) for store in (pair, whole)]
    one, other_ = ([(hit.stored.chunk.chunk_id, hit.score, dict(hit.legs)) for hit in each.hits] for each in answers)
    assert one == other_ and one


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ({"lexical", "dense", "sparse"}, {"lexical": 1.0, "dense": 2.0, "sparse": 1.0}),
        (
            {"lexical", "dense", "sparse", "code_dense"},
            {"lexical": 1.0, "dense": 2.0, "sparse": 1.0, "code_dense": 3.0},
        ),
        ({"dense", "code_dense", "code_sparse"}, {"dense": 2.0, "code_dense": 2.0 * 2 / 3, "code_sparse": 2 / 3}),
        ({"lexical", "code_dense", "links"}, {"lexical": 1.0, "code_dense": 2.0, "links": LINKS_WEIGHT}),
    ],
)
def test_the_legs_of_both_models_weigh_the_same_together(legs: set[str], expected: dict[str, float]) -> None:
    assert leg_weights(legs, WEIGHTS) == pytest.approx(expected)


def test_only_names_that_are_no_plain_words_are_looked_for() -> None:
    def unit(symbol: str) -> Any:
        return replace(CODE_ROW.chunk, meta={"symbol": symbol})

    symbols = ["order", "cancel_order", "OrderService.cancel", "a_b", "getUserById", "cancel_order"]
    paths = ["order.py", "src/akane/order.py", "x", "x", "x", "src/akane/order.py"]
    assert names_of([unit(symbol) for symbol in symbols], paths) == (
        *(("cancel_order",), ("akane/order.py",), ("OrderService.cancel",), ("getUserById",)),
    )
    assert names_of([], []) == ()


CODE_ROW = record("src/akane/orders.py", "def cancel_order(order_id)", kind="function")
