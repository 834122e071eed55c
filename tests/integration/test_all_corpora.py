"""Every real document at hand, from one `sources.yaml`: all of it is found by its source, and each place opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_system import drop, own
from rich.console import Console
from test_locators import cut, resolved

from bench.scale import StubEmbedder
from ingest.chunkers import CHUNKER_VERSION, StructureChunker
from ingest.job import SyncJob
from ingest.sources_file import read_sources
from opensearch.client import build_client
from opensearch.store import open_store
from shirabe.cli import write_commands
from shirabe.settings import Settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Source, SourceKind

# Documents and the fewest chunks of each: a source that shrinks to a part of itself fails.
CORPORA: dict[str, tuple[SourceKind, str, int]] = {
    "cncf": ("git", "cncf-glossary.bundle", 500),
    "fastapi": ("git", "fastapi.bundle", 5_000),
    "jsquad": ("markdown", "jsquad", 1_000),
    "freee": ("openapi", "openapi/freee-accounting.json", 250),
    "freee-sales": ("openapi", "openapi/freee-sales.yml", 50),
    "digitalocean": ("openapi", "openapi/digitalocean/specification/DigitalOcean-public.v2.yaml", 1_000),
}


async def test_one_file_of_sources_brings_all_of_them(
    settings: Settings,
    opensearch_url: str,
    tokens: CheckpointTokens,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(write_commands, "out", Console(width=200))
    mine, embedder = own(settings, url=opensearch_url), StubEmbedder()
    file = tmp_path / "sources.yaml"
    file.write_text(
        "sources:\n"
        + "".join(
            f"  {name}:\n    kind: {kind}\n    location: {shared / 'corpora' / place}\n"
            for name, (kind, place, _) in CORPORA.items()
        ),
        "utf-8",
    )
    client = build_client(mine.opensearch)
    try:
        store = await open_store(mine.opensearch, await embedder.info(), chunker_version=CHUNKER_VERSION)
        job = SyncJob(store, embedder, StructureChunker(tokens, mine.ingest.chunk_tokens), mine)
        try:
            await job.declare(read_sources(file))
            reports = [await job.sync(name) for name in CORPORA]
        finally:
            await job.close()
            await store.close()
        await client.indices.refresh(index=mine.opensearch.alias)
        counted = {}
        for name in CORPORA:
            answer = await client.count(index=mine.opensearch.alias, body={"query": {"term": {"source": name}}})
            counted[name] = answer["count"]
    finally:
        await client.close()
        await drop(opensearch_url, mine.opensearch.alias)
    assert [report.failures for report in reports] == [()] * len(CORPORA)
    assert counted == {report.source_id: report.chunks for report in reports}
    assert [name for name, (_, _, least) in CORPORA.items() if counted[name] < least] == []

    write_commands.finish(reports, as_json=False)

    printed = capsys.readouterr().out
    rows = {cells[0]: cells[1:3] for line in printed.splitlines() if len(cells := line.split("│")[1:]) > 2}
    told = {name.strip(): [cell.strip() for cell in cells] for name, cells in rows.items()}
    for report in reports:
        assert told[report.source_id] == [str(report.documents), str(report.chunks)]
    assert told["all"][1] == str(sum(counted.values()))


@pytest.mark.parametrize("name", ["cncf", "fastapi", "jsquad"])
async def test_every_chunk_opens(name: str, shared: Path, tokens: CheckpointTokens, tmp_path: Path) -> None:
    kind, place, least = CORPORA[name]
    kinds = resolved(await cut(Source(name, kind, str(shared / "corpora" / place)), tmp_path, tokens))
    assert kinds.total() >= least
