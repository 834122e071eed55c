"""Exact search over code on a real engine: it matches what RE2 matches, and finds what developers type."""

from __future__ import annotations

import random
import subprocess
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from facade_fakes import DIM, FakeEmbedder, embed_text
from fake_tokens import FakeTokens
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from made_patterns import ALPHABET, MORE, PIECES, lines, patterns
from opensearchpy import AsyncOpenSearch

from api.search import SearchPath
from ingest.chunkers import StructureChunker
from ingest.media_types import media_type_of
from opensearch.store import OpenSearchStore, open_store
from shirabe.conditions import fulfils
from shirabe.errors import InvalidInput
from shirabe.settings import SearchSettings, Settings
from shirabe.types import Acl, Condition, Document, Embedding, Mode, ModelInfo, Query, Record, SearchResult, make_chunk

MODEL = ModelInfo("hashed-words", "1", DIM, 512)
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module")
async def store(opensearch_url: str, settings: Settings) -> AsyncIterator[OpenSearchStore]:
    alias = f"test-{uuid.uuid4().hex[:12]}"
    engine = settings.opensearch.model_copy(update={"url": opensearch_url, "alias": alias})
    opened = await open_store(engine, MODEL)
    yield opened
    await opened.close()
    async with AsyncOpenSearch(hosts=[opensearch_url]) as client:
        await client.indices.delete(index=f"{alias}-*")


def code(name: str, text: str, symbol: str = "x") -> Record:
    document = Document(name, "s", f"src/{name}.py", "u", name, b"", "text/x-python", "r", WHEN, Acl(public=True))
    meta = {"symbols": [[1, symbol]], "start_line": 1, "end_line": text.count("\n") + 1}
    chunk = make_chunk(document, 0, kind="function", text=text, locator="p", lang="python", meta=meta)
    return Record(document, chunk, Embedding())


def made_lines() -> list[str]:
    """Lines drawn once, the same in every run."""
    drawn = random.Random(7)
    texts = []
    for _ in range(220):
        if drawn.random() < 0.6:
            texts.append("".join(drawn.choices((*PIECES, *MORE), k=drawn.randint(1, 8))))
        else:
            texts.append("".join(drawn.choices(ALPHABET, k=drawn.randint(1, 12))))
    return [text for text in texts if text.strip()]


class Held(list[Record]):
    """What is in the index; hypothesis prints what it is given."""

    def __repr__(self) -> str:
        return f"{len(self)} records"


@pytest_asyncio.fixture(scope="module")
async def held(store: OpenSearchStore) -> Held:
    texts = made_lines()
    # Some chunks of several lines: a match never reaches over the end of one.
    pairs = ["\n".join(texts[at : at + 3]) for at in range(0, 60, 3)]
    rows = [code(f"d{at}", text, text.split("\n")[0]) for at, text in enumerate([*texts[60:], *pairs])]
    await store.write(rows, [], 1)
    await store.refresh()
    return Held(rows)


TARGETS = st.sampled_from(("line", "symbol", "path"))


@limits(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=patterns(), ignore_case=st.booleans(), negated=st.booleans(), target=TARGETS)
async def test_the_engine_matches_what_re2_does(
    store: OpenSearchStore, held: Held, pattern: str, ignore_case: bool, negated: bool, target: str
) -> None:
    await agree(store, held, Condition(target, pattern, False, ignore_case, negated))  # type: ignore[arg-type]


@limits(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=lines(), ignore_case=st.booleans(), target=TARGETS)
async def test_the_engine_matches_a_text_where_it_stands(
    store: OpenSearchStore, held: Held, text: str, ignore_case: bool, target: str
) -> None:
    await agree(store, held, Condition(target, text, True, ignore_case))  # type: ignore[arg-type]


async def agree(store: OpenSearchStore, held: Held, condition: Condition) -> None:
    query = Query("", conditions=(condition,))
    try:
        found = await store.legs(query, ["exact"], None, 1_000)
    except InvalidInput as refused:
        assert any(word in refused.message for word in ("cases", "complex", "repeats")), refused.message
        return
    expected = {row.chunk.chunk_id for row in held if fulfils(condition, row.chunk, row.document.path)}
    assert {hit.chunk_id for hit in found["exact"]} == expected


async def records_of(folder: Path, source: str, patterns: tuple[str, ...]) -> list[Record]:
    """Return the chunks of the files in a folder, embedded by their words."""
    chunker = StructureChunker(FakeTokens(), 320)
    documents = []
    for path in sorted(path for pattern in patterns for path in folder.glob(pattern)):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        kind = media_type_of(name, content) or "text/plain"
        documents.append(
            Document(f"{source}:{name}", source, name, "u", name, content, kind, "r", WHEN, Acl(public=True))
        )
    cut = await chunker.chunk(documents)
    return [
        Record(document, chunk, embed_text(chunk.text))
        for document, chunks in zip(documents, cut, strict=True)
        for chunk in chunks
    ]


class Asked:
    """What a developer gets for what is typed."""

    def __init__(self, store: OpenSearchStore) -> None:
        self.embedder = FakeEmbedder()
        self._path = SearchPath(store, self.embedder, None, SearchSettings())

    async def result(self, text: str, mode: Mode = "code", top_k: int = 50) -> SearchResult:
        return await self._path.search(Query(text, top_k=top_k, mode=mode, rerank="none"))

    async def symbols(self, text: str, mode: Mode = "code") -> list[str]:
        return [str(hit.stored.chunk.meta.get("symbol", "")) for hit in (await self.result(text, mode)).hits]

    async def paths(self, text: str, mode: Mode = "code") -> list[str]:
        return [hit.stored.path for hit in (await self.result(text, mode)).hits]


@pytest_asyncio.fixture(scope="module")
async def samples(store: OpenSearchStore) -> Asked:
    records = await records_of(SAMPLES, "samples", ("src/**/*.*", "guides/**/*.md", "specs/**/*.md"))
    await store.write(records, [], 1)
    await store.refresh()
    return Asked(store)


async def test_the_samples_answer_what_developers_type(samples: Asked) -> None:
    assert set(await samples.paths("lang:go sym:main")) == {"src/go/main.go"}
    assert set(await samples.paths("lang:golang -file:_test file:src/go")) == {
        "src/go/main.go",
        "src/go/notifier.go",
        "src/go/worker.go",
    }
    assert (await samples.paths("lang:sql sym:orders"))[0] == "src/sql/schema.sql"
    assert set(await samples.paths("lang:ja", "hybrid")) and not await samples.paths("lang:ja lang:go", "hybrid")
    assert samples.embedder.calls == 0


@pytest.fixture(scope="module")
def checked_out(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fastapi")
    bundle = str(shared / "corpora" / "fastapi.bundle")
    subprocess.run(["git", "clone", "--quiet", "--branch", "main", bundle, str(folder)], check=True)
    return folder


@pytest_asyncio.fixture(scope="module")
async def fastapi(store: OpenSearchStore, checked_out: Path) -> Asked:
    wanted = ("fastapi/*.py", "fastapi/dependencies/*.py", "tests/test_router*.py")
    records = await records_of(checked_out, "fastapi", wanted)
    await store.write(records, [], 1)
    await store.refresh()
    return Asked(store)


async def test_fastapi_answers_what_developers_type(fastapi: Asked) -> None:
    assert (await fastapi.symbols("sym:include_router"))[:2] == ["FastAPI.include_router", "APIRouter.include_router"]
    assert (await fastapi.symbols("sym:APIRouter file:routing"))[0] == "APIRouter"
    assert (await fastapi.symbols("sym:apirouter.include_router", "hybrid"))[0] == "APIRouter.include_router"
    assert not await fastapi.symbols("sym:aPIROUTER")
    assert all(path.startswith("fastapi/") for path in await fastapi.paths("sym:router -file:tests/"))
    result = await fastapi.result(r"/def \w+_router/ -file:test")
    assert {hit.stored.path for hit in result.hits} == {"fastapi/applications.py", "fastapi/routing.py"}
    exact = await fastapi.result('"response_model_exclude_unset: bool"')
    assert exact.hits and all(
        "<em>response_model_exclude_unset: bool</em>" in hit.stored.highlights[0] for hit in exact.hits
    )
    assert fastapi.embedder.calls == 0
    for hit in (*result.hits, *exact.hits):
        line, first = hit.lines[0], hit.stored.chunk.meta["start_line"]
        assert hit.stored.chunk.locator == f"{hit.stored.path}#L{line}"
        text = hit.stored.chunk.text.split("\n")[line - first]
        assert "_router" in text or "response_model_exclude_unset: bool" in text


async def test_words_beside_operators_are_ranked_within_them(fastapi: Asked) -> None:
    result = await fastapi.result("add the routes of another router sym:include_router file:fastapi/", "hybrid")
    assert {str(hit.stored.chunk.meta["symbol"]) for hit in result.hits} == {
        "FastAPI.include_router",
        "APIRouter.include_router",
    }
    assert {"lexical", "dense", "sparse"} <= set(result.hits[0].legs)
    assert fastapi.embedder.calls == 1
    assert all(hit.lines for hit in result.hits)
