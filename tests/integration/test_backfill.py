"""The backfill on a real Ray cluster ends where the direct job ends, killed half-way or not."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from opensearchpy import AsyncOpenSearch

from ingest.ledger import Ledger
from shirabe.cli.compose import Parts, open_parts
from shirabe.cli.models_process import Ready
from shirabe.runtime import RAY_ADDRESS_FILE
from shirabe.settings import Settings
from shirabe.types import Principal, Query, Source

ROOT = Path(__file__).resolve().parents[2]
PROCESS = ROOT / "tests/integration/backfill_process.py"
QUESTIONS = ("在庫が足りないとき注文はどうなる", "how is a shipment cancelled", "E1024")
CLOSE = 1e-3  # what the composition of a batch may change
TIMEOUT_S = 400
BROKEN = "openapi: 3.0.3\ninfo: {title: Orders, version: '1'}\npaths:\n  /orders:\n    get: [\n"


@dataclass(frozen=True)
class Index:
    """What an index and its ledger hold: documents as stored, scores of every chunk, the ledger's lines."""

    chunks: dict[str, dict[str, Any]]
    scores: list[dict[str, dict[str, float]]]
    bits: dict[str, Any]
    versions: set[int]
    entries: dict[str, Any]
    known: dict[str, Any]
    failing: set[str]
    cursor: str | None
    stamp: str


@dataclass(frozen=True)
class Place:
    """Where everything is."""

    opensearch_url: str
    ready: Ready
    checkpoint: Path
    corpus: Path

    def settings(self, base: Settings) -> Settings:
        """Return settings with an alias, a state directory and a cache of their own."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        folder = base.state_dir.parent / name
        (folder / "state").mkdir(parents=True)
        engine = base.opensearch.model_copy(update={"alias": name})
        return base.model_copy(
            update={"opensearch": engine, "state_dir": folder / "state", "cache_dir": folder / "cache"}
        )

    @asynccontextmanager
    async def parts(self, settings: Settings) -> AsyncIterator[Parts]:
        async with open_parts(settings, self.opensearch_url, self.ready.url, self.checkpoint) as parts:
            yield parts

    async def backfill(self, settings: Settings, dies_after: int = 0) -> dict[str, Any]:
        """Backfill in a process of its own, and return its report; {} when it killed itself as asked."""
        token = self.ready.token_path
        assert token is not None
        address = token.with_name(RAY_ADDRESS_FILE).read_text(encoding="utf-8")
        places = (self.opensearch_url, self.ready.url, str(self.checkpoint), str(token), address)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SHIRABE_STATE_DIR": str(settings.state_dir),
            "SHIRABE_CACHE_DIR": str(settings.cache_dir),
            "SHIRABE_OPENSEARCH__ALIAS": settings.opensearch.alias,
            "SHIRABE_INGEST__BATCH_CHUNKS": "16",
        }
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(PROCESS), "docs", *places, str(dies_after)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        if dies_after:
            assert done.returncode == -signal.SIGKILL, done.stderr
            return {}
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(report, dict)
        return report


def copy_corpus(folder: Path) -> Path:
    """Copy pages and sheets out of the samples, and add an OpenAPI document that cannot be read."""
    for part in ("specs", "data"):
        shutil.copytree(ROOT / "samples" / part, folder / part)
    (folder / "broken.openapi.yaml").write_text(BROKEN, encoding="utf-8")
    return folder


async def drop(url: str, alias: str) -> None:
    async with AsyncOpenSearch(hosts=[url]) as client:
        for name in await client.indices.get(index=f"{alias}-*", params={"allow_no_indices": "true"}):
            await client.indices.delete(index=name)


async def read_index(place: Place, settings: Settings, parts: Parts) -> Index:
    """Return everything that one index and its ledger hold of the source."""
    await parts.store.refresh()
    async with AsyncOpenSearch(hosts=[place.opensearch_url]) as client:
        answer = await client.search(
            index=settings.opensearch.alias, body={"size": 10_000, "version": True, "query": {"match_all": {}}}
        )
    hits = answer["hits"]["hits"]
    ids = sorted(hit["_id"] for hit in hits)
    questions = [Query(text, principal=Principal()) for text in QUESTIONS]
    embeddings = await parts.models.embed(QUESTIONS, "query", ("dense", "sparse", "tokens"))
    stored = await parts.store.fetch(ids, questions[0], embeddings[0])
    ledger = Ledger(settings.state_dir / "ledger.sqlite")
    try:
        scope = ledger.scope("docs", await parts.store.identity())
        return Index(
            chunks={hit["_id"]: hit["_source"] for hit in hits},
            scores=[
                await parts.store.scores(ids, question, embedding)
                for question, embedding in zip(questions, embeddings, strict=True)
            ],
            bits={item.chunk.chunk_id: item.bits for item in stored},
            versions={hit["_version"] for hit in hits},
            entries=ledger.entries(scope.scope),
            known=ledger.chunks(scope.scope),
            failing=set(ledger.failures(scope.scope)),
            cursor=scope.cursor,
            stamp=scope.stamp,
        )
    finally:
        ledger.close()


def assert_same(found: Index, wanted: Index) -> None:
    """Compare all but the versions, which are the clock's, and vectors only as far as batches leave them alike."""
    assert found.chunks == wanted.chunks
    assert found.entries == wanted.entries
    assert found.known == wanted.known
    assert found.failing == wanted.failing
    assert (found.cursor, found.stamp) == (wanted.cursor, wanted.stamp)
    for one, other in zip(found.scores, wanted.scores, strict=True):
        assert one.keys() == other.keys() >= {"dense", "sparse"}
        assert len(other["dense"]) == len(wanted.chunks)
        for leg in ("dense", "sparse"):
            for chunk_id in one[leg].keys() | other[leg].keys():
                assert one[leg].get(chunk_id, 0.0) == pytest.approx(other[leg].get(chunk_id, 0.0), abs=CLOSE)
    for chunk_id, bits in wanted.bits.items():
        assert found.bits[chunk_id].shape == bits.shape
        assert np.unpackbits(found.bits[chunk_id] ^ bits).mean() < 0.01


@pytest.fixture(scope="module")
def place(
    opensearch_url: str, models_ready: Ready, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Place:
    return Place(opensearch_url, models_ready, checkpoint, copy_corpus(tmp_path_factory.mktemp("corpus") / "docs"))


@pytest_asyncio.fixture(scope="module")
async def direct(settings: Settings, place: Place) -> AsyncIterator[Index]:
    """What the direct job makes of the corpus."""
    mine = place.settings(settings)
    try:
        async with place.parts(mine) as parts:
            await parts.job.add(Source("docs", "markdown", str(place.corpus)))
            report = await parts.job.sync("docs")
            assert [failure.path for failure in report.failures] == ["broken.openapi.yaml"]
            yield await read_index(place, mine, parts)
    finally:
        await drop(place.opensearch_url, mine.opensearch.alias)


async def test_a_backfill_ends_where_the_direct_job_ends(settings: Settings, place: Place, direct: Index) -> None:
    mine = place.settings(settings)
    try:
        async with place.parts(mine) as parts:
            await parts.job.add(Source("docs", "markdown", str(place.corpus)))
            report = await place.backfill(mine)
            found = await read_index(place, mine, parts)
            again = await parts.job.sync("docs")
            drift = await parts.job.drift("docs")
    finally:
        await drop(place.opensearch_url, mine.opensearch.alias)
    assert_same(found, direct)
    assert len(found.versions) == 1
    assert (report["documents"], report["chunks"]) == (len(direct.entries), len(direct.chunks))
    assert report["embedded"] + report["cached"] == report["chunks"] > report["cached"]
    assert [failure["path"] for failure in report["failures"]] == ["broken.openapi.yaml"]
    assert (again.documents, again.chunks, again.embedded, again.cached, again.deleted) == (0, 0, 0, 0, 0)
    assert (drift.missing, drift.extra, drift.outdated) == (("broken.openapi.yaml",), (), ())


async def test_a_backfill_that_was_killed_goes_on_where_it_was(settings: Settings, place: Place, direct: Index) -> None:
    mine = place.settings(settings)
    half = len(direct.entries) // 2
    try:
        async with place.parts(mine) as parts:
            await parts.job.add(Source("docs", "markdown", str(place.corpus)))
            await place.backfill(mine, dies_after=half)
            [status] = await parts.job.status()
            assert half // 2 <= status.documents
            report = await place.backfill(mine)
            found = await read_index(place, mine, parts)
            again = await parts.job.sync("docs")
    finally:
        await drop(place.opensearch_url, mine.opensearch.alias)
    assert_same(found, direct)
    assert len(found.versions) == 2  # what the killed run had settled was left alone
    assert 0 < report["documents"] < len(direct.entries)
    assert (again.documents, again.chunks, again.embedded, again.cached, again.deleted) == (0, 0, 0, 0, 0)
