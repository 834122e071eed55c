"""A user with `shirabe-writer` alone runs ingest, the facade and every `shirabe index` command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from code_rig import DAY, PATIENT, Rig, rig, servers
from real_system import facade, found
from role_guard import Guard, guarded

from opensearch.plugin.roles import WRITER
from shirabe.cli.code_moves import move_back
from shirabe.cli.compose import Parts
from shirabe.cli.generation_build import build
from shirabe.cli.generation_check import verify
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.generation_switch import collect, promote, rollback, rows
from shirabe.types import Source

__all__ = ["rig", "servers"]


@pytest_asyncio.fixture
async def guard(rig: Rig, opensearch_url: str) -> AsyncIterator[Guard]:
    async with guarded(Guard.of(WRITER, rig.settings.opensearch.alias, opensearch_url)) as guard:
        yield guard


async def built_and_promoted(rig: Rig, parts: Parts, *, code: bool) -> str:
    """Bring a candidate to answer, past the gate; return its name."""
    report = await build(parts, rig.settings, ModelChoice(), lambda *_: None, code=code)
    assert not report.failures
    told = await verify(parts, rig.settings, None, [], 50, PATIENT, lambda *_: None, code=code)
    assert told.passed, told
    await promote(parts, None, force=False, max_age=DAY, code=code)
    return report.generation


async def test_everything_that_is_asked_of_the_engine_is_granted(rig: Rig, guard: Guard) -> None:
    alone = replace(rig, url=guard.url)
    async with alone.parts(code=False) as parts:
        await parts.job.add(Source("docs", "markdown", str(rig.folder)))
        assert (await parts.job.sync("docs")).failures == ()
        async with facade(parts, rig.settings) as client:
            for mode in ("hybrid", "dense", "sparse", "lexical", "code"):
                answer = await found(client, query="retry policy", mode=mode)
                assert answer["hits"] and answer["degraded"] == []
            doc_id = answer["hits"][0]["doc_id"]
            for path in (f"/v1/documents/{doc_id}", "/v1/sources", "/healthz", "/readyz"):
                assert (await client.get(path)).status_code == 200, path
            pushed = await client.put("/v1/documents", json={"path": "a.md", "text": "# A\n\nzebrafinch"})
            assert pushed.status_code == 200
            assert (await client.delete(f"/v1/documents/{pushed.json()['doc_id']}")).status_code == 204
        await parts.activity.flush()
        await parts.activity.prune()
        assert parts.activity.counts()["failed"] == 0
        assert await parts.store.health()
        first = await parts.catalogue.answering()
        second = await built_and_promoted(rig, parts, code=False)
        assert await parts.catalogue.blocks(await parts.catalogue.answering()) == []
        await rollback(parts, force=True, code=False)
        await promote(parts, second, force=True, max_age=DAY, code=False)
        assert [row.state for row in await rows(parts)] == ["answering", "previous"]
        assert await collect(parts, rig.settings, [], 0 * DAY, dry_run=False, code=False) == [first.name]
    async with alone.parts() as parts:
        await built_and_promoted(rig, parts, code=True)
        async with facade(parts, rig.settings) as client:
            assert " + " in (await found(client, query="retry policy"))["generation"]
        await collect(parts, rig.settings, [], 0 * DAY, dry_run=False, code=False)
        await move_back(parts, lambda *_: None)
    assert guard.refused == []
