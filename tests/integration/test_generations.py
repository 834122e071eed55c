"""Index generations on the real engine: another model under load, a bad one, and what must change nothing."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from model_servers import NoSense, model_server
from opensearchpy import AsyncOpenSearch
from real_system import drop, facade, found, own

from evaluation.gate import Thresholds
from evaluation.judged import JudgedQuery, load_judged
from ingest.writing import Progress
from opensearch import bulk
from opensearch.generations import Generation
from shirabe.cli.compose import Parts, open_parts
from shirabe.cli.generation_build import BuildReport, build
from shirabe.cli.generation_check import VerifyReport, verify
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import Row, collect, promote, rollback, rows
from shirabe.errors import Forbidden, InvalidInput, NotFound, ShirabeError, Unavailable
from shirabe.settings import Settings
from shirabe.types import Source

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
JUDGED = ROOT / "evaluation" / "queries" / "samples.jsonl"
# How fast a busy machine answers says nothing of a generation.
# The models are made-up ones, which agree by words more than by meaning.
PATIENT = Thresholds(max_loss=0.1, max_group_loss=0.15, max_slower=100.0)
DAY = timedelta(hours=24)
PAUSE_S = 0.05


@dataclass(frozen=True)
class Servers:
    """Where three models are served: the first one, a better one of another width, and one that is broken."""

    first: str
    other: str
    broken: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with (
        model_server("first", FakeEmbedder(32)) as first,
        model_server("other", FakeEmbedder(128)) as other,
        model_server("broken", NoSense(64)) as broken,
    ):
        yield Servers(first, other, broken)


@dataclass
class Rig:
    """Parts of one process; `beside` opens those of another over the same state."""

    settings: Settings
    url: str
    servers: Servers
    checkpoint: Path
    parts: Parts
    client: AsyncOpenSearch

    def beside(self) -> object:
        return open_parts(self.settings, self.url, self.servers.first, self.checkpoint)

    async def build(self, url: str | None = None, *, from_sources: bool = False) -> BuildReport:
        choice = ModelChoice(url=url)
        return await build(self.parts, self.settings, choice, silent, from_sources=from_sources)

    async def verify(self, judged: list[JudgedQuery] | None = None) -> VerifyReport:
        return await verify(self.parts, self.settings, None, judged or [], 50, PATIENT, lambda *_: None)

    async def rows(self) -> dict[str, Row]:
        return {row.name: row for row in await rows(self.parts)}

    async def held(self, name: str) -> dict[str, str]:
        (generation,) = [each for each in await self.parts.catalogue.live() if each.name == name]
        store = self.parts.catalogue.to_read(generation)
        await store.refresh()
        held = dict[str, str]()
        for source in await store.counts():
            held |= await store.chunk_hashes(source)
        return held

    async def state(self) -> dict[str, object]:
        """Everything that a command that is refused must leave as it was."""
        indices = await self.client.indices.get(index=f"{self.settings.opensearch.alias}*")
        for index in indices.values():
            index["settings"]["index"].pop("blocks", None)
        return dict(indices)


def silent(_: str, __: Progress) -> None:
    """Tell nobody."""


@asynccontextmanager
async def rig_on(settings: Settings, url: str, servers: Servers, checkpoint: Path) -> AsyncIterator[Rig]:
    mine = own(settings)
    try:
        async with (
            open_parts(mine, url, servers.first, checkpoint) as parts,
            AsyncOpenSearch(hosts=[url]) as client,
        ):
            yield Rig(mine, url, servers, checkpoint, parts, client)
    finally:
        await drop(url, mine.opensearch.alias)
        shutil.rmtree(mine.state_dir.parent, ignore_errors=True)


@pytest_asyncio.fixture
async def rig(settings: Settings, opensearch_url: str, servers: Servers, checkpoint: Path) -> AsyncIterator[Rig]:
    async with rig_on(settings, opensearch_url, servers, checkpoint) as rig:
        yield rig


@dataclass
class Load:
    """Queries, pushes, deletes and syncs at a steady rate, until stopped; what was acknowledged is remembered."""

    client: httpx.AsyncClient
    parts: Parts
    folder: Path
    pushed: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    generations: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=lambda: {"queries": 0, "pushes": 0, "deletes": 0, "syncs": 0})
    stopped: bool = False

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            for work in (self.ask, self.push, self.sync):
                group.create_task(self.repeat(work))
            try:
                yield
            finally:
                self.stopped = True

    async def repeat(self, work: Callable[[int], Awaitable[None]]) -> None:
        for number in itertools.count():
            if self.stopped:
                return
            try:
                await work(number)
            except (ShirabeError, httpx.HTTPError, AssertionError) as error:
                self.failed.append(f"{work.__name__} {number}: {error!r}")
            await asyncio.sleep(PAUSE_S)

    async def ask(self, number: int) -> None:
        modes = ("hybrid", "dense", "sparse", "lexical")
        answer = await found(self.client, query="cancel an order 注文の取り消し", mode=modes[number % 4], top_k=5)
        assert answer["degraded"] == [], answer["degraded"]
        assert answer["hits"]
        self.generations.append(answer["generation"])
        self.done["queries"] += 1

    async def push(self, number: int) -> None:
        """Write a document, sometimes over an earlier one; every fifth time one goes."""
        path = f"note{number % 40}.md"
        if number % 5 == 4 and self.pushed:
            path = sorted(self.pushed)[number % len(self.pushed)]
            response = await self.client.delete(f"/v1/documents/{self.pushed.pop(path)}")
            assert response.status_code == 204, response.text
            self.removed.add(path)
            self.done["deletes"] += 1
            return
        text = f"# Note {path}\n\nRevision {number} of it.\n\n" + f"## More\n\nWord{number}.\n" * (number % 3)
        response = await self.client.put("/v1/documents", json={"path": path, "text": text})
        assert response.status_code == 200, response.text
        self.pushed[path] = response.json()["doc_id"]
        self.removed.discard(path)
        self.done["pushes"] += 1

    async def sync(self, number: int) -> None:
        (self.folder / f"page{number % 7}.md").write_text(f"# Page\n\nEdition {number}.\n", encoding="utf-8")
        if number % 4 == 3:
            (self.folder / f"page{(number + 3) % 7}.md").unlink(missing_ok=True)
        report = await self.parts.job.sync("pages")
        assert not report.failures
        self.done["syncs"] += 1


async def test_another_model_is_built_verified_and_switched_to_while_everything_goes_on(
    settings: Settings, opensearch_url: str, servers: Servers, checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "page0.md").write_text("# Page\n\nEdition 0.\n", encoding="utf-8")
    async with rig_on(settings, opensearch_url, servers, checkpoint) as rig:
        await rig.parts.job.add(Source("samples", "markdown", str(SAMPLES), options={"include": ["specs/**"]}))
        await rig.parts.job.add(Source("pages", "markdown", str(folder)))
        for name in ("samples", "pages"):
            assert (await rig.parts.job.sync(name)).failures == ()
        one, two = (f"{rig.settings.opensearch.alias}-00000{number}" for number in (1, 2))
        judged = [query for query in load_judged(JUDGED) if query.relevant[0].startswith("specs/")][::2]
        # The load comes from another process, as far as anyone can tell.
        async with rig.beside() as served, facade(served, rig.settings) as client:  # type: ignore[attr-defined]
            load = Load(client, served, folder)
            async with load.going_on():
                built = await rig.build(servers.other)
                assert (built.generation, built.beside, built.dim, built.failures) == (two, one, 128, [])
                report = await rig.verify(judged)
                assert report.passed, report.checks
                assert report.queries.judged is not None and report.queries.judged.queries == len(judged)
                assert set(report.queries.by_lang) == {"en", "ja"} and set(report.queries.by_kind) == {"section"}
                assert report.file.is_file()
                assert set(load.generations) == {one}
                for switch, now in ((promoted, two), (rolled_back, one), (promoted, two)):
                    assert await switch(rig) == now
                    asked = load.done["queries"]
                    await reached(lambda asked=asked: load.done["queries"] > asked + 10)  # type: ignore[misc]
                    assert (await found(client, query="order"))["generation"] == now
            assert load.failed == [], load.failed[:3]
            assert min(load.done.values()) > 2, load.done
            assert list(dict.fromkeys(load.generations)) == [one, two] and load.generations[-1] == two
            documents = {doc: (await client.get(f"/v1/documents/{doc}")).status_code for doc in load.pushed.values()}
            assert set(documents.values()) == {200}
        held = {name: await rig.held(name) for name in (one, two)}
        assert held[one] == held[two]
        pushes = {name.rpartition("-")[0] for name in held[two]}
        assert set(load.pushed.values()) <= pushes
        drift = await rig.parts.job.drift("pages")
        assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())
        assert (await rig.parts.job.sync("samples")).documents == 0, "the new one goes on where the old one was"
        listed = await rig.rows()
        assert [listed[name].state for name in (two, one)] == ["answering", "previous"]
        assert [event["event"] for event in listed[two].history] == [  # type: ignore[index]
            *("created", "built", "verified", "promoted", "rolled back", "promoted")
        ]
        assert listed[one].behind == 0 and not listed[two].forced
        await refused_bad_model(rig, judged, two)


async def refused_bad_model(rig: Rig, judged: list[JudgedQuery], answering: str) -> None:
    """A model whose vectors say nothing: the gate refuses it, nothing changes, and it is collected."""
    bad = await rig.build(rig.servers.broken)
    with pytest.raises(Forbidden, match="not verified"):
        await promote(rig.parts, None, force=False, max_age=DAY)
    report = await rig.verify(judged)
    assert not report.passed
    assert any(check.name.startswith("loss of") for check in report.checks if not check.passed)
    assert next(check for check in report.checks if check.name == "missing ids").passed
    with pytest.raises(Forbidden, match=r"did not pass: .*loss of"):
        await promote(rig.parts, None, force=False, max_age=DAY)
    assert (await rig.parts.catalogue.answering()).name == answering
    with pytest.raises(InvalidInput, match="there is a candidate already"):
        await rig.build(rig.servers.first)
    assert await collect(rig.parts, rig.settings, [bad.generation], DAY, dry_run=False) == [bad.generation]
    with pytest.raises(InvalidInput, match="answers"):
        await collect(rig.parts, rig.settings, [answering], DAY, dry_run=False)
    assert await collect(rig.parts, rig.settings, [], DAY, dry_run=False) == []
    assert len(await collect(rig.parts, rig.settings, [], timedelta(0), dry_run=False)) == 1
    assert list(await rig.rows()) == [answering]
    with pytest.raises(NotFound, match="go back to"):
        await rollback(rig.parts, force=False)


async def promoted(rig: Rig) -> str:
    return (await promote(rig.parts, None, force=False, max_age=DAY)).now


async def rolled_back(rig: Rig) -> str:
    return (await rollback(rig.parts, force=False)).now


async def reached(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():  # noqa: ASYNC110 - what is awaited is a count of others
            await asyncio.sleep(PAUSE_S)


async def filled(rig: Rig, folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        (folder / f"page{number}.md").write_text(f"# Page {number}\n\nShelf {number} is full.\n", encoding="utf-8")
    await rig.parts.job.add(Source("pages", "markdown", str(folder)))
    assert (await rig.parts.job.sync("pages")).documents == 3


async def test_a_query_log_is_asked_too_and_without_any_query_the_gate_is_shut(rig: Rig, tmp_path: Path) -> None:
    await filled(rig, tmp_path / "pages")
    await rig.build(rig.servers.other)
    report = await rig.verify()
    assert [check.name for check in report.checks if not check.passed] == ["queries asked"]
    alias = rig.settings.opensearch.alias
    asked = (
        ("shirabe", alias, "full shelf"),
        ("other", alias, "x"),
        ("shirabe", "another", "y"),
        ("shirabe", alias, "page 2"),
    )
    for number, (who, index, text) in enumerate(asked):
        row = {
            "query_id": uuid.uuid4().hex,
            "application": who,
            "user_query": text,
            "query_attributes": {"generation": f"{index}-000001"},
            "timestamp": f"2026-11-0{number + 1}T00:00:00.000Z",
        }
        await rig.client.index(index="ubi_queries", body=row, params={"refresh": "true"})
    report = await rig.verify()
    assert report.passed
    assert (report.queries.logged, report.queries.overlap) == (2, 1.0)
    assert report.queries.candidate_ms is not None


async def test_forced_is_recorded_and_a_verification_grows_old(rig: Rig, tmp_path: Path) -> None:
    await filled(rig, tmp_path / "pages")
    built = await rig.build(rig.servers.other)
    judged = [JudgedQuery(id="1", query="full shelf 2", lang="en", relevant=("page2.md",))]
    assert (await rig.verify(judged)).passed
    with pytest.raises(Forbidden, match="hours ago"):
        await promote(rig.parts, None, force=False, max_age=timedelta(0))
    switched = await promote(rig.parts, None, force=True, max_age=timedelta(0))
    assert (switched.now, switched.forced) == (built.generation, True)
    row = (await rig.rows())[built.generation]
    assert row.forced and "hours ago" in str(row.history[-1])


async def test_from_the_sources_with_chunks_of_another_size(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    text = "# Page\n\n" + "\n\n".join(f"Sentence number {number} stands here by itself." for number in range(40))
    (folder / "page.md").write_text(text, encoding="utf-8")
    await rig.parts.job.add(Source("pages", "markdown", str(folder)))
    await rig.parts.job.sync("pages")
    small = rig.settings.ingest.model_copy(update={"chunk_tokens": 64})
    # By a process that was started with the new size, as a command is.
    mine = rig.settings.model_copy(update={"ingest": small})
    async with open_parts(mine, rig.url, rig.servers.first, rig.checkpoint) as parts:
        built = await build(parts, mine, ModelChoice(), silent, from_sources=True)
        assert (await parts.job.sync("pages")).documents == 0
    listed = await rig.rows()
    one = next(name for name in listed if name != built.generation)
    assert listed[built.generation].chunks > listed[one].chunks
    before = await rig.held(one)
    # A process that was started with the old size writes to each as it was cut.
    (folder / "page.md").write_text(text.replace("Sentence", "Clause"), encoding="utf-8")
    await rig.parts.job.sync("pages")
    assert len(await rig.held(one)) == len(before) and await rig.held(one) != before
    assert len(await rig.held(built.generation)) == listed[built.generation].chunks
    assert (await rig.verify([JudgedQuery(id="1", query="clause 7", relevant=("page.md",))])).passed
    await promoted(rig)
    await rolled_back(rig)


async def test_a_candidate_of_another_analysis_is_not_taken_for_the_one_asked_for(rig: Rig, tmp_path: Path) -> None:
    await filled(rig, tmp_path / "pages")
    built = await rig.build()
    assert (await rig.build()).generation == built.generation
    listed = (await rig.rows())[built.generation]
    assert (listed.compression, listed.user_dictionary, listed.japanese) == ("1x", "", "kuromoji")
    words = tmp_path / "words.csv"
    words.write_text("茜便,茜便,アカネビン,固有名詞\n", encoding="utf-8")
    engine = rig.settings.opensearch.model_copy(update={"user_dictionary": words})
    told = rig.settings.model_copy(update={"opensearch": engine})
    before = await rig.state()
    async with open_parts(told, rig.url, rig.servers.first, rig.checkpoint) as parts:
        with pytest.raises(InvalidInput, match="of another user_dictionary"):
            await build(parts, told, ModelChoice(), silent, from_sources=False)
    lacking = rig.settings.opensearch.model_copy(update={"japanese": "sudachi"})
    asking = rig.settings.model_copy(update={"opensearch": lacking})
    async with open_parts(asking, rig.url, rig.servers.first, rig.checkpoint) as parts:
        with pytest.raises(InvalidInput, match="analysis-sudachi is not on embedded"):
            await build(parts, asking, ModelChoice(), silent, from_sources=False)
    assert await rig.state() == before


async def test_an_alias_that_points_at_two_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    await filled(rig, tmp_path / "pages")
    stray = f"{rig.settings.opensearch.alias}-stray"
    await rig.client.indices.create(index=stray, body={"aliases": {rig.settings.opensearch.alias: {}}})
    before = await rig.state()
    for refused in (rig.build(rig.servers.other), promoted(rig), rolled_back(rig), rig.verify()):
        with pytest.raises(InvalidInput, match=r"points at 2 indices.*nothing was changed"):
            await refused
    assert await rig.state() == before


async def test_a_name_that_is_taken_changes_nothing(rig: Rig, tmp_path: Path) -> None:
    await filled(rig, tmp_path / "pages")
    taken = f"{rig.settings.opensearch.alias}-000002"
    await rig.client.indices.create(index=taken, body={"mappings": {"properties": {"mine": {"type": "keyword"}}}})
    before = await rig.state()
    with pytest.raises(InvalidInput, match=f"{taken} is taken.*nothing was changed"):
        await rig.build(rig.servers.other)
    assert await rig.state() == before
    assert taken not in await rig.rows()


@pytest.mark.parametrize("which", [0, 1])
async def test_a_read_only_index_is_not_switched(rig: Rig, tmp_path: Path, which: int) -> None:
    await filled(rig, tmp_path / "pages")
    await rig.build(rig.servers.other)
    assert (await rig.verify([JudgedQuery(id="1", query="full shelf 2", relevant=("page2.md",))])).passed
    name = (await rig.parts.catalogue.live())[which].name
    before = await rig.state()
    await rig.client.indices.put_settings(index=name, body={"index.blocks.read_only": True})
    with pytest.raises(Unavailable, match=r"blocks the index.*cluster_block_exception"):
        await promoted(rig)
    assert await rig.state() == before
    await rig.client.indices.put_settings(index=name, body={"index.blocks.read_only": None})
    await promoted(rig)


async def test_a_disk_without_room_ends_a_build_that_goes_on_when_there_is_room(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk.DEFAULT_RETRIES.__class__, "wait_s", lambda *_: 0.01)
    await filled(rig, tmp_path / "pages")
    answering = await rig.parts.catalogue.answering()
    created = rig.parts.catalogue.create

    async def full(*arguments: object, **about: object) -> Generation:
        """What the engine does to every index when its disk is nearly full."""
        generation = await created(*arguments, **about)  # type: ignore[arg-type]
        await rig.client.indices.put_settings(index=generation.name, body={"index.blocks.read_only_allow_delete": True})
        return generation

    monkeypatch.setattr(rig.parts.catalogue, "create", full)
    before = await rig.held(answering.name)
    with pytest.raises(Unavailable, match=r"takes no writes \(index.blocks.read_only_allow_delete\).*is as it was"):
        await rig.build(rig.servers.other)
    assert await rig.held(answering.name) == before
    assert (await rig.parts.catalogue.answering()) == answering
    candidate = (await rig.parts.catalogue.live())[1]
    assert (await rig.parts.job.sync("pages")).failures == (), "what answers is written all the same"
    await rig.client.indices.put_settings(index=candidate.name, body={"index.blocks.read_only_allow_delete": None})
    built = await rig.build(rig.servers.other)
    assert (built.generation, built.failures) == (candidate.name, [])
    assert await rig.held(candidate.name) == before
