"""Code in an index of its own, on the real engine, with models of several widths."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from fake_embedder import FakeEmbedder
from model_servers import model_server
from real_system import drop, facade, found, own

from evaluation.gate import Thresholds
from evaluation.judged import JudgedQuery
from shirabe.cli.code_moves import move_back
from shirabe.cli.compose import Parts, open_parts
from shirabe.cli.generation_build import build
from shirabe.cli.generation_check import verify
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import collect, promote, rollback, rows
from shirabe.definitions import CODE_KINDS, is_code
from shirabe.errors import InvalidInput
from shirabe.settings import CodeModelSettings, Settings
from shirabe.types import Principal, Source, document_id

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
KEPT = ("src/go/worker.go", "src/python/akane/retry.py", "src/python/akane/pricing.py", "src/python/akane/order.py")
DAY = timedelta(hours=24)
PATIENT = Thresholds(max_loss=1.0, max_group_loss=1.0, min_overlap=0.0, max_slower=100.0)


@dataclass(frozen=True)
class Servers:
    """Where three models are served: of prose, of code, and another of code."""

    prose: str
    code: str
    other: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with (
        model_server("prose", FakeEmbedder(32)) as prose,
        model_server("coder", FakeEmbedder(64)) as code,
        model_server("coder-2", FakeEmbedder(48)) as other,
    ):
        yield Servers(prose, code, other)


@dataclass
class Rig:
    """An index of one test, and a folder of documents and code that it follows."""

    settings: Settings
    url: str
    servers: Servers
    checkpoint: Path
    folder: Path

    @asynccontextmanager
    async def parts(self, *, code: bool = True, served: str | None = None) -> AsyncIterator[Parts]:
        """Open the parts; `served` is where a supervisor serves the code model, instead of a server that is named."""
        url = served or self.servers.code
        apart = CodeModelSettings(model="coder", url=None if served else url) if code else CodeModelSettings()
        mine = self.settings.model_copy(update={"models": self.settings.models.model_copy(update={"code": apart})})
        at = (self.url, self.servers.prose, self.checkpoint)
        beside = [served] if served else []
        async with open_parts(mine, *at, beside=lambda: beside, code_models_url=url if code else None) as parts:
            yield parts


@pytest_asyncio.fixture
async def rig(
    settings: Settings, opensearch_url: str, servers: Servers, checkpoint: Path, tmp_path: Path
) -> AsyncIterator[Rig]:
    folder = tmp_path / "docs"
    for path in (*KEPT, *(str(spec.relative_to(SAMPLES)) for spec in sorted((SAMPLES / "specs").rglob("*.md"))[:3])):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / path, folder / path)
    mine = own(settings)
    try:
        yield Rig(mine, opensearch_url, servers, checkpoint, folder)
    finally:
        await drop(opensearch_url, mine.opensearch.alias)
        shutil.rmtree(mine.state_dir.parent, ignore_errors=True)


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


async def require_true(parts: Parts) -> None:
    drift = await parts.job.drift("docs")
    assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())


async def test_code_is_written_searched_edited_and_deleted_in_its_own_index(rig: Rig) -> None:
    async with rig.parts() as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        report = await parts.job.sync("docs")
        assert report.failures == ()
        whole = await require_apart(parts)
        assert len(whole) == report.chunks
        (status,) = await parts.job.status()
        assert (status.chunks, status.documents) == (report.chunks, report.documents)
        await require_true(parts)
        async with facade(parts, rig.settings) as client:
            both = await found(client, query="cancel an order", top_k=30, explain=True)
            kinds = {hit["kind"] for hit in both["hits"]}
            assert kinds & set(CODE_KINDS) and kinds - set(CODE_KINDS)
            assert both["degraded"] == [] and " + " in both["generation"]
            legs = {leg for hit in both["hits"] for leg in hit["legs"]}
            assert {"lexical", "dense", "code_dense", "late"} <= legs
            ids = [hit["chunk_id"] for hit in both["hits"]]
            assert len(ids) == len(set(ids))
            code = await found(client, query="retry policy", mode="code", explain=True)
            assert {hit["lang"] for hit in code["hits"]} <= {"python", "go"}
            assert {"embedder"}.isdisjoint(code["degraded"]) and code["hits"][0]["path"] == "src/python/akane/retry.py"
            for mode in ("dense", "sparse", "lexical"):
                assert (await found(client, query="retry policy", mode=mode))["hits"], mode
            shown = await client.get(f"/v1/documents/{document_id('docs', 'src/go/worker.go')}")
            assert shown.status_code == 200 and len(shown.json()["chunks"]) == 6
            assert (await client.get("/readyz")).status_code == 200
        # An edit costs its own chunks; what is deleted leaves both.
        worker = rig.folder / "src/go/worker.go"
        worker.write_text(worker.read_text("utf-8") + "\n// zebrafinch counts\nfunc zebrafinch() int { return 1 }\n")
        (rig.folder / "src/python/akane/pricing.py").unlink()
        edited = await parts.job.sync("docs")
        assert (edited.documents, edited.deleted, edited.failures) == (1, 1, ())
        assert 0 < edited.embedded <= 2
        after = await require_apart(parts)
        await require_true(parts)
        async with facade(parts, rig.settings) as client:
            hits = (await found(client, query="zebrafinch", mode="code"))["hits"]
            assert hits[0]["path"] == "src/go/worker.go"
            gone = document_id("docs", "src/python/akane/pricing.py")
            assert (await client.get(f"/v1/documents/{gone}")).status_code == 404
        assert not {name for name in after if name.startswith(gone)}
    # The same ids as when everything is read anew.
    async with rig.parts() as parts:
        full = await parts.job.sync("docs", full=True)
        assert (full.failures, full.chunks, full.embedded) == ((), len(after), 0)
        assert await require_apart(parts) == after


async def test_a_model_that_is_gone_is_named_and_the_other_index_answers(rig: Rig) -> None:
    async with model_server("coder", FakeEmbedder(64)) as away, rig.parts(served=away) as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        await parts.job.sync("docs")
    async with rig.parts(served=away) as parts, facade(parts, rig.settings) as client:
        answer = await found(client, query="cancel an order", top_k=20)
        assert answer["degraded"] == ["code-embedder"]
        assert {hit["kind"] for hit in answer["hits"]} - set(CODE_KINDS)
        code = await found(client, query="retry policy", mode="code")
        assert code["degraded"] == ["code-embedder"] and code["hits"], "by its words"
    with pytest.raises(InvalidInput, match="code-000001 was built with model 'coder'"):
        async with rig.parts(served=rig.servers.other):
            pass


async def test_turned_on_and_off_nothing_is_lost_and_nothing_is_found_twice(rig: Rig) -> None:
    async with rig.parts(code=False) as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        whole = (await parts.job.sync("docs")).chunks
        before = await parts.store.chunk_hashes("docs")
        assert len(before) == whole
    async with rig.parts() as parts:
        # Not moved yet: everything is where it was, and mode code finds it.
        async with facade(parts, rig.settings) as client:
            assert (await found(client, query="retry policy", mode="code"))["hits"]
        assert await rows(parts, code=True) == []
        with pytest.raises(InvalidInput, match="its own server"):
            await build(parts, rig.settings, ModelChoice(model="x"), lambda *_: None, code=True)
        built = await build(parts, rig.settings, ModelChoice(), lambda *_: None, code=True)
        assert built.generation.endswith("-code-000001") and built.failures == []
        assert await require_apart(parts) == set(before)
        answering = await parts.index.answering(fresh=True)
        assert answering.code is not None and answering.code.settled
        assert await answering.store.chunk_hashes("docs") == before
        assert (await parts.job.sync("docs")).documents == 0, "the ledger is as it was"
        await require_true(parts)
        with pytest.raises(InvalidInput, match="--into-main"):
            await build(parts, rig.settings, ModelChoice(), lambda *_: None, from_sources=True)
    with pytest.raises(InvalidInput, match="rollback --code --into-main"):
        async with rig.parts(code=False):
            pass
    async with rig.parts() as parts:
        await move_back(parts, lambda *_: None)
        assert await parts.store.chunk_hashes("docs") == before
    async with rig.parts(code=False) as parts:
        await require_true(parts)
        assert (await parts.job.sync("docs")).documents == 0


async def test_each_index_has_generations_of_its_own(rig: Rig) -> None:
    judged = [JudgedQuery(id="1", query="retry policy", lang="en", relevant=("src/python/akane/retry.py",))]

    async def verified(parts: Parts, *, code: bool) -> None:
        report = await verify(parts, rig.settings, None, judged, 0, PATIENT, lambda *_: None, code=code)
        assert report.passed, report.checks

    async with rig.parts() as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        await parts.job.sync("docs")
        alias = rig.settings.opensearch.alias
        hashes = await (await parts.index.answering(fresh=True)).store.chunk_hashes("docs")
        # The code side alone gets another model, of another width.
        built = await build(parts, rig.settings, ModelChoice(url=rig.servers.other), lambda *_: None, code=True)
        assert (built.generation, built.beside, built.dim) == (f"{alias}-code-000002", f"{alias}-code-000001", 48)
        assert sum(copied.embedded for copied in built.sources.values()) == len(await code_in(parts, code=True))
        await verified(parts, code=True)
        switched = await promote(parts, None, force=False, max_age=DAY, code=True)
        assert switched.now == built.generation
        assert (await parts.catalogue.answering()).name == f"{alias}-000001", "the other stayed"
        await parts.index.answering(fresh=True)
        async with facade(parts, rig.settings) as client:
            assert (await found(client, query="retry policy", mode="code"))["hits"]
        # An edit goes to both code generations, and the way back loses nothing.
        worker = rig.folder / "src/go/worker.go"
        worker.write_text(worker.read_text("utf-8") + "\nfunc zebrafinch() int { return 1 }\n")
        assert (await parts.job.sync("docs")).documents == 1
        assert [row.behind for row in await rows(parts, code=True)] == [0, 0]
        back = await rollback(parts, force=False, code=True)
        assert back.now == f"{alias}-code-000001"
        assert (await parts.job.sync("docs")).documents == 0
        await require_apart(parts)
        await require_true(parts)
        edited = await (await parts.index.answering(fresh=True)).store.chunk_hashes("docs")
        assert set(edited) > set(hashes)
        # The prose side alone, while code stays.
        built = await build(parts, rig.settings, ModelChoice(), lambda *_: None)
        assert (built.generation, built.failures) == (f"{alias}-000002", [])
        await verified(parts, code=False)
        await promote(parts, None, force=False, max_age=DAY)
        assert await (await parts.index.answering(fresh=True)).store.chunk_hashes("docs") == edited
        assert (await parts.job.sync("docs")).documents == 0
        await require_apart(parts)
        with pytest.raises(InvalidInput, match="collect what else there is first"):
            await move_back(parts, lambda *_: None)
        gone = await collect(parts, rig.settings, [f"{alias}-code-000002"], DAY, dry_run=False, code=True)
        assert gone == [f"{alias}-code-000002"]
        assert len(await parts.job.status()) == 1
        document = await parts.documents.document(document_id("docs", "src/go/worker.go"), Principal())
        assert [item.chunk.ordinal for item in document] == list(range(len(document)))
