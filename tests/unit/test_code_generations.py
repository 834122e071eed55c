"""The write path where code lies apart: one ledger, two indices, generations of either, and code on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fake_store import InMemoryWords
from fake_tokens import FakeTokens
from ingest_fakes import CHUNK_TOKENS, CountingEmbedder, FailingStore, settings_in

from ingest.chunkers import StructureChunker
from ingest.copying import Copied
from ingest.generations import Live
from ingest.job import SyncJob
from ingest.models import Models
from ingest.moving import move_source
from ingest.run import Parts
from opensearch.pair import Own, PairStore
from shirabe.definitions import is_code
from shirabe.errors import Unavailable
from shirabe.types import Chunk, Document, Source, make_chunk


class Origin(FailingStore):
    """A store that says what code it holds."""

    async def code_chunks(self, source_id: str) -> list[str]:
        return sorted(name for name, row in self.visible.items() if is_code(row.chunk))


@dataclass
class Generation:
    """One index generation in memory, and the model that built it."""

    name: str
    store: Origin = field(default_factory=Origin)

    def __post_init__(self) -> None:
        self.embedder = CountingEmbedder(self.name)

    async def held(self) -> dict[str, str]:
        return await self.store.held("docs")

    async def code(self) -> set[bool]:
        await self.store.refresh()
        return {is_code(row.chunk) for row in self.store.visible.values()}


@dataclass
class Shelf:
    """The generations of both indices, of each the one that answers first."""

    prose: list[Generation]
    code: list[Generation]
    pairs: list[tuple[Generation, Generation | None]] = field(default_factory=list)
    """What follows as one: a generation of the first index, and the one of the code index that it goes with, if any."""

    async def live(self) -> Sequence[Live]:
        first = self.code[0] if self.code else None
        if self.pairs:
            return [await live_of(self.prose[0], first), *[await live_of(*pair) for pair in self.pairs]]
        found = [await live_of(self.prose[0], first)]
        found += [await live_of(each, first, "prose") for each in self.prose[1:]]
        return found + [await live_of(self.prose[0], each, "code") for each in self.code[1:]]


async def live_of(prose: Generation, code: Generation | None, own: Own = "both", *, apart: bool = True) -> Live:
    named = code if own == "code" and code is not None else prose
    cut = (KindChunker(FakeTokens(), CHUNK_TOKENS), "1", CHUNK_TOKENS)
    identity = await named.store.identity()
    if code is None:
        return Live(named.name, identity, prose.store, prose.embedder, *cut)
    words = InMemoryWords(prose.store, code.store)
    pair = PairStore(prose.store, code.store, words, one_model=False, own=own, apart=apart)
    of_code = code.embedder if apart else prose.embedder
    models = Models(prose.embedder if own != "code" else None, of_code if own != "prose" else None)
    return Live(named.name, identity, pair, prose.embedder, *cut, models)


class KindChunker(StructureChunker):
    """One chunk a paragraph; one that begins with `def` is code. So an edit changes the kind and keeps the ordinal."""

    async def chunk(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        return [
            [
                make_chunk(
                    document,
                    number,
                    kind="function" if text.startswith("def") else "section",
                    text=text,
                    locator=f"{document.path}#{number}",
                    lang="en",
                )
                for number, text in enumerate(document.content.decode().split("\n\n"))
            ]
            for document in documents
        ]


@dataclass
class Rig:
    """A job over both indices, and the folder it follows."""

    job: SyncJob
    shelf: Shelf
    folder: Path

    def write(self, path: str, *paragraphs: str) -> None:
        (self.folder / path).write_text("\n\n".join(paragraphs), encoding="utf-8")

    async def parts(self) -> list[Parts]:
        return await self.job.live()

    async def require_true(self) -> None:
        """Everything is where it belongs, once, and the ledger says so."""
        drift = await self.job.drift("docs")
        assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())
        prose, code = self.shelf.prose[0], self.shelf.code[0]
        assert not (await prose.held()).keys() & (await code.held()).keys()
        assert await prose.code() <= {False} and await code.code() <= {True}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    folder = tmp_path / "docs"
    folder.mkdir()
    shelf = Shelf([Generation("prose-1")], [Generation("code-1")])
    first = shelf.prose[0]
    chunker = KindChunker(FakeTokens(), CHUNK_TOKENS)
    job = SyncJob(first.store, first.embedder, chunker, settings_in(tmp_path), generations=shelf)
    made = Rig(job, shelf, folder)
    made.write("a.md", "an introduction", "def one(): ...", "what it is for")
    made.write("b.md", "only words")
    made.write("c.md", "def two(): ...")
    await job.add(Source("docs", "markdown", str(folder)))
    yield made
    await job.close()


async def test_one_run_writes_both_and_an_edit_costs_its_own_chunk(rig: Rig) -> None:
    prose, code = rig.shelf.prose[0], rig.shelf.code[0]
    report = await rig.job.sync("docs")
    assert (report.documents, report.chunks, report.embedded) == (3, 5, 5)
    assert (len(prose.embedder.texts), len(code.embedder.texts)) == (3, 2)
    assert (len(await prose.held()), len(await code.held())) == (3, 2)
    (status,) = await rig.job.status()
    assert (status.documents, status.chunks) == (3, 5)
    await rig.require_true()
    rig.write("a.md", "an introduction", "def one_more(): ...", "what it is for")
    report = await rig.job.sync("docs")
    assert (report.documents, report.embedded, len(prose.embedder.texts)) == (1, 1, 3)
    await rig.require_true()
    (rig.folder / "a.md").unlink()
    assert (await rig.job.sync("docs")).chunks_deleted == 3
    assert (len(await prose.held()), len(await code.held())) == (1, 1)
    await rig.require_true()


async def test_a_chunk_that_becomes_code_moves_and_one_that_stops_to_be_moves_back(rig: Rig) -> None:
    await rig.job.sync("docs")
    ids = {*await rig.shelf.prose[0].held(), *await rig.shelf.code[0].held()}
    for paragraphs in (("def now(): ...", "one is a word now"), ("words again", "def again(): ...")):
        rig.write("a.md", *paragraphs, "what it is for")
        assert (await rig.job.sync("docs")).failures == ()
        await rig.require_true()
        assert {*await rig.shelf.prose[0].held(), *await rig.shelf.code[0].held()} == ids


@pytest.mark.parametrize("full", [False, True])
async def test_an_index_that_fails_is_brought_up_by_the_next_sync(rig: Rig, full: bool) -> None:
    code = rig.shelf.code[0]
    code.store.down = True
    with pytest.raises(Unavailable):
        await rig.job.sync("docs")
    code.store.down = False
    assert (await rig.job.sync("docs", full=full)).failures == ()
    await rig.require_true()
    assert len(await code.held()) == 2


async def test_generations_of_code_follow_and_are_switched_without_the_other(rig: Rig) -> None:
    await rig.job.sync("docs")
    one, two = rig.shelf.code[0], Generation("code-2")
    prose = rig.shelf.prose[0]
    rig.shelf.code.append(two)
    written = prose.store.bulks
    leader, follower = await rig.parts()
    built = await rig.job.followers.build(leader, follower, "docs", lambda _: None)
    assert (built.embedded, prose.store.bulks, await two.held()) == (2, written, await one.held())
    assert prose.embedder.texts == list(dict.fromkeys(prose.embedder.texts)), "no word is embedded again"
    await switch(rig)
    assert (await rig.job.sync("docs")).documents == 0, "what the first index is known to hold still counts"
    rig.write("c.md", "def two(): ...", "def three(): ...")
    (rig.folder / "b.md").unlink()
    assert (await rig.job.sync("docs")).documents == 1
    assert await one.held() == await two.held(), "the one before follows"
    await switch(rig)
    assert rig.shelf.code[0] is one
    assert (await rig.job.sync("docs")).documents == 0
    await rig.require_true()


async def switch(rig: Rig) -> None:
    leader, follower = await rig.parts()
    async with rig.job.followers.caught_up(leader, follower, force=False):
        await rig.job.followers.remember(leader, await rig.shelf.code[0].store.identity())
        rig.shelf.code.reverse()


async def test_generations_of_prose_follow_and_leave_code_where_it_is(rig: Rig) -> None:
    await rig.job.sync("docs")
    one, two, code = rig.shelf.prose[0], Generation("prose-2"), rig.shelf.code[0]
    rig.shelf.prose.append(two)
    bulks = code.store.bulks
    leader, follower = await rig.parts()
    await rig.job.followers.build(leader, follower, "docs", lambda _: None)
    assert (code.store.bulks, await two.held()) == (bulks, await one.held())
    async with rig.job.followers.caught_up(leader, follower, force=False):
        rig.shelf.prose.reverse()
    assert (await rig.job.sync("docs")).documents == 0
    rig.write("a.md", "an introduction", "def other(): ...", "what it is for")
    await rig.job.sync("docs")
    await rig.require_true()
    assert await one.held() == await two.held()


async def switch_both(rig: Rig) -> None:
    leader, follower = await rig.parts()
    async with rig.job.followers.caught_up(leader, follower, force=False):
        now = rig.shelf.prose[0], rig.shelf.code[0] if rig.shelf.code else None
        ((prose, code),) = rig.shelf.pairs
        rig.shelf.prose, rig.shelf.code, rig.shelf.pairs = [prose], [code] if code else [], [now]


async def test_code_goes_apart_beside_the_whole_and_the_whole_is_kept_true(rig: Rig) -> None:
    whole, code, prose = rig.shelf.prose[0], rig.shelf.code.pop(), Generation("prose-2")
    await rig.job.sync("docs")
    rig.shelf.pairs = [(prose, code)]
    leader, follower = await rig.parts()
    built = await rig.job.followers.build(leader, follower, "docs", lambda _: None)
    assert (built.chunks, len(code.embedder.texts), len(prose.embedder.texts)) == (5, 2, 3)
    assert len(await whole.held()) == 5 and {**await prose.held(), **await code.held()} == await whole.held()
    rig.write("c.md", "def two(): ...", "def three(): ...")
    assert (await rig.job.sync("docs")).documents == 1
    assert {**await prose.held(), **await code.held()} == await whole.held(), "it follows while it is a candidate"
    await switch_both(rig)
    assert (await rig.job.sync("docs")).documents == 0, "the ledger knows of the pair what it knew of the whole"
    await rig.require_true()
    rig.write("c.md", "no code any more")
    (rig.folder / "b.md").unlink()
    await rig.job.sync("docs")
    await rig.require_true()
    assert {**await prose.held(), **await code.held()} == await whole.held()
    await switch_both(rig)
    assert rig.shelf.code == [] and (await rig.job.sync("docs")).documents == 0


async def test_code_moves_out_and_back_and_the_ledger_need_not_know(rig: Rig) -> None:
    prose, code = rig.shelf.prose[0], rig.shelf.code.pop()
    await rig.job.sync("docs")
    before = await prose.held()
    assert len(before) == 5
    rig.shelf.code.append(code)
    (leader,) = await rig.parts()
    told: list[tuple[int, int]] = []
    moved = await move_source(leader, prose.store, rig.job.locks, "docs", lambda *done: told.append(done))
    assert (moved, told) == (Copied(chunks=2, embedded=2), [(2, 2)])
    assert {**await prose.held(), **await code.held()} == before
    await rig.require_true()
    assert (await rig.job.sync("docs")).documents == 0
    # Again there is nothing to do, and back it goes.
    assert await move_source(leader, prose.store, rig.job.locks, "docs", lambda *_: None) == Copied()
    back = Parts(await live_of(prose, code, apart=False), leader.ledger, leader.cache, leader.settings)
    await move_source(back, code.store, rig.job.locks, "docs", lambda *_: None)
    assert (await prose.held(), await code.held()) == (before, {})


async def test_each_chunk_is_embedded_by_the_model_of_its_kind() -> None:
    prose, code = CountingEmbedder(), CountingEmbedder("2")
    document = Document(
        *("d", "docs", "p", "u", "t", b"", "text/plain", "r", datetime(2026, 1, 1, tzinfo=UTC)),
    )
    chunks = [
        make_chunk(document, number, kind=kind, text=f"{kind} {number}", locator="p", lang="en")
        for number, kind in enumerate(("section", "function", "table", "class"))
    ]
    found = await Models(prose, code).embed(chunks)
    assert (prose.texts, code.texts) == (["section 0", "table 2"], ["function 1", "class 3"])
    assert all(one.dense is not None for one in found)
    follower = await Models(None, code).embed(chunks)
    assert [one.dense is None for one in follower] == [True, False, True, False]
    assert await Models(prose, None).embed([]) == []
    one = CountingEmbedder()
    await Models(one, one).embed(chunks)
    assert one.texts == [chunk.text for chunk in chunks]
