"""Every query is answered whole by one generation, with the model that built it."""

from __future__ import annotations

from collections.abc import Collection

import pytest
from facade_fakes import FakeEmbedder, FaultyStore, filled, record

from api.live import AnsweringEmbedder, LiveSearch
from shirabe.errors import Unavailable
from shirabe.protocols import Answering
from shirabe.settings import SearchSettings
from shirabe.types import Embedding, LegHit, Query


class Counting(FakeEmbedder):
    asked = 0

    async def embed(self, *arguments: object) -> list[Embedding]:
        self.asked += 1
        return await super().embed(*arguments)  # type: ignore[arg-type]


class Pinned(FaultyStore):
    """A store of one generation; it is searched with the vectors of its own model, or the test fails."""

    def __init__(self, name: str, embedder: Counting) -> None:
        super().__init__()
        self.name = name
        self.embedder = embedder

    async def generation(self) -> str:
        return self.name

    async def legs(
        self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
    ) -> dict[str, list[LegHit]]:
        assert self.embedder.asked == 1, "embedded by the model of this generation, and by no other"
        self.embedder.asked = 0
        return await super().legs(query, legs, embedding, depth)


class Switching:
    """An `Index` whose answering generation the test changes; what was looked up before may be told again."""

    def __init__(self, *stores: Pinned) -> None:
        self.stores = {store.name: store for store in stores}
        self.now = self.told = stores[0].name
        self.fresh = 0

    async def answering(self, *, fresh: bool = False) -> Answering:
        self.fresh += fresh
        if fresh:
            self.told = self.now
        store = self.stores[self.told]
        return Answering(store.name, store.name, store, store.embedder)


@pytest.fixture
async def index() -> Switching:
    stores = [Pinned(name, Counting()) for name in ("one", "two")]
    for store in stores:
        await filled([record("a.md", "cancel an order")], store)
    return Switching(*stores)


async def test_the_answer_names_the_generation_that_gave_it(index: Switching) -> None:
    search = LiveSearch(index, None, SearchSettings())
    assert (await search.search(Query("cancel"))).generation == "one"
    index.now = index.told = "two"
    answer = await search.search(Query("cancel"))
    assert (answer.generation, answer.degraded, len(answer.hits)) == ("two", (), 1)
    assert index.fresh == 0


async def test_one_that_was_collected_meanwhile_is_looked_up_again(index: Switching) -> None:
    index.now = "two"
    index.stores["one"].error = Unavailable("the index is not there")
    assert (await LiveSearch(index, None, SearchSettings()).search(Query("cancel"))).generation == "two"
    assert index.fresh == 1


async def test_an_engine_that_is_gone_is_not_asked_twice(index: Switching) -> None:
    index.stores["one"].error = Unavailable("gone")
    with pytest.raises(Unavailable, match="gone"):
        await LiveSearch(index, None, SearchSettings()).search(Query("cancel"))
    assert index.fresh == 1


async def test_the_embedder_of_the_index_is_that_of_who_answers(index: Switching) -> None:
    embedder = AnsweringEmbedder(index)
    await embedder.embed(["x"], "query", ["dense"])
    index.told = "two"
    await embedder.embed(["x"], "query", ["dense"])
    assert [store.embedder.asked for store in index.stores.values()] == [1, 1]
    assert await embedder.info() == await index.stores["two"].embedder.info()
