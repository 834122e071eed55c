from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pytest
from ingest_fakes import CountingEmbedder

from ingest.cache import EmbeddingCache, cache_key, decode_embedding, encode_embedding
from ingest.cached_embedder import CachedEmbedder
from shirabe.errors import InvalidInput, Overloaded, Unavailable
from shirabe.types import Embedding, ModelInfo, Output, TextKind

MODEL = ModelInfo("m", "1", 8, 512)
ALL: tuple[Output, ...] = ("dense", "sparse", "tokens", "bits")
DENSE: tuple[Output, ...] = ("dense",)


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "embeddings.sqlite")


def same(one: Embedding, other: Embedding) -> bool:
    arrays = zip((one.dense, one.tokens, one.bits), (other.dense, other.tokens, other.bits), strict=True)
    equal = all(
        (a is None and b is None) or (a is not None and b is not None and a.dtype == b.dtype and np.array_equal(a, b))
        for a, b in arrays
    )
    return equal and one.sparse == other.sparse


@pytest.mark.parametrize("outputs", [ALL, ("dense",), ("sparse", "bits"), ()])
async def test_an_embedding_survives_exactly(outputs: tuple[Output, ...]) -> None:
    [embedding] = await CountingEmbedder().embed(["text"], "passage", outputs)
    assert same(decode_embedding(encode_embedding(embedding)), embedding)


async def test_every_cause_of_another_vector_is_in_the_key() -> None:
    keys = {
        cache_key("t", MODEL, "passage", ALL),
        cache_key("u", MODEL, "passage", ALL),
        cache_key("t", ModelInfo("m", "2", 8, 512), "passage", ALL),
        cache_key("t", ModelInfo("n", "1", 8, 512), "passage", ALL),
        cache_key("t", ModelInfo("m", "1", 8, 256), "passage", ALL),
        cache_key("t", MODEL, "query", ALL),
        cache_key("t", MODEL, "passage", DENSE),
    }
    assert len(keys) == 7
    assert cache_key("t", MODEL, "passage", ("dense", "bits")) == cache_key("t", MODEL, "passage", ("bits", "dense"))


async def test_only_misses_are_embedded_and_order_is_kept(cache: EmbeddingCache) -> None:
    model = CountingEmbedder()
    first = CachedEmbedder(model, cache)
    a = await first.embed(["x", "y", "x"], "passage", ALL)
    assert model.texts == ["x", "y"]
    second = CachedEmbedder(model, cache)
    b = await second.embed(["z", "y", "x"], "passage", ALL)
    assert model.texts == ["x", "y", "z"]
    assert same(a[0], a[2])
    assert same(b[2], a[0])
    assert same(b[1], a[1])
    assert (first.counts.embedded, first.counts.cached) == (2, 1)
    assert (second.counts.embedded, second.counts.cached) == (1, 2)


async def test_the_least_recently_used_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [embedding] = await CountingEmbedder().embed(["text"], "passage", DENSE)
    size = len(encode_embedding(embedding))
    cache = EmbeddingCache(tmp_path / "small.sqlite", max_bytes=4 * size)
    for hour, key in enumerate(["a", "b", "c", "d"]):
        monkeypatch.setattr("ingest.cache.time.time", lambda now=hour * 7200: now)
        cache.put({key: embedding})
    monkeypatch.setattr("ingest.cache.time.time", lambda: 100_000)
    assert set(cache.get(["a"])) == {"a"}
    cache.put({"e": embedding})
    assert set(cache.get(["a", "b", "c", "d", "e"])) == {"a", "d", "e"}
    assert cache.size_bytes() <= 4 * size


async def test_a_damaged_entry_is_a_miss(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "c.sqlite")
    model = CountingEmbedder()
    await CachedEmbedder(model, cache).embed(["x"], "passage", ALL)
    with cache._lock:
        cache._connection.execute("UPDATE embeddings SET value = x'00112233'")
    await CachedEmbedder(model, cache).embed(["x"], "passage", ALL)
    assert model.texts == ["x", "x"]


class Flaky(CountingEmbedder):
    def __init__(self, errors: list[Exception]) -> None:
        super().__init__()
        self.errors = errors

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        if self.errors:
            raise self.errors.pop(0)
        return await super().embed(texts, kind, outputs)


async def test_transient_errors_are_asked_again_within_bounds(cache: EmbeddingCache) -> None:
    flaky = Flaky([Overloaded("full", retry_after_s=0.0), Unavailable("down")])
    assert len(await CachedEmbedder(flaky, cache, first_wait_s=0).embed(["x"], "passage", ALL)) == 1
    dead = Flaky([Unavailable("down") for _ in range(100)])
    with pytest.raises(Unavailable):
        await CachedEmbedder(dead, cache, first_wait_s=0).embed(["y"], "passage", ALL)
    assert len(dead.errors) == 95


async def test_terminal_errors_are_not_asked_again(cache: EmbeddingCache) -> None:
    bad = Flaky([InvalidInput("no"), InvalidInput("no")])
    with pytest.raises(InvalidInput):
        await CachedEmbedder(bad, cache, first_wait_s=0).embed(["y"], "passage", ALL)
    assert len(bad.errors) == 1
