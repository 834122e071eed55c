"""Generations beside the one that answers: whatever is written, built and killed, they end as a first ingest would."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from fake_tokens import FakeTokens
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ingest_fakes import CHUNK_TOKENS, CountingEmbedder, FailingStore, Killed, Repository, settings_in

from ingest.chunkers import StructureChunker
from ingest.generations import Live
from ingest.job import SyncJob
from ingest.run import Parts
from ingest.writing import Progress
from shirabe.errors import NotFound, Unavailable
from shirabe.types import Acl, Document, Embedding, Output, Record, Source, TextKind, document_id

PATHS = st.sampled_from(["a.md", "b.md", "c/d.md"])
WORDS = st.sampled_from(["alpha", "beta", "受注", "gamma"])


@dataclass
class Generation:
    """One index generation in memory, which outlives the process that writes to it."""

    name: str
    revision: str = "1"
    chunk_tokens: int = CHUNK_TOKENS
    store: FailingStore = field(default_factory=FailingStore)

    def __post_init__(self) -> None:
        self.embedder = CountingEmbedder(self.revision)
        self.model_gone = False

    async def live(self) -> Live:
        chunker = StructureChunker(FakeTokens(), self.chunk_tokens)
        embedder = GoneEmbedder() if self.model_gone else self.embedder
        identity = await self.store.identity()
        return Live(self.name, identity, self.store, embedder, chunker, "1", self.chunk_tokens)


class GoneEmbedder(CountingEmbedder):
    async def info(self) -> object:  # type: ignore[override]
        raise Unavailable("nobody serves that model")


class Shelf:
    """The generations there are, the answering one first."""

    def __init__(self, *generations: Generation) -> None:
        self.generations = list(generations)

    async def live(self) -> Sequence[Live]:
        return [await each.live() for each in self.generations]


def job_on(folder: Path, shelf: Shelf) -> SyncJob:
    chosen = settings_in(folder)
    first = shelf.generations[0]
    chunker = StructureChunker(FakeTokens(), CHUNK_TOKENS)
    return SyncJob(first.store, first.embedder, chunker, chosen, generations=shelf)


async def pair(job: SyncJob) -> tuple[Parts, Parts]:
    leader, follower, *_ = await job.live()
    return leader, follower


def quiet(_: Progress) -> None:
    """Tell nobody."""


async def build(job: SyncJob, *, from_source: bool = False) -> None:
    leader, follower = await pair(job)
    for name in await job.followers.names(leader, follower):
        await job.followers.build(leader, follower, name, quiet, from_source=from_source)


async def promote(job: SyncJob, shelf: Shelf, *, force: bool = False) -> int:
    leader, follower = await pair(job)
    async with job.followers.caught_up(leader, follower, force=force) as lacking:
        shelf.generations[:2] = shelf.generations[1::-1]
    return lacking


def page(name: str, sections: int, word: str) -> str:
    parts = [f"## Part {number}\n\n{name} {word}{number} says this and nothing else.\n" for number in range(sections)]
    return f"# {name}\n\n" + "\n".join(parts)


def pushed(path: str, text: str, acl: Acl = Acl(public=True)) -> Document:  # noqa: B008 - frozen
    return Document(
        *(document_id("push", path), "push", path, f"https://x/{path}", "", text.encode(), "text/markdown", "r1"),
        *(datetime(2026, 1, 1, tzinfo=UTC), acl),
    )


Shown = dict[str, tuple[object, ...]]


async def shown(store: FailingStore) -> Shown:
    """Everything that a reader or a ranking may tell of a chunk."""
    await store.refresh()
    return {name: facts(record) for name, record in store.visible.items()}


def facts(record: Record) -> tuple[object, ...]:
    document, chunk, dense = record.document, record.chunk, record.embedding.dense
    assert dense is not None
    return (
        *(chunk.text, chunk.context, chunk.content_hash, chunk.ordinal, chunk.kind, chunk.locator, chunk.headings),
        *(chunk.lang, str(chunk.meta), document.path, document.title, document.acl),
        document.uri.replace(document.revision, ""),
        dense.tobytes(),
    )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(Generation("one"), Generation("two", revision="2"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit({f"docs/{name}.md": page(name, 3, "word") for name in ("alpha", "beta", "gamma", "delta")})
    return repository


async def synced_alone(tmp_path: Path, shelf: Shelf, repository: Repository) -> tuple[SyncJob, Generation, Generation]:
    """Sync the repository into the first generation, the only one there is for now; return both."""
    one, two = shelf.generations
    shelf.generations = [one]
    job = job_on(tmp_path, shelf)
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    return job, one, two


async def test_a_build_takes_stored_text_and_the_next_sync_reads_only_what_changed(
    tmp_path: Path, shelf: Shelf, repository: Repository
) -> None:
    job, one, two = await synced_alone(tmp_path, shelf, repository)
    await job.put(pushed("note.md", page("note", 4, "pushed")))
    shelf.generations = [one, two]
    await build(job)
    assert (await shown(two.store)).keys() == (await shown(one.store)).keys()
    assert len(two.embedder.texts) == len(await shown(two.store)), "each text once, by its own model"
    assert await promote(job, shelf) == 0
    assert (await job.status())[0].revision == repository.git("rev-parse", "HEAD"), "it goes on where the other was"
    two.embedder.texts.clear()
    report = await job.sync("docs")
    assert (report.documents, two.embedder.texts) == (0, [])
    repository.commit({"docs/beta.md": page("beta", 3, "edited")})
    assert (await job.sync("docs")).documents == 1
    assert not (await job.sync("docs", recheck=True)).documents, "what was taken over counts as indexed"
    await job.put(pushed("note.md", page("note", 2, "pushed again")))
    await job.put(pushed("other.md", page("other", 1, "pushed")))
    await job.delete(document_id("push", "note.md"))
    assert (await shown(one.store)).keys() == (await shown(two.store)).keys(), "the previous one is kept true"
    assert await promote(job, shelf) == 0
    assert (await job.sync("docs")).documents == 0
    await job.close()


@pytest.mark.parametrize("at", [1, 2, 4, 7])
async def test_a_build_that_is_killed_goes_on(
    tmp_path: Path, shelf: Shelf, repository: Repository, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.followers.SLICE", 2)
    job, one, two = await synced_alone(tmp_path, shelf, repository)
    await job.put(pushed("note.md", page("note", 9, "pushed")))
    await job.close()
    shelf.generations = [one, two]
    job = job_on(tmp_path, shelf)
    two.store.dies_at = at
    try:
        await build(job)
        killed = False
    except Killed:
        killed = True
    await job.close()
    two.store.dies_at = 0
    job = job_on(tmp_path, shelf)
    # Between the kill and the next build, life goes on.
    repository.git("rm", "--quiet", "docs/gamma.md")
    repository.commit({"docs/alpha.md": page("alpha", 1, "shorter")})
    await job.sync("docs")
    await job.delete(document_id("push", "note.md"))
    texts = list(two.embedder.texts)
    await build(job)
    assert await shown(two.store) == await fresh(two.revision, repository, {})
    assert len(set(two.embedder.texts)) == len(two.embedder.texts), "nothing is embedded twice"
    assert killed == (at < 7) or len(texts) > 0
    await job.close()


class Interrupted(CountingEmbedder):
    """Does something else to each document while the build embeds what it read of it."""

    def __init__(self, revision: str) -> None:
        super().__init__(revision)
        self.meanwhile: list[Callable[[], Awaitable[object]]] = []

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        if self.meanwhile and any("first" in text for text in texts):
            await self.meanwhile.pop(0)()
        return await super().embed(texts, kind, outputs)


async def test_what_is_written_between_the_reading_and_the_writing_of_a_chunk_is_not_lost(
    tmp_path: Path, shelf: Shelf, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.followers.SLICE", 1)
    one, two = shelf.generations
    two.embedder = interrupted = Interrupted("2")
    shelf.generations = [one]
    job = job_on(tmp_path, shelf)
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    notes = [pushed(f"{number}.md", page(f"n{number}", 3, "first")) for number in range(6)]
    for note in notes:
        await job.put(note)
    shelf.generations = [one, two]
    again = [pushed(f"{number}.md", page(f"n{number}", 2, "second")) for number in range(6)]
    happened: list[str] = []

    async def change(number: int) -> None:
        happened.append(f"changed {number}")
        await job.put(again[number])

    async def remove(number: int) -> None:
        happened.append(f"removed {number}")
        await job.delete(notes[number].doc_id)

    # To the very document that is being copied, to one that was, and to one that will be.
    interrupted.meanwhile = [partial(change, 0), partial(remove, 1), partial(change, 0), partial(remove, 4)]
    await build(job)
    assert happened == ["changed 0", "removed 1", "changed 0", "removed 4"]
    wanted = {note.path: note for note in (again[0], notes[2], notes[3], notes[5])}
    assert await shown(two.store) == await fresh("2", repository, wanted)
    leader, follower = await pair(job)
    assert await job.followers.lacking(leader, follower) == {}
    await job.close()


async def fresh(
    revision: str, repository: Repository, pushes: dict[str, Document], tokens: int = CHUNK_TOKENS
) -> Shown:
    """What a first ingest of everything leaves in a generation of this model."""
    folder = Path(tempfile.mkdtemp())
    try:
        only = Generation("fresh", revision, tokens)
        job = job_on(folder, Shelf(only))
        await job.add(Source("docs", "git", str(repository.path)))
        await job.sync("docs")
        for document in pushes.values():
            await job.put(document)
        await job.close()
        return await shown(only.store)
    finally:
        shutil.rmtree(folder)


async def test_a_follower_whose_model_is_gone_holds_up_nobody_and_is_caught_up(
    tmp_path: Path, shelf: Shelf, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_on(tmp_path, shelf)
    one, two = shelf.generations
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    two.model_gone = True
    await job.put(pushed("note.md", page("note", 2, "pushed")))
    repository.commit({"docs/alpha.md": page("alpha", 1, "edited")})
    assert (await job.sync("docs")).documents == 1
    leader, follower = await pair(job)
    assert {name: len(each) for name, each in (await job.followers.lacking(leader, follower)).items()} == {
        "docs": 1,
        "push": 1,
    }
    with pytest.raises(Unavailable, match="nobody serves"):
        await promote(job, shelf)
    assert shelf.generations[0] is one, "nothing was changed"
    two.model_gone = False
    assert await promote(job, shelf) == 0
    assert await shown(two.store) == await fresh(
        "2", repository, {"note.md": pushed("note.md", page("note", 2, "pushed"))}
    )
    await job.close()


async def test_a_forced_switch_reads_again_what_it_lacks(tmp_path: Path, shelf: Shelf, repository: Repository) -> None:
    job = job_on(tmp_path, shelf)
    _, two = shelf.generations
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    two.store.down = True
    repository.git("rm", "--quiet", "docs/gamma.md")
    repository.commit({"docs/alpha.md": page("alpha", 1, "edited")})
    await job.sync("docs")
    with pytest.raises(Unavailable):
        await promote(job, shelf)
    assert await promote(job, shelf, force=True) == 2
    two.store.down = False
    await job.sync("docs")
    assert await shown(two.store) == await fresh("2", repository, {})
    await job.close()


async def test_stored_text_that_is_lost_is_told_and_comes_from_the_source_after_the_switch(
    tmp_path: Path, shelf: Shelf, repository: Repository
) -> None:
    job, one, two = await synced_alone(tmp_path, shelf, repository)
    lost = f"{document_id('docs', 'docs/beta.md')}-00001"
    del one.store._written[lost]
    shelf.generations = [one, two]
    leader, follower = await pair(job)
    copied = await job.followers.build(leader, follower, "docs", quiet)
    assert [failure.path for failure in copied.failures] == ["docs/beta.md"]
    assert lost not in await shown(two.store)
    with pytest.raises(Unavailable, match="lacks documents"):
        await promote(job, shelf)
    await promote(job, shelf, force=True)
    await job.sync("docs")
    assert await shown(two.store) == await fresh("2", repository, {})
    await job.close()


async def test_documents_that_are_cut_otherwise_are_read_from_their_source(
    tmp_path: Path, repository: Repository
) -> None:
    one, two = Generation("one"), Generation("two", "1", chunk_tokens=32)
    shelf = Shelf(one)
    job = job_on(tmp_path, shelf)
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    shelf.generations = [one, two]
    await build(job, from_source=True)
    assert await shown(two.store) == await fresh("1", repository, {}, 32)
    repository.commit({"docs/alpha.md": page("alpha", 5, "edited")})
    await job.sync("docs")
    note = pushed("note.md", page("note", 3, "pushed"))
    await job.put(note)
    assert await shown(one.store) == await fresh("1", repository, {"note.md": note})
    assert await shown(two.store) == await fresh("1", repository, {"note.md": note}, 32)
    await promote(job, shelf)
    repository.commit({"docs/alpha.md": page("alpha", 2, "again")})
    await job.sync("docs")
    await job.delete(note.doc_id)
    assert await shown(two.store) == await fresh("1", repository, {}, 32)
    assert await shown(one.store) == await fresh("1", repository, {})
    await job.close()


async def test_what_a_killed_write_left_is_read_again_by_whoever_answers(
    tmp_path: Path, shelf: Shelf, repository: Repository
) -> None:
    one, two = shelf.generations
    job = job_on(tmp_path, shelf)
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    # A full run, because its cursor does not tell of what it left.
    one.store.dies_at = one.store.bulks + 1
    with pytest.raises(Killed):
        await job.sync("docs", full=True)
    one.store.dies_at = 0
    leader, follower = await pair(job)
    begun = {path for path, entry in job._ledger.entries((await leader.scope("docs")).scope).items() if entry.pending}
    await build(job)
    here = job._ledger.entries((await follower.scope("docs")).scope)
    assert begun and begun == {path for path, entry in here.items() if entry.pending}
    await promote(job, shelf)
    assert (await job.sync("docs")).documents >= len(begun)
    assert await shown(two.store) == await fresh("2", repository, {})
    await job.close()


@pytest.mark.parametrize("chunk_tokens", [CHUNK_TOKENS, 32])
async def test_syncs_go_on_while_a_source_is_read_into_another_generation(
    tmp_path: Path, repository: Repository, chunk_tokens: int
) -> None:
    one, two = Generation("one"), Generation("two", "2", chunk_tokens)
    two.embedder = interrupted = Interrupted("2")
    shelf = Shelf(one)
    job = job_on(tmp_path, shelf)
    repository.commit({"docs/alpha.md": page("alpha", 6, "first")})
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    note = pushed("note.md", page("note", 2, "pushed"))
    await job.put(note)
    shelf.generations = [one, two]
    synced: list[int] = []

    async def change() -> None:
        repository.git("rm", "--quiet", "docs/gamma.md")
        repository.commit({"docs/alpha.md": page("alpha", 2, "second"), "docs/new.md": page("new", 2, "word")})
        synced.append((await job.sync("docs")).documents)

    interrupted.meanwhile = [change]
    await build(job, from_source=True)
    assert synced == [2]
    copied = await fresh("2", repository, {"note.md": note})
    wanted = await fresh("2", repository, {"note.md": note}, chunk_tokens)
    # What was pushed has no source to be read from: it is taken as it is stored.
    wanted = {name: row for name, row in wanted.items() if not name.startswith(note.doc_id)}
    wanted |= {name: row for name, row in copied.items() if name.startswith(note.doc_id)}
    assert await shown(two.store) == wanted
    await promote(job, shelf)
    assert (await job.sync("docs")).documents == 0
    await job.close()


async def test_a_removed_source_leaves_every_generation(tmp_path: Path, shelf: Shelf, repository: Repository) -> None:
    job = job_on(tmp_path, shelf)
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    assert all([await shown(each.store) for each in shelf.generations])
    await job.remove("docs")
    assert not any([await shown(each.store) for each in shelf.generations])
    await job.close()


class Interleavings(RuleBasedStateMachine):
    """Writes, deletes, syncs, steps of builds, switches and kills in any order, over two generations of two models."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.repository = Repository(self.folder / "repo")
        self.repository.commit({"a.md": "# A\n\nalpha\n"})
        self.shelf = Shelf(Generation("one"))
        self.second = Generation("two", revision="2")
        self.pushes: dict[str, Document] = {}
        self.loop = asyncio.new_event_loop()
        self.job: SyncJob | None = None
        self.run(self.opened().add(Source("docs", "git", str(self.repository.path))))

    def run(self, work: object) -> object:
        return self.loop.run_until_complete(work)  # type: ignore[arg-type]

    def opened(self) -> SyncJob:
        self.job = self.job or job_on(self.folder, self.shelf)
        return self.job

    def killed_at(self, generation: Generation, at: int, work: object) -> None:
        """Do work that dies in a bulk to a generation; what a killed process leaves is opened anew."""
        generation.store.dies_at = generation.store.bulks + at if at else 0
        try:
            self.run(work)
        except Killed:
            if self.job is not None:
                self.run(self.job.close())
            self.job = None
        generation.store.dies_at = 0

    @rule(path=PATHS, word=WORDS, sections=st.integers(1, 5))
    def commit(self, path: str, word: str, sections: int) -> None:
        self.repository.commit({path: page(path, sections, word)})

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        (self.repository.path / path).unlink(missing_ok=True)
        self.repository.commit()

    @rule(at=st.integers(0, 3), which=st.booleans(), full=st.booleans())
    def sync(self, at: int, which: bool, full: bool) -> None:
        generation = self.shelf.generations[-1 if which else 0]
        self.killed_at(generation, at, self.opened().sync("docs", full=full))

    @rule(path=PATHS, word=WORDS, sections=st.integers(1, 5), at=st.integers(0, 2))
    def push(self, path: str, word: str, sections: int, at: int) -> None:
        document = pushed(path, page(path, sections, word))
        self.killed_at(self.shelf.generations[-1], 0, self.opened().put(document))
        self.pushes[path] = document

    @rule(path=PATHS, word=WORDS)
    def push_and_be_killed_beside(self, path: str, word: str) -> None:
        """What answers has it; the other is left half-written."""
        document = pushed(path, page(path, 3, word))
        if len(self.shelf.generations) == 2:
            self.killed_at(self.shelf.generations[1], 1, self.opened().put(document))
            self.pushes[path] = document

    @rule(path=PATHS)
    def pull(self, path: str) -> None:
        try:
            self.run(self.opened().delete(document_id("push", path)))
        except NotFound:
            assert path not in self.pushes
        self.pushes.pop(path, None)

    @rule(gone=st.booleans())
    def model(self, gone: bool) -> None:
        if len(self.shelf.generations) == 2:
            self.shelf.generations[1].model_gone = gone

    @rule(at=st.integers(0, 4))
    def build(self, at: int) -> None:
        if self.second not in self.shelf.generations:
            self.shelf.generations.append(self.second)
        if not self.shelf.generations[1].model_gone:
            self.killed_at(self.shelf.generations[1], at, build(self.opened()))

    @rule()
    def switch(self) -> None:
        if len(self.shelf.generations) == 2 and not self.shelf.generations[1].model_gone:
            assert self.run(promote(self.opened(), self.shelf)) == 0

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.build(0)
        for generation in self.shelf.generations:
            generation.model_gone = False
        # Twice: a killed sync is made good by the next, and only then is there a state to agree on.
        for _ in range(2):
            self.run(self.opened().sync("docs"))
        self.run(build(self.opened()))
        for generation in self.shelf.generations:
            wanted = self.run(fresh(generation.revision, self.repository, self.pushes))
            assert self.run(shown(generation.store)) == wanted
        self.run(promote(self.opened(), self.shelf))
        report = self.run(self.opened().sync("docs"))
        assert report.documents == report.deleted == 0  # type: ignore[attr-defined]
        self.run(self.opened().close())
        self.loop.close()
        shutil.rmtree(self.folder)


Interleavings.TestCase.settings = settings(
    max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestInterleavings = Interleavings.TestCase
