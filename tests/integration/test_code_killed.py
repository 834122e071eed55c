"""A build or a switch of both indices that is killed in the middle: what answers is whole, and it goes on."""

from __future__ import annotations

import pytest
from code_rig import DAY, Rig, held, promoted, require_apart, require_true, rig, servers, started
from killed_change import Step, killed

from shirabe.cli.generation_switch import promote, rollback, rows

__all__ = ["rig", "servers"]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("step", "times"), [("create", 1), ("create", 2), ("write", 3)])
async def test_a_build_of_both_that_is_killed_goes_on(rig: Rig, again: bool, step: Step, times: int) -> None:
    where = await started(rig, again=again)
    async with rig.parts() as parts:
        before = await held(parts)
    await killed("build", step, times, *where)
    async with rig.parts() as parts:
        assert await held(parts) == before, "what answers is as it was"
        assert len(await rows(parts)) == 2
        rig.edit("zebrafinch")
        assert (await parts.job.sync("docs")).documents == 2
        built = await rig.build(parts, code=not again, settings=where[0])
        assert built.failures == [] and len(await rows(parts)) == 2
        assert len(await rows(parts, code=True)) == (2 if again else 1)
        assert (await rig.verify(parts, code=not again)).passed
        await promoted(parts, code=not again)
        await require_apart(parts)
        await require_true(parts)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("step", "times"), [("note", 1), ("switch", 1), ("note", 2)])
async def test_a_switch_of_both_that_is_killed_is_of_both_or_of_neither(
    rig: Rig, again: bool, step: Step, times: int
) -> None:
    where = await started(rig, again=again)
    async with rig.parts() as parts:
        was = (await parts.index.answering(fresh=True)).identity
        await rig.build(parts, code=not again, settings=where[0])
        assert (await rig.verify(parts, code=not again)).passed
        before = await held(parts)
    await killed("promote", step, times, *where)
    async with rig.parts() as parts:
        is_there = (step, times) != ("note", 1)
        answering = await parts.index.answering(fresh=True)
        assert (answering.identity != was) is is_there
        if not is_there:
            assert await held(parts) == before
            await promoted(parts, code=not again)
        await require_apart(parts)
        rig.edit("zebrafinch")
        assert (await parts.job.sync("docs")).documents == 2
        await rollback(parts, force=False, code=not again)
        assert (await parts.index.answering(fresh=True)).identity == was
        assert set(await held(parts)) > set(before)
        await require_true(parts)
        await promote(parts, f"{rig.settings.opensearch.alias}-000002", force=True, max_age=DAY)
        await require_apart(parts)
        await require_true(parts)
