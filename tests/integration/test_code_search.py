"""Exact search over code on a real engine: what it matches is what RE2 matches, and what developers type is found."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest_asyncio
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from made_patterns import ALPHABET, MORE, PIECES, lines, patterns
from opensearchpy import AsyncOpenSearch

from opensearch.store import OpenSearchStore, open_store
from shirabe.conditions import fulfils
from shirabe.errors import InvalidInput
from shirabe.settings import Settings
from shirabe.types import Acl, Condition, Document, Embedding, ModelInfo, Query, Record, make_chunk

MODEL = ModelInfo("test-model", "1", 16, 512)
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


@limits(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=patterns(), ignore_case=st.booleans(), negated=st.booleans(), target=TARGETS)
async def test_the_engine_matches_what_re2_does(
    store: OpenSearchStore, held: Held, pattern: str, ignore_case: bool, negated: bool, target: str
) -> None:
    await agree(store, held, Condition(target, pattern, False, ignore_case, negated))  # type: ignore[arg-type]


@limits(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
