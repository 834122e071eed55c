"""Both indices switched together: code turned apart past the gate and back, and all cut anew while it lies apart."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from code_rig import (
    DAY,
    RETRY,
    SHORT,
    Rig,
    code_in,
    held,
    promoted,
    require_apart,
    require_true,
    rig,
    servers,
    started,
    with_chunks,
)
from opensearchpy._async.client.indices import IndicesClient
from real_system import facade, found
from test_generations import Load, reached

from evaluation.gate import Thresholds
from evaluation.judged import JudgedQuery
from shirabe.cli.code_moves import move_back
from shirabe.cli.compose import Parts
from shirabe.cli.generation_build import build
from shirabe.cli.generation_change import Change, to_candidate
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import collect, rollback, rows
from shirabe.errors import Forbidden, InvalidInput, NotFound
from shirabe.types import Source

__all__ = ["rig", "servers"]

BOUNDS = Thresholds(max_loss=0.02, max_slower=100.0)


async def require_whole(parts: Parts, expected: set[str]) -> None:
    """Assert that the first index answers alone, and with everything."""
    answering = await parts.index.answering(fresh=True)
    assert answering.code is None
    assert set(await held(parts)) == expected
    assert set((await code_in(parts, code=False)).values()) == {True, False}


async def test_code_goes_apart_past_the_gate_and_back_in_one_step(rig: Rig) -> None:
    before = await rig.filled()
    alias = rig.settings.opensearch.alias
    whole, prose, code = f"{alias}-000001", f"{alias}-000002", f"{alias}-code-000001"
    async with rig.parts() as parts:
        assert await rows(parts, code=True) == []
        with pytest.raises(NotFound, match="no candidate"):
            await promoted(parts)
        with pytest.raises(InvalidInput, match="its own server"):
            await build(parts, rig.settings, ModelChoice(model="x"), lambda *_: None, code=True)
        built = await rig.build(parts)
        assert (built.generation, built.together, built.beside) == (code, prose, whole)
        assert built.failures == [] and not built.answers
        # What is stored is embedded by the code model where it is code; the rest comes from the cache.
        (copied,) = built.sources.values()
        assert (copied.chunks, copied.embedded) == (len(before), sum((await code_in(parts, code=False)).values()))
        await require_whole(parts, set(before))
        assert [(row.name, row.state, row.behind, row.together) for row in await rows(parts, code=True)] == [
            (code, "candidate", 0, prose)
        ]
        async with facade(parts, rig.settings) as client:
            answer = await found(client, query="retry policy", mode="code")
            assert answer["hits"] and answer["generation"] == whole
        rig.edit("zebrafinch")
        assert (await parts.job.sync("docs")).documents == 2
        with pytest.raises(Forbidden, match="not verified"):
            await promoted(parts)
        report = await rig.verify(parts)
        assert report.passed, report.checks
        assert (report.answering, report.candidate) == (whole, f"{prose} + {code}")
        switched = await promoted(parts)
        assert (switched.before, switched.now) == (whole, f"{prose} + {code}")
        edited = await require_apart(parts)
        assert edited > set(before) and set(await held(parts)) == edited
        await require_true(parts)
        # The index that had it all is kept true, its code by its own model: one step back loses nothing.
        rig.edit("kingfisher")
        assert (await parts.job.sync("docs")).documents == 2
        after = await require_apart(parts)
        assert [row.behind for row in await rows(parts)] == [0, 0]
        assert (await rollback(parts, force=False, code=True)).now == whole
        await require_whole(parts, after)
        await require_true(parts)
        assert (await promoted(parts)).now == f"{prose} + {code}", "a candidate again"
        assert await require_apart(parts) == after
        with pytest.raises(InvalidInput, match="collect what else there is first"):
            await move_back(parts, lambda *_: None)
        assert await collect(parts, rig.settings, [whole], DAY, dry_run=False) == [whole]
        with pytest.raises(NotFound, match="--into-main"):
            await rollback(parts, force=False, code=True)
    with pytest.raises(InvalidInput, match="rollback --code --into-main"):
        async with rig.parts(code=False):
            pass
    async with rig.parts() as parts:
        await move_back(parts, lambda *_: None)
        await require_whole(parts, after)
    async with rig.parts(code=False) as parts:
        await require_true(parts)


async def test_a_model_that_is_of_no_use_for_code_stays_out(rig: Rig) -> None:
    before = await rig.filled()
    judged = [
        JudgedQuery(id=str(number), query=query, lang="en", relevant=(f"src/{path}",))
        for number, (query, path) in enumerate(
            (
                ("how long to wait before the next attempt", "python/akane/retry.py"),
                ("price of a line with its discount", "python/akane/pricing.py"),
                ("stop an order that is not shipped", "python/akane/order.py"),
                ("goroutine that takes jobs from a channel", "go/worker.go"),
            )
        )
    ]
    async with rig.parts(at=rig.servers.broken) as parts:
        built = await rig.build(parts)
        report = await rig.verify(parts, *judged, RETRY, bounds=BOUNDS)
        assert not report.passed
        failed = {check.name for check in report.checks if not check.passed}
        assert failed and all(name.startswith("loss of") for name in failed), report.checks
        with pytest.raises(Forbidden, match="did not pass: loss of"):
            await promoted(parts)
        await require_whole(parts, set(before))
        assert set(await collect(parts, rig.settings, [built.generation], DAY, dry_run=True, code=True)) == {
            *(built.generation, built.together)
        }
    with pytest.raises(InvalidInput, match=f"gc --code {built.generation}"):
        async with rig.parts(code=False):
            pass
    async with rig.parts(at=rig.servers.broken) as parts:
        await collect(parts, rig.settings, [str(built.together)], DAY, dry_run=False)
        assert len(await rows(parts)) == 1 and await rows(parts, code=True) == []
    async with rig.parts(code=False) as parts:
        await require_whole(parts, set(before))
        await require_true(parts)


@dataclass
class CodeLoad(Load):
    """Queries for code, and edits of code, beside pushes and deletes of documents."""

    async def ask(self, number: int) -> None:
        query = {"query": "retry policy", "mode": ("hybrid", "code")[number % 2], "top_k": 50}
        answer = await found(self.client, **query)
        ids = [hit["chunk_id"] for hit in answer["hits"]]
        assert answer["degraded"] == [] and len(ids) == len(set(ids))
        assert "src/python/akane/retry.py" in {hit["path"] for hit in answer["hits"]}
        self.generations.append(answer["generation"])
        self.done["queries"] += 1

    async def sync(self, number: int) -> None:
        lines = "\n".join(f"func bird{number % 5}x{line}() int {{ return {number} }}\n" for line in range(number % 3))
        (self.folder / "src/go/bird.go").write_text(f"package bird\n\n{lines}", encoding="utf-8")
        report = await self.parts.job.sync("docs")
        assert not report.failures
        self.done["syncs"] += 1


@pytest.mark.parametrize("again", [False, True])
async def test_both_are_built_and_switched_while_everything_goes_on(rig: Rig, again: bool) -> None:
    settings = with_chunks(rig.settings, SHORT if again else 320)
    if not again:
        await rig.filled()
    async with rig.parts() as parts, rig.parts() as served, facade(served, rig.settings) as client:
        if again:
            await parts.job.add(Source("docs", "markdown", str(rig.folder)))
            await parts.job.sync("docs")
        load = CodeLoad(client, served, rig.folder)
        async with load.going_on():
            built = await rig.build(parts, code=not again, settings=settings)
            assert built.failures == []
            report = await rig.verify(parts, code=not again)
            assert report.passed, report.checks
            switched = await promoted(parts, code=not again)
            await asked_of(load, switched.now)
            back = await rollback(parts, force=False, code=not again)
            assert back.now == switched.before
            await asked_of(load, back.now)
            await promoted(parts, code=not again)
            await asked_of(load, switched.now)
        assert load.failed == [], load.failed[:3]
        assert min(load.done.values()) > 0, load.done
        assert list(dict.fromkeys(load.generations)) == [switched.before, switched.now], "of both or of neither"
        await require_apart(parts)
        await require_true(parts)
        pushed = {(await client.get(f"/v1/documents/{each}")).status_code for each in load.pushed.values()}
        assert pushed <= {200}


async def test_a_look_up_in_the_middle_of_a_switch_sees_both_or_neither(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await started(rig, again=True)
    async with rig.parts() as parts:
        await rig.build(parts, code=False, settings=with_chunks(rig.settings, SHORT))
        change = await to_candidate(parts, None, code=False)
        turns = [change.turns(parts), Change(change.then, change.now).turns(parts)]
        ask, names = IndicesClient.get, set[str]()

        async def then_switch(*arguments: object, **named: object) -> object:
            answer = await ask(*arguments, **named)
            await parts.catalogue.switch(turns[0])
            turns.reverse()
            return answer

        monkeypatch.setattr(IndicesClient, "get", then_switch)
        for _ in range(4):
            answering = await parts.index.answering(fresh=True)
            names.add(await answering.store.generation())
        assert names == {change.now.name, change.then.name}


async def asked_of(load: Load, generation: str) -> None:
    """Wait until queries are answered by a generation, and some more."""
    count = len(load.generations)
    await reached(lambda: generation in load.generations[count:])


async def test_all_is_cut_anew_while_code_lies_apart(rig: Rig) -> None:
    alias = rig.settings.opensearch.alias
    one, two = (f"{alias}-00000{number} + {alias}-code-00000{number}" for number in (1, 2))
    async with rig.parts() as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        await parts.job.sync("docs")
        before = await held(parts)
    # What was made with the old size goes on with it, whoever writes.
    async with rig.parts(chunk_tokens=SHORT) as parts:
        assert (await parts.job.sync("docs")).documents == 0
        built = await rig.build(parts, code=False, settings=with_chunks(rig.settings, SHORT))
        assert (built.generation, built.together) == (f"{alias}-000002", f"{alias}-code-000002")
        assert await held(parts) == before
        # Neither index goes alone meanwhile.
        for code in (False, True):
            with pytest.raises(InvalidInput, match=r"there is a candidate already.*partner"):
                await build(parts, rig.settings, ModelChoice(), lambda *_: None, code=code)
        assert (await rig.verify(parts, code=False)).passed
        assert (await promoted(parts, code=True)).now == two, "whichever of the two is named"
        cut = await held(parts)
        assert len(cut) > len(before)
        await require_apart(parts)
        await require_true(parts)
        rig.edit("zebrafinch")
        assert (await parts.job.sync("docs")).documents == 2
        assert {row.together for row in await rows(parts)} == {None, f"{alias}-code-000001"}
        assert (await rollback(parts, force=False)).now == one
        assert len(await held(parts)) == len(before) + 2
        await require_apart(parts)
        await require_true(parts)
        assert (await promoted(parts, code=False)).now == two
        assert len(await held(parts)) == len(cut) + 2
        gone = await collect(parts, rig.settings, [f"{alias}-code-000001"], DAY, dry_run=False, code=True)
        assert sorted(gone) == sorted(one.split(" + "))
        await require_true(parts)


async def test_code_goes_apart_and_all_is_cut_anew_in_one_build(rig: Rig) -> None:
    before = await rig.filled()
    async with rig.parts() as parts:
        was_code = await code_in(parts, code=False)
        built = await rig.build(parts, settings=with_chunks(rig.settings, SHORT), from_sources=True)
        assert built.failures == []
        (read,) = built.sources.values()
        assert read.chunks > len(before), "cut shorter, from the folder"
        await require_whole(parts, set(before))
        rig.edit("zebrafinch")
        assert (await parts.job.sync("docs")).documents == 2
        assert (await rig.verify(parts)).passed
        await promoted(parts)
        cut = await require_apart(parts)
        assert len(cut) > len(before) and cut - set(was_code)
        for code in (False, True):
            catalogue = parts.catalogue_of(code=code)
            assert parts.index.chunk_tokens(await catalogue.answering()) == SHORT
        await require_true(parts)
        # What was cut as before is kept true too, and is one step away.
        assert (await rollback(parts, force=False, code=True)).now == built.beside
        assert set(before) < set(await held(parts))
        await require_true(parts)
        await promoted(parts)
        assert await require_apart(parts) == cut
