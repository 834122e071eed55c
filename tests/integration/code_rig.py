"""What tests of the code index share: models of several widths, a folder of documents and code, what lies where."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from fake_embedder import FakeEmbedder
from model_servers import NoSense, model_server
from real_system import drop, own

from evaluation.gate import Thresholds
from evaluation.judged import JudgedQuery
from shirabe.cli.compose import Parts, open_parts
from shirabe.cli.generation_build import BuildReport, build
from shirabe.cli.generation_check import VerifyReport, verify
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import Switched, promote
from shirabe.definitions import is_code
from shirabe.settings import CodeModelSettings, Settings
from shirabe.types import Source

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
KEPT = ("src/go/worker.go", "src/python/akane/retry.py", "src/python/akane/pricing.py", "src/python/akane/order.py")
NOTE = "note.md"
SHORT = 64
"""Another length of chunks than the default."""
DAY = timedelta(hours=24)
PATIENT = Thresholds(max_loss=1.0, max_group_loss=1.0, min_overlap=0.0, max_slower=100.0)
RETRY = JudgedQuery(id="1", query="retry policy", lang="en", relevant=("src/python/akane/retry.py",))


@dataclass(frozen=True)
class Servers:
    """Where four models are served: of prose, of code, another of code, and one that is of no use."""

    prose: str
    code: str
    other: str
    broken: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with (
        model_server("prose", FakeEmbedder(32)) as prose,
        model_server("coder", FakeEmbedder(64)) as code,
        model_server("coder-2", FakeEmbedder(48)) as other,
        model_server("no-sense", NoSense(64)) as broken,
    ):
        yield Servers(prose, code, other, broken)


@dataclass
class Rig:
    """An index of one test, and a folder of documents and code that it follows."""

    settings: Settings
    url: str
    servers: Servers
    checkpoint: Path
    folder: Path

    def configured(self, url: str | None) -> Settings:
        """Return the settings with a code model on this server, or, without one, as `shirabe up` serves it."""
        apart = CodeModelSettings(model="coder", url=url)
        return self.settings.model_copy(update={"models": self.settings.models.model_copy(update={"code": apart})})

    @asynccontextmanager
    async def parts(
        self, *, code: bool = True, served: str | None = None, at: str | None = None, chunk_tokens: int = 320
    ) -> AsyncIterator[Parts]:
        """Open the parts; the code model is on the server `at`, or where a supervisor has `served` it."""
        url = served or at or self.servers.code
        mine = with_chunks(self.configured(None if served else url) if code else self.settings, chunk_tokens)
        beside = [served] if served else []
        async with open_parts(
            *(mine, self.url, self.servers.prose, self.checkpoint),
            beside=lambda: beside,
            code_models_url=url if code else None,
        ) as parts:
            yield parts

    async def filled(self) -> dict[str, str]:
        """Index the folder while no code model is configured; return what is held."""
        async with self.parts(code=False) as parts:
            await parts.job.add(Source("docs", "markdown", str(self.folder)))
            assert (await parts.job.sync("docs")).failures == ()
            return await parts.store.chunk_hashes("docs")

    def edit(self, word: str) -> None:
        """Add a function and a section of this name."""
        added = {"src/go/worker.go": f"\nfunc {word}() int {{ return 1 }}\n", NOTE: f"\n## {word}\n\nA bird.\n"}
        for path, text in added.items():
            with (self.folder / path).open("a", encoding="utf-8") as file:
                file.write(text)

    async def build(
        self, parts: Parts, *, code: bool = True, settings: Settings | None = None, from_sources: bool | None = None
    ) -> BuildReport:
        """Build a candidate of the code index; not `code`: of both, from the sources unless said otherwise."""
        of = settings or self.settings
        anew = not code if from_sources is None else from_sources
        return await build(parts, of, ModelChoice(), lambda *_: None, from_sources=anew, code=code)

    async def verify(
        self, parts: Parts, *judged: JudgedQuery, code: bool = True, bounds: Thresholds = PATIENT
    ) -> VerifyReport:
        """Hold the only candidate against what answers."""
        asked = list(judged) or [RETRY]
        return await verify(parts, self.settings, None, asked, 0, bounds, lambda *_: None, code=code)


@pytest_asyncio.fixture
async def rig(
    settings: Settings, opensearch_url: str, servers: Servers, checkpoint: Path, tmp_path: Path
) -> AsyncIterator[Rig]:
    folder = tmp_path / "docs"
    for path in (*KEPT, *(str(spec.relative_to(SAMPLES)) for spec in sorted((SAMPLES / "specs").rglob("*.md"))[:3])):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / path, folder / path)
    (folder / NOTE).write_text("# Notes\n\nWhat was done.\n", encoding="utf-8")
    mine = own(settings)
    try:
        yield Rig(mine, opensearch_url, servers, checkpoint, folder)
    finally:
        await drop(opensearch_url, mine.opensearch.alias)
        shutil.rmtree(mine.state_dir.parent, ignore_errors=True)


def with_chunks(settings: Settings, chunk_tokens: int) -> Settings:
    """Return the settings with chunks of another length, which are written a few at a time."""
    few = {"chunk_tokens": chunk_tokens, "batch_chunks": 8, "bulk_chunks": 8}
    return settings.model_copy(update={"ingest": settings.ingest.model_copy(update=few)})


async def started(rig: Rig, *, again: bool) -> tuple[Settings, str, str, str, Path, bool]:
    """Index the folder, with code apart if all is to be cut `again`; return what `killed` needs."""
    if again:
        async with rig.parts() as parts:
            await parts.job.add(Source("docs", "markdown", str(rig.folder)))
            await parts.job.sync("docs")
    else:
        await rig.filled()
    settings = with_chunks(rig.configured(rig.servers.code), SHORT if again else 320)
    return settings, rig.url, rig.servers.prose, rig.servers.code, rig.checkpoint, again


async def promoted(parts: Parts, *, code: bool = True) -> Switched:
    """Promote the only candidate, past the gate."""
    return await promote(parts, None, force=False, max_age=DAY, code=code)


async def code_in(parts: Parts, *, code: bool) -> dict[str, bool]:
    """Return chunk id -> whether it is code, of what lies in one of the two indices."""
    catalogue = parts.catalogue_of(code=code)
    store = catalogue.to_read(await catalogue.answering())
    await store.refresh()
    ids = [name for source in await store.counts() for name in await store.chunk_hashes(source)]
    return {saved.chunk.chunk_id: is_code(saved.chunk) for saved in await store.saved(ids)}


async def require_apart(parts: Parts) -> set[str]:
    """Assert that every chunk lies where it belongs, and nowhere else; return the ids of all."""
    prose, code = await code_in(parts, code=False), await code_in(parts, code=True)
    assert set(prose.values()) == {False} and set(code.values()) == {True}
    assert not prose.keys() & code.keys()
    return prose.keys() | code.keys()


async def held(parts: Parts) -> dict[str, str]:
    """Return what answers holds of the folder, whichever index it lies in."""
    store = (await parts.index.answering(fresh=True)).store
    await store.refresh()
    return await store.chunk_hashes("docs")


async def require_true(parts: Parts) -> None:
    """Assert that what is indexed is what the folder has, and that nothing is left to do."""
    drift = await parts.job.drift("docs")
    assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())
    assert (await parts.job.sync("docs")).documents == 0
