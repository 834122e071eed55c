"""The stages as workers run them, without a cluster: rows as Ray Data would pass them on."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fake_tokens import FakeTokens
from ingest_fakes import CHUNK_TOKENS, CountingEmbedder, FailingStore

from ingest.block import Block
from ingest.chunkers import StructureChunker
from ingest.cluster_stages import COLUMN, CodeTools, Cut, CutStage, Embedded, EmbedStage, Tools, WriteStage
from ingest.plan import Work
from ingest.settlement import Intent
from shirabe.definitions import is_code
from shirabe.errors import InvalidInput
from shirabe.types import Document, document_id

PAGE = "# Page\n\n" + "\n".join(f"## Part {number}\n\nwords of part {number}.\n" for number in range(7))
VERSION = 3


def work(path: str, content: str, media_type: str = "text/markdown") -> Work:
    document = Document(
        doc_id=document_id("docs", path),
        source_id="docs",
        path=path,
        uri=path,
        title="",
        content=content.encode(),
        media_type=media_type,
        revision="r1",
        updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return Work(path, document.doc_id, document)


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def tools(tmp_path: Path, store: FailingStore) -> Tools:
    async def open_store() -> FailingStore:
        return store

    return Tools(
        chunker=lambda: StructureChunker(FakeTokens(), CHUNK_TOKENS),
        embedder=CountingEmbedder,
        store=open_store,
        model=CountingEmbedder().model,
        cache=tmp_path / "embeddings.sqlite",
        batch_chunks=4,
    )


async def cuts(tools: Tools, *works: Work) -> list[Cut]:
    rows = CutStage(tools, "stamp")({COLUMN: Block(0, works)})
    return [pickle.loads(pickle.dumps(row[COLUMN])) async for row in rows]


async def test_every_document_comes_out_of_the_stages_once(tools: Tools, store: FailingStore) -> None:
    order: list[str] = []
    gone = Work("gone.md", "gone", None, ("gone-00000",))

    async def intend(intents: Sequence[Intent]) -> None:
        order.append(f"intend {[path for path, _, _ in intents]} at bulk {store.bulks}")

    embed, write = EmbedStage(tools), WriteStage(tools, VERSION, intend)
    acknowledged = []
    for cut in await cuts(tools, work("a.md", PAGE), gone, work("b.md", PAGE)):
        embedded = (await embed({COLUMN: cut}))[COLUMN]
        acknowledged.append((await write({COLUMN: embedded}))[COLUMN])
    parts = [part for item in acknowledged for part in item.parts]
    assert {part.path for part in parts if part.last} == {"a.md", "b.md", "gone.md"}
    assert {name for part in parts for name in part.chunks} == set(await store.held("docs"))
    assert len(order) == store.bulks
    assert [line[-1] for line in order] == [str(number) for number in range(store.bulks)], "intents come first"
    assert set(store.versions) == {VERSION}
    assert sum(item.counts.embedded + item.counts.cached for item in acknowledged) == len(await store.held("docs"))


async def test_a_document_that_cannot_be_cut_does_not_hold_up_the_others(tools: Tools) -> None:
    broken = work("api.yaml", "openapi: 3.0.3\npaths: [\n", "application/vnd.oai.openapi")
    [cut] = await cuts(tools, broken, work("a.md", "# A\n\nwords\n"))
    assert [failed.path for failed in cut.failed] == ["api.yaml"]
    assert [part.path for part in cut.batch.parts] == ["a.md"]
    [only] = await cuts(tools, broken)
    assert ([failed.path for failed in only.failed], only.batch.parts) == (["api.yaml"], ())


async def test_failures_alone_reach_the_ledger_without_a_bulk(tools: Tools, store: FailingStore) -> None:
    async def intend(intents: Sequence[Intent]) -> None:
        raise AssertionError("there is nothing to write")

    [cut] = await cuts(tools, work("api.yaml", "openapi: 3.0.3\npaths: [\n", "application/vnd.oai.openapi"))
    embedded: Embedded = (await EmbedStage(tools)({COLUMN: cut}))[COLUMN]
    item = (await WriteStage(tools, VERSION, intend)({COLUMN: embedded}))[COLUMN]
    assert ([failed.path for failed in item.failed], item.parts, store.bulks) == (["api.yaml"], (), 0)


async def test_another_model_than_the_index_has_is_refused(tools: Tools) -> None:
    [cut, *_] = await cuts(tools, work("a.md", PAGE))
    other = replace(tools, embedder=lambda: CountingEmbedder("2"))
    with pytest.raises(InvalidInput, match="model"):
        await EmbedStage(other)({COLUMN: cut})


async def test_code_is_embedded_by_the_model_of_its_own_index(tools: Tools) -> None:
    code = CountingEmbedder("code")
    apart = replace(tools, code=CodeTools(lambda: code, code.model))
    [cut] = await cuts(apart, work("a.py", "def one():\n    return 1\n", "text/x-python"))
    prose = [chunk for chunk in cut.batch.chunks if not is_code(chunk)]
    embedded: Embedded = (await EmbedStage(apart)({COLUMN: cut}))[COLUMN]
    assert len(code.texts) == len(cut.batch.chunks) - len(prose) > 0
    assert embedded.counts.embedded == len(cut.batch.chunks)
    with pytest.raises(InvalidInput, match="model"):
        await EmbedStage(replace(tools, code=CodeTools(CountingEmbedder, code.model)))({COLUMN: cut})
