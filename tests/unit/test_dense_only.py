"""A model that gives dense vectors only: nothing asks it for more, and nobody calls that a fault."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from facade_fakes import FakeEmbedder, FakeReranker, FaultyStore, filled, record

from api.search import SearchPath
from ingest.batch import Packer
from ingest.models import Models
from ingest.pipeline import embed_batch
from ingest.plan import Plan
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import SearchSettings
from shirabe.types import Embedding, Mode, ModelInfo, Output, Query, Rerank, TextKind

ROWS = [
    replace(row, embedding=Embedding(dense=row.embedding.dense))
    for row in (
        record("docs/en/cancel.md", "how to cancel an order before it ships"),
        record("docs/en/refund.md", "refund an order after it ships"),
        record("src/orders.py", "def cancel_order(order_id): ...", kind="function"),
    )
]


class DenseOnly(FakeEmbedder):
    """It refuses to be asked for more than it has, as model servers do."""

    async def info(self) -> ModelInfo:
        return replace(await super().info(), outputs=("dense",))

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        if set(outputs) != {"dense"}:
            raise InvalidInput("dense vectors only", "outputs")
        return await super().embed(texts, kind, outputs)


@pytest.fixture
async def store() -> FaultyStore:
    return await filled(ROWS)


@pytest.mark.parametrize("mode", ["hybrid", "code"])
@pytest.mark.parametrize("rerank", ["auto", "none"])
async def test_search_leaves_out_what_the_model_has_not(store: FaultyStore, mode: Mode, rerank: Rerank) -> None:
    result = await SearchPath(store, DenseOnly(), None, SearchSettings()).search(
        Query("cancel an order", mode=mode, rerank=rerank)
    )
    assert store.asked == [("dense", "lexical")]
    assert result.degraded == ()
    assert "src/orders.py" in {hit.stored.path for hit in result.hits}
    assert "late" not in result.stages_ms


async def test_a_cross_encoder_still_reranks(store: FaultyStore) -> None:
    result = await SearchPath(store, DenseOnly(), FakeReranker(), SearchSettings()).search(Query("cancel an order"))
    assert "cross" in result.hits[0].legs
    assert result.degraded == ()


async def test_late_interaction_is_missed_by_who_asks_for_it(store: FaultyStore) -> None:
    result = await SearchPath(store, DenseOnly(), None, SearchSettings()).search(
        Query("cancel an order", rerank="late")
    )
    assert result.degraded == ("rerank",)
    assert result.hits


async def test_the_dense_mode_works_and_the_sparse_one_is_refused(store: FaultyStore) -> None:
    search = SearchPath(store, DenseOnly(), None, SearchSettings())
    assert (await search.search(Query("cancel an order", mode="dense"))).hits
    with pytest.raises(InvalidInput, match="no sparse weights"):
        await search.search(Query("cancel an order", mode="sparse"))


async def test_a_model_that_is_away_is_a_fault_all_the_same(store: FaultyStore) -> None:
    model = DenseOnly()
    model.error = Unavailable("away")
    result = await SearchPath(store, model, None, SearchSettings()).search(Query("cancel an order"))
    assert result.degraded == ("embedder",)
    assert store.asked == [("lexical",)]


async def test_passages_are_embedded_with_what_there_is() -> None:
    document, chunk = ROWS[0].document, ROWS[0].chunk
    packer = Packer(8)
    plan = Plan(document.path, document.doc_id, document, "hash", (chunk,), ())
    (batch,) = [*packer.add(plan), *packer.rest()]
    model = DenseOnly()
    (embedding,) = await embed_batch(batch, Models(model, model))
    assert embedding.dense is not None
    assert embedding.sparse is None
