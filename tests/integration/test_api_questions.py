"""Questions people ask of real API descriptions: the operation that is meant is among the first three hits."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from real_system import drop, facade, found, own

from bench.api_questions import FREEE, QUESTIONS, ROOT
from shirabe.cli.compose import open_parts
from shirabe.settings import Settings
from shirabe.types import Source

# The whole set is embedded in minutes: what is asked for, and what is near it in words or meaning.
NEAR = re.compile(
    r"/v2/(?:droplets|droplets/\{droplet_id\}(?:/(?:actions|snapshots))?|snapshots.*|account/keys.*|databases"
    r"|databases/\{database_cluster_uuid\}(?:/(?:backups|dbs|users).*)?)"
)
FREEE_NEAR = re.compile(
    r"/api/1/(?:deals|invoices|partners|account_items|wallet_txns|walletables|quotations)(?:/\{id\})?"
)


def only_near(sets: Path, folder: Path) -> tuple[Path, Path]:
    """Copy both sets, their roots without the paths that are far from what is asked."""
    described = json.loads((sets / FREEE).read_text("utf-8"))
    described["paths"] = {path: item for path, item in described["paths"].items() if FREEE_NEAR.fullmatch(path)}
    (folder / FREEE).write_text(json.dumps(described, ensure_ascii=False), "utf-8")
    shutil.copytree(sets / "digitalocean" / "specification", folder / "specification")
    root = folder / "specification" / ROOT
    head, paths, rest = re.split(r"^(?=paths:$|components:$)", root.read_text("utf-8"), flags=re.MULTILINE)
    kept = [
        part for part in re.split(r"^(?=  /)", paths, flags=re.MULTILINE) if NEAR.fullmatch(part.split(":")[0].strip())
    ]
    assert (len(described["paths"]), len(kept)) > (10, 10)
    root.write_text(f"{head}paths:\n{''.join(kept)}\n{rest}", "utf-8")
    return folder / FREEE, root


@pytest_asyncio.fixture(scope="module")
async def client(
    settings: Settings,
    opensearch_url: str,
    models_url: str,
    checkpoint: Path,
    shared: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    """A facade over both sets."""
    mine = own(settings)
    freee, digitalocean = only_near(shared / "corpora" / "openapi", tmp_path_factory.mktemp("sets"))
    try:
        async with open_parts(mine, opensearch_url, models_url, checkpoint) as parts:
            for name, location in (("freee", freee), ("digitalocean", digitalocean)):
                await parts.job.add(Source(name, "openapi", str(location)))
                report = await parts.job.sync(name)
                assert (report.documents, report.failures) == (1, ())
            async with facade(parts, mine) as client:
                yield client
    finally:
        await drop(opensearch_url, mine.opensearch.alias)


@pytest.mark.parametrize(("query", "operation"), QUESTIONS, ids=[query for query, _ in QUESTIONS])
async def test_the_operation_is_among_the_first_three_hits(
    client: httpx.AsyncClient, query: str, operation: str
) -> None:
    hits = (await found(client, query=query, top_k=3))["hits"]
    assert operation in [hit["locator"] for hit in hits]
