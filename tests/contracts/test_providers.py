"""The providers against servers that answer as the vendors publish: what is asked, what is refused, what is waited."""

from __future__ import annotations

import asyncio
import email.utils
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from fake_clock import FakeClock
from fake_vendors import KEY, QUOTA, RATE, FakeVendor, Fault, fake_cohere, fake_openai, openai_error, vector

from ray_app.problems import TooLong
from ray_app.providers.embedder import ProviderEmbedder
from ray_app.providers.refusals import retry_after_s
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError, Timeout, Unavailable
from shirabe.settings import ModelSettings
from shirabe.types import Embedding, Floats

Open = Callable[..., ProviderEmbedder]


@pytest_asyncio.fixture
async def openai_server() -> AsyncIterator[FakeVendor]:
    async with fake_openai() as server:
        yield server


@pytest_asyncio.fixture
async def cohere_server() -> AsyncIterator[FakeVendor]:
    async with fake_cohere() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest_asyncio.fixture
async def open_model(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> AsyncIterator[Open]:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    opened: list[ProviderEmbedder] = []

    def open_it(model: str, server: FakeVendor, **settings: Any) -> ProviderEmbedder:
        fields: dict[str, Any] = {"provider_url": server.url, "provider_key_env": "TEST_PROVIDER_KEY"} | settings
        opened.append(ProviderEmbedder(ModelSettings(model=model, **fields), clock))
        return opened[-1]

    yield open_it
    for embedder in opened:
        await embedder.close()


@pytest.fixture
def large(open_model: Open, openai_server: FakeVendor) -> ProviderEmbedder:
    return open_model("openai:text-embedding-3-large", openai_server, dimensions=256)


@pytest.fixture
def cohere(open_model: Open, cohere_server: FakeVendor) -> ProviderEmbedder:
    return open_model("cohere:embed-multilingual-v3.0", cohere_server)


def dense(embeddings: list[Embedding]) -> Floats:
    return np.stack([one.dense for one in embeddings if one.dense is not None])


async def test_openai_is_asked_in_base64_and_for_the_width(large: ProviderEmbedder, openai_server: FakeVendor) -> None:
    texts = ["在庫を引き当てる", "cancel an order"]
    vectors = dense(await large.embed(texts, "passage", ["dense"]))
    assert openai_server.requests == [
        {"model": "text-embedding-3-large", "input": texts, "encoding_format": "base64", "dimensions": 256}
    ]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [vector(text, 3072, 256) for text in texts], atol=1e-6)


@pytest.mark.parametrize(
    ("model", "dimensions", "dim"),
    [
        ("openai:text-embedding-3-large", None, 3072),
        ("openai:text-embedding-3-large", 1, 1),
        ("openai:text-embedding-3-small", None, 1536),
        ("openai:text-embedding-3-small", 512, 512),
    ],
)
async def test_the_width_is_known_before_anything_is_asked(
    open_model: Open, openai_server: FakeVendor, model: str, dimensions: int | None, dim: int
) -> None:
    embedder = open_model(model, openai_server, dimensions=dimensions)
    info = await embedder.info()
    assert openai_server.requests == []
    assert (info.name, info.revision, info.dim, info.max_tokens) == (model, f"{dim}d", dim, 8191)
    assert info.outputs == ("dense",)
    assert dense(await embedder.embed(["在庫"], "query", ["dense"])).shape == (1, dim)


async def test_an_unknown_model_is_asked_for_its_width_once(open_model: Open, openai_server: FakeVendor) -> None:
    embedder = open_model("openai:ada-like", openai_server)
    infos = [await embedder.info(), await embedder.info()]
    assert infos[0] == infos[1]
    assert infos[0].dim == 1536
    assert len(openai_server.requests) == 1
    assert "dimensions" not in openai_server.requests[0]
    assert embedder.model.licence == "unknown"


async def test_floats_are_read_where_base64_is_not_spoken(open_model: Open, openai_server: FakeVendor) -> None:
    embedder = open_model("openai:ada-like", openai_server)
    vectors = dense(await embedder.embed(["在庫"], "query", ["dense"]))
    np.testing.assert_allclose(vectors, [vector("在庫", 1536, 1536)], atol=1e-6)


async def test_cohere_tells_queries_from_passages(cohere: ProviderEmbedder, cohere_server: FakeVendor) -> None:
    query = dense(await cohere.embed(["在庫"], "query", ["dense"]))
    await cohere.embed(["在庫"], "passage", ["dense"])
    assert [request["input_type"] for request in cohere_server.requests] == ["search_query", "search_document"]
    assert cohere_server.requests[0] == {
        "model": "embed-multilingual-v3.0",
        "texts": ["在庫"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "truncate": "END",
    }
    # The server's are seven long.
    np.testing.assert_allclose(query, [vector("在庫", 1024, 1024)], atol=1e-6)


async def test_requests_are_as_large_as_openai_takes_and_no_larger(
    large: ProviderEmbedder, openai_server: FakeVendor
) -> None:
    texts = [f"w{number}" for number in range(4100)]
    vectors = dense(await large.embed(texts, "passage", ["dense"]))
    assert sorted(len(request["input"]) for request in openai_server.requests) == [4, 2048, 2048]
    for number in (0, 2047, 2048, 4099):
        np.testing.assert_allclose(vectors[number], vector(texts[number], 3072, 256), atol=1e-6)


async def test_a_request_stays_below_the_tokens_openai_takes(
    large: ProviderEmbedder, openai_server: FakeVendor
) -> None:
    # 150 texts of 4 998 tokens, a byte each: more than twice what one request may hold.
    openai_server.count_tokens = lambda text: 3 * len(text)
    texts = [f"{number:05d}" + "在" * 1661 for number in range(150)]
    assert len(await large.embed(texts, "passage", ["dense"])) == 150
    sizes = [3 * sum(map(len, request["input"])) for request in openai_server.requests]
    assert sum(sizes) == 150 * 4998
    assert max(sizes) <= 300_000


async def test_cohere_gets_96_texts_a_call(cohere: ProviderEmbedder, cohere_server: FakeVendor) -> None:
    assert len(await cohere.embed([f"w{number}" for number in range(200)], "passage", ["dense"])) == 200
    assert sorted(len(request["texts"]) for request in cohere_server.requests) == [8, 96, 96]


async def test_requests_at_once_are_bounded(open_model: Open, openai_server: FakeVendor) -> None:
    embedder = open_model(
        "openai:text-embedding-3-small", openai_server, dimensions=64, provider_batch=1, provider_concurrency=3
    )
    # Each answer waits until three have arrived: with fewer at once this would never end.
    arrived = asyncio.Semaphore(0)

    async def gate() -> None:
        if len(openai_server.requests) % 3 == 0:
            for _ in range(3):
                arrived.release()
        await arrived.acquire()

    openai_server.gate = gate
    async with asyncio.timeout(20):
        await embedder.embed([f"w{number}" for number in range(12)], "passage", ["dense"])
    assert openai_server.most_at_once == 3


async def test_a_text_too_long_is_cut(large: ProviderEmbedder, openai_server: FakeVendor) -> None:
    (one,) = await large.embed(["order " * 200_000], "passage", ["dense"])
    assert one.dense is not None
    assert len(openai_server.requests) == 1
    assert len(openai_server.requests[0]["input"][0]) < 20_000


async def test_a_wrong_estimate_is_corrected_by_the_refusal(large: ProviderEmbedder, openai_server: FakeVendor) -> None:
    # A token a byte is the most that a byte-level tokenizer can make of it.
    openai_server.count_tokens = lambda text: len(text.encode())
    texts = ["在庫", "庫" * 5000]
    assert len(await large.embed(texts, "passage", ["dense"])) == 2
    first, second = (request["input"] for request in openai_server.requests)
    assert first[1] == texts[1]
    assert second == ["在庫", "庫" * 2730]


async def test_a_text_that_no_cutting_helps_is_refused_once(large: ProviderEmbedder, openai_server: FakeVendor) -> None:
    openai_server.count_tokens = lambda _: 9000
    with pytest.raises(InvalidInput, match="maximum context length"):
        await large.embed(["在庫"], "passage", ["dense"])
    assert len(openai_server.requests) == 1


async def test_cohere_cuts_by_itself(cohere: ProviderEmbedder, cohere_server: FakeVendor) -> None:
    await cohere.embed(["order " * 2000, "x" * 1_000_000], "passage", ["dense"])
    long, endless = cohere_server.requests[0]["texts"]
    assert len(long) == 12_000
    assert len(endless) == 512 * 32


async def test_nothing_is_cut_where_that_is_not_wanted(
    large: ProviderEmbedder, cohere: ProviderEmbedder, openai_server: FakeVendor, cohere_server: FakeVendor
) -> None:
    texts = ["在庫", "order " * 2000]
    with pytest.raises(TooLong, match="longer than 512"):
        await cohere.encode(texts, "passage", "passage", cut=False)
    await cohere.encode(texts[:1], "passage", "passage", cut=False)
    assert [(request["truncate"], request["texts"]) for request in cohere_server.requests] == [
        ("NONE", texts),
        ("NONE", texts[:1]),
    ]
    # The estimate was wrong: what could be cut is not.
    openai_server.count_tokens = lambda text: len(text.encode())
    with pytest.raises(TooLong, match="maximum context length"):
        await large.encode(texts, "passage", "passage", cut=False)
    assert [request["input"] for request in openai_server.requests] == [texts]


async def test_what_is_not_unicode_is_refused_before_it_is_sent(
    large: ProviderEmbedder, openai_server: FakeVendor
) -> None:
    with pytest.raises(InvalidInput) as raised:
        await large.embed(["a\ud800"], "query", ["dense"])
    assert raised.value.place == "texts"
    assert openai_server.requests == []


async def test_only_dense_vectors_are_to_be_had(large: ProviderEmbedder) -> None:
    with pytest.raises(InvalidInput, match="dense vectors only") as raised:
        await large.embed(["在庫"], "query", ["dense", "sparse"])
    assert raised.value.place == "outputs"


async def test_a_rate_limit_is_waited_out_as_the_vendor_says(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock
) -> None:
    openai_server.faults.append(Fault(RATE.status, RATE.body, {"Retry-After": "17"}))
    assert len(await large.embed(["在庫"], "passage", ["dense"])) == 1
    assert len(openai_server.requests) == 2
    assert 17 <= sum(clock.slept) < 18


async def test_a_rate_limit_holds_up_the_other_requests_too(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock
) -> None:
    openai_server.faults.append(Fault(RATE.status, RATE.body, {"Retry-After": "30"}))
    began = clock.now()
    with pytest.raises(Overloaded):
        await large.embed(["在庫"], "query", ["dense"])
    assert clock.now() == began
    await large.embed(["庫"], "passage", ["dense"])
    assert clock.now() - began == pytest.approx(30)


async def test_a_vendor_that_says_tomorrow_is_asked_again(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock
) -> None:
    openai_server.faults.append(Fault(RATE.status, RATE.body, {"Retry-After": "86400"}))
    with pytest.raises(Overloaded) as raised:
        await large.embed(["在庫"], "passage", ["dense"])
    assert raised.value.retry_after_s == 86_400
    with pytest.raises(Overloaded, match="rate limit"):
        await large.embed(["在庫"], "passage", ["dense"])
    assert len(openai_server.requests) == 1
    await clock.sleep(600)
    assert len(await large.embed(["在庫"], "passage", ["dense"])) == 1


async def test_a_question_does_not_wait_for_long(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock
) -> None:
    openai_server.faults.append(Fault(RATE.status, RATE.body, {"Retry-After": "30"}))
    with pytest.raises(Overloaded) as raised:
        await large.embed(["在庫"], "query", ["dense"])
    assert raised.value.retry_after_s == 30
    assert clock.slept == []


async def test_the_limit_in_the_settings_is_kept(open_model: Open, openai_server: FakeVendor, clock: FakeClock) -> None:
    embedder = open_model(
        "openai:text-embedding-3-small", openai_server, dimensions=8, provider_requests_per_minute=2, timeout_s=200
    )
    began = clock.now()
    for number in range(5):
        await embedder.embed([f"w{number}"], "passage", ["dense"])
    assert 120 <= clock.now() - began < 125
    await embedder.embed(["the last of this minute"], "passage", ["dense"])
    with pytest.raises(Overloaded, match="rate limit"):
        await embedder.embed(["w"], "query", ["dense"])


async def test_a_request_never_asks_for_more_than_a_minute_holds(open_model: Open, openai_server: FakeVendor) -> None:
    embedder = open_model("openai:text-embedding-3-small", openai_server, dimensions=8, provider_tokens_per_minute=2000)
    texts = [f"{number:02d}" + "x" * 498 for number in range(8)]
    await embedder.embed(texts, "passage", ["dense"])
    assert max(sum(map(len, request["input"])) for request in openai_server.requests) <= 2000


async def test_what_the_vendor_says_is_left_slows_us_down(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock
) -> None:
    openai_server.headers = {
        "x-ratelimit-limit-requests": "3000",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "30s",
    }
    await large.embed(["在庫"], "passage", ["dense"])
    began = clock.now()
    await large.embed(["在庫"], "passage", ["dense"])
    assert clock.now() - began == pytest.approx(0.01)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
async def test_what_may_pass_is_asked_again(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock, status: int
) -> None:
    openai_server.faults.extend([Fault(status, "<html>Bad gateway</html>")] * 2)
    assert len(await large.embed(["在庫"], "passage", ["dense"])) == 1
    assert len(openai_server.requests) == 3
    assert len(clock.slept) == 2
    assert 0.25 <= clock.slept[0] <= 0.5 <= clock.slept[1] <= 1


@pytest.mark.parametrize(
    ("status", "kind"), [(408, Timeout), (409, Unavailable), (429, Overloaded), (500, Unavailable), (504, Timeout)]
)
async def test_it_is_given_up_after_five_times(
    large: ProviderEmbedder, openai_server: FakeVendor, status: int, kind: type[ShirabeError]
) -> None:
    openai_server.faults.extend([openai_error(status, "Try again", "server_error")] * 9)
    with pytest.raises(kind, match="Try again"):
        await large.embed(["在庫"], "passage", ["dense"])
    assert len(openai_server.requests) == 5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (openai_error(400, "'$.input' is invalid", "invalid_request_error"), InvalidInput),
        (openai_error(403, "Country, region, or territory not supported", "request_forbidden"), Forbidden),
        (openai_error(404, "The model `x` does not exist", "invalid_request_error"), NotFound),
        (openai_error(422, "Unprocessable", "invalid_request_error"), InvalidInput),
        (QUOTA, Forbidden),
        (Fault(402, {"message": "please add a payment method"}), Forbidden),
        (Fault(301, "", {"Location": "/elsewhere"}), InvalidInput),
        (Fault(418, "short and stout"), InvalidInput),
    ],
)
async def test_what_will_not_pass_is_asked_once(
    large: ProviderEmbedder, openai_server: FakeVendor, fault: Fault, kind: type[ShirabeError]
) -> None:
    openai_server.faults.append(fault)
    with pytest.raises(kind) as raised:
        await large.embed(["在庫"], "passage", ["dense"])
    assert type(raised.value) is kind
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        "not JSON",
        {},
        {"data": []},
        {"data": [{"index": 1, "embedding": "AAAA"}]},
        {"data": [{"index": 0, "embedding": "!"}]},
        {"data": [{"index": 0, "embedding": [[1.0]]}]},
        {"data": [{"index": 0, "embedding": [0.0] * 256}]},
        {"data": [{"index": 0, "embedding": [float("nan")] * 256}]},
        {"data": [{"index": 0, "embedding": [1.0] * 3072}]},
        {"data": [{"index": 0, "embedding": [1.0] * 256}, {"index": 1, "embedding": [1.0] * 256}]},
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    large: ProviderEmbedder, openai_server: FakeVendor, body: dict[str, Any] | str
) -> None:
    openai_server.faults.append(Fault(200, body))
    with pytest.raises(Unavailable):
        await large.embed(["在庫"], "passage", ["dense"])


async def test_an_answer_of_another_vendor_is_an_error(cohere: ProviderEmbedder, cohere_server: FakeVendor) -> None:
    cohere_server.faults.append(Fault(200, {"embeddings": [[1.0] * 1024]}))
    with pytest.raises(Unavailable, match="not embeddings"):
        await cohere.embed(["在庫"], "passage", ["dense"])


async def test_a_server_that_hangs_is_given_up(openai_server: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    openai_server.gate = asyncio.Event().wait  # type: ignore[assignment]
    settings = ModelSettings(
        model="openai:ada-like",
        provider_url=openai_server.url,
        provider_key_env="TEST_PROVIDER_KEY",
        timeout_s=0.2,
    )
    embedder = ProviderEmbedder(settings)
    for kind in ("query", "passage"):
        with pytest.raises(Timeout, match=r"the provider at 127\.0\.0\.1 did not answer in time"):
            await embedder.embed(["在庫"], kind, ["dense"])
    await embedder.close()


async def test_a_server_that_is_not_there_is_unavailable(open_model: Open, clock: FakeClock) -> None:
    embedder = open_model("openai:ada-like", FakeVendor(url="http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="not reachable"):
        await embedder.embed(["在庫"], "passage", ["dense"])
    assert len(clock.slept) == 4


async def test_use_and_cost_are_counted(
    large: ProviderEmbedder, cohere: ProviderEmbedder, openai_server: FakeVendor
) -> None:
    assert (large.usage.requests, large.usage.cost_usd) == (0, 0)
    openai_server.faults.append(Fault(500, "oops"))
    await large.embed(["cancel order", "在庫"], "passage", ["dense"])
    usage = large.usage
    assert (usage.requests, usage.retries, usage.texts, usage.tokens) == (2, 1, 2, 6)
    assert usage.cost_usd == pytest.approx(6 * 0.13e-6)
    await cohere.embed(["order " * 2000], "passage", ["dense"])
    assert cohere.usage.tokens == 512
    assert cohere.usage.cost_usd == pytest.approx(512 * 0.10e-6)


async def test_the_price_is_the_settings_where_they_say(open_model: Open, openai_server: FakeVendor) -> None:
    known = open_model("openai:text-embedding-3-small", openai_server, provider_usd_per_million=1_000_000, dimensions=8)
    unknown = open_model("openai:ada-like", openai_server)
    for embedder in (known, unknown):
        await embedder.embed(["在庫"], "passage", ["dense"])
    assert known.usage.cost_usd == pytest.approx(2)
    assert unknown.usage.cost_usd is None


async def test_tokens_are_estimated_where_the_server_does_not_count(
    open_model: Open, openai_server: FakeVendor
) -> None:
    embedder = open_model("openai:ada-like", openai_server)
    openai_server.faults.append(Fault(200, {"data": [{"index": 0, "embedding": [1.0, 0.0]}]}))
    await embedder.embed(["abcd"], "passage", ["dense"])
    assert embedder.usage.tokens == 2


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"model": "openai:"}, "models.model"),
        ({"model": "openai:text-embedding-3-large", "dimensions": 3073}, "models.dimensions"),
        ({"model": "openai:text-embedding-3-small", "dimensions": 2000}, "models.dimensions"),
        ({"model": "cohere:embed-multilingual-v3.0", "dimensions": 256}, "models.dimensions"),
        ({"model": "openai:x", "provider_url": "ftp://example.org"}, "models.provider_url"),
        ({"model": "openai:x", "provider_url": "http://user:secret@example.org/v1"}, "models.provider_url"),
        ({"model": "openai:x", "provider_url": "http://example.org/v1?key=secret"}, "models.provider_url"),
        ({"model": "openai:x", "provider_url": "nowhere"}, "models.provider_url"),
        ({"model": "openai:x"}, "models.provider_key_env"),
        ({"model": "cohere:x"}, "models.provider_key_env"),
        ({"model": "openai:x", "provider_key_env": "NOT_SET_ANYWHERE"}, "models.provider_key_env"),
        ({"model": "openai:x", "provider_key_env": "BROKEN_KEY"}, "models.provider_key_env"),
        ({"model": "openai:x", "provider_key_file": "/nonexistent/key"}, "models.provider_key_file"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("CO_API_KEY", raising=False)
    monkeypatch.setenv("BROKEN_KEY", "a\nb: c")
    with pytest.raises(InvalidInput) as raised:
        ProviderEmbedder(ModelSettings(**settings))
    assert raised.value.place == place


async def test_a_key_is_sent_to_its_vendor_only(
    open_model: Open, openai_server: FakeVendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the vendor's own")
    embedder = open_model("openai:ada-like", openai_server, provider_key_env=None)
    with pytest.raises(Forbidden, match="none is configured"):
        await embedder.embed(["在庫"], "query", ["dense"])
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    embedder = open_model("openai:ada-like", openai_server, provider_key_env=None, provider_key_file=file)
    await embedder.embed(["在庫"], "query", ["dense"])
    assert openai_server.keys == [f"Bearer {KEY}"]


async def test_a_key_is_in_no_error_and_no_log(
    open_model: Open,
    openai_server: FakeVendor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("WRONG_KEY", "sk-very-secret")
    caplog.set_level("DEBUG")
    embedder = open_model("openai:ada-like", openai_server, provider_key_env="WRONG_KEY")
    # The server's answer quotes the key, as vendors do in part.
    with pytest.raises(Forbidden) as raised:
        await embedder.embed(["在庫"], "query", ["dense"])
    assert "WRONG_KEY" in raised.value.message
    seen = [raised.value.message, repr(raised.value), repr(vars(embedder)), repr(vars(embedder._calls)), caplog.text]
    assert not any("very-secret" in text for text in seen)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:20 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 20),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(httpx.Headers(headers)) == seconds


async def test_a_date_to_come_back_at_is_waited_for(
    large: ProviderEmbedder, openai_server: FakeVendor, clock: FakeClock
) -> None:
    sent = "Wed, 21 Oct 2026 07:28:00 GMT"
    until = email.utils.format_datetime(email.utils.parsedate_to_datetime(sent).replace(second=9), usegmt=True)
    openai_server.faults.append(Fault(503, "busy", {"Date": sent, "Retry-After": until}))
    await large.embed(["在庫"], "passage", ["dense"])
    assert 9 <= sum(clock.slept) < 10
