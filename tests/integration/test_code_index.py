"""Code in an index of its own, on the real engine, with models of several widths."""

from __future__ import annotations

import pytest
from code_rig import DAY, Rig, code_in, held, promoted, require_apart, require_true, rig, servers
from fake_embedder import FakeEmbedder
from model_servers import model_server
from real_system import facade, found

from opensearch.catalogue import Catalogue
from shirabe.cli.code_moves import move_back
from shirabe.cli.generation_build import build
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import collect, rollback, rows
from shirabe.definitions import CODE_KINDS
from shirabe.errors import InvalidInput, Unavailable
from shirabe.types import Principal, Source, document_id

__all__ = ["rig", "servers"]


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


async def test_each_index_has_generations_of_its_own(rig: Rig) -> None:
    async with rig.parts() as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        await parts.job.sync("docs")
        alias = rig.settings.opensearch.alias
        hashes = await held(parts)
        # The code side alone gets another model, of another width.
        built = await build(parts, rig.settings, ModelChoice(url=rig.servers.other), lambda *_: None, code=True)
        assert (built.generation, built.beside, built.dim) == (f"{alias}-code-000002", f"{alias}-code-000001", 48)
        assert sum(copied.embedded for copied in built.sources.values()) == len(await code_in(parts, code=True))
        assert built.together is None
        assert (await rig.verify(parts)).passed
        switched = await promoted(parts)
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
        edited = await held(parts)
        assert set(edited) > set(hashes)
        # The prose side alone, while code stays.
        built = await build(parts, rig.settings, ModelChoice(), lambda *_: None)
        assert (built.generation, built.failures) == (f"{alias}-000002", [])
        assert (await rig.verify(parts, code=False)).passed
        await promoted(parts, code=False)
        assert await held(parts) == edited
        await require_true(parts)
        await require_apart(parts)
        with pytest.raises(InvalidInput, match=r"both indices.*collect what else there is first"):
            await rig.build(parts, code=False)
        with pytest.raises(InvalidInput, match="collect what else there is first"):
            await move_back(parts, lambda *_: None)
        gone = await collect(parts, rig.settings, [f"{alias}-code-000002"], DAY, dry_run=False, code=True)
        assert gone == [f"{alias}-code-000002"]
        assert len(await parts.job.status()) == 1
        document = await parts.documents.document(document_id("docs", "src/go/worker.go"), Principal())
        assert [item.chunk.ordinal for item in document] == list(range(len(document)))


async def test_code_that_is_on_its_way_back_can_go_out_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ended(*_: object) -> None:
        raise Unavailable("ended before the code index was deleted")

    async with rig.parts() as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        await parts.job.sync("docs")
        before = await held(parts)
        with monkeypatch.context() as patched, pytest.raises(Unavailable, match="ended before"):
            patched.setattr(Catalogue, "end", ended)
            await move_back(parts, lambda *_: None)
        assert await held(parts) == before and True in (await code_in(parts, code=False)).values()
        answering = await parts.index.answering(fresh=True)
        assert answering.code is not None and not answering.code.settled
        with pytest.raises(InvalidInput, match="on its way out of"):
            await rig.build(parts, code=False)
        built = await rig.build(parts)
        assert built.answers and built.generation.endswith("-code-000001")
        assert await require_apart(parts) == set(before)
        await require_true(parts)
        await move_back(parts, lambda *_: None)
        assert await held(parts) == before
