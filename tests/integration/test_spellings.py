"""One word in two spellings: what is written in one is found by asking in the other, by the lexical leg alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bench.spellings import ask_compounds, ask_spellings, own_index
from opensearch.store import OpenSearchStore
from shirabe.settings import Settings


@pytest_asyncio.fixture
async def store(opensearch_url: str, settings: Settings) -> AsyncIterator[OpenSearchStore]:
    async with own_index(settings.opensearch.model_copy(update={"url": opensearch_url})) as opened:
        yield opened


@pytest.mark.parametrize("turned", [False, True], ids=["written in the first", "written in the second"])
async def test_the_other_spelling_is_found(store: OpenSearchStore, *, turned: bool) -> None:
    answered = await ask_spellings(store, turned=turned)
    assert answered.asked >= 60
    assert answered.found >= 0.95, answered.missed


async def test_a_compound_ranks_its_page_before_those_of_its_parts(store: OpenSearchStore) -> None:
    assert not (await ask_compounds(store)).missed
