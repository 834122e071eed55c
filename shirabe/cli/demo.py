"""`shirabe up --demo`: the samples and three questions to them, then this repository, while others may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shirabe.cli.compose import Parts
from shirabe.cli.output import err, out
from shirabe.cli.read_commands import print_hits
from shirabe.cli.rest import Facade
from shirabe.cli.write_commands import print_report, sync_one
from shirabe.errors import NotFound, ShirabeError
from shirabe.runtime import Runtime
from shirabe.types import Source

SAMPLES = "samples"
REPOSITORY = "shirabe"
QUESTIONS = ("在庫が足りないときの引当はどうなる？", "how is a duplicate order request detected", "func main()")
HITS = 3


def demo_sources(root: Path) -> list[Source]:
    """Return the demo's sources: the samples, and the repository they lie in when it is one."""
    samples = root / SAMPLES
    if not samples.is_dir():
        raise NotFound(f"no {SAMPLES}/ here; run the demo in a checkout of Shirabe")
    sources = [Source(SAMPLES, "markdown", str(samples))]
    if (root / ".git").exists():
        sources.append(Source(REPOSITORY, "git", str(root), options={"exclude": [f"{SAMPLES}/**"]}))
    return sources


async def ask_samples(root: Path, runtime: Runtime, parts: Parts, *, quiet: bool) -> None:
    """Ingest the samples and answer the demo's questions."""
    samples, *_ = demo_sources(root)
    await _ingest(samples, parts, quiet=quiet)
    if quiet:
        return
    async with Facade(runtime) as facade:
        for question in QUESTIONS:
            out.print(f"\n[bold green]? {question}[/]", highlight=False)
            answer: dict[str, Any] = await facade.search({"query": question, "top_k": HITS})
            print_hits(answer)
    out.print()


async def ingest_repository(root: Path, parts: Parts, *, quiet: bool) -> None:
    """Ingest the repository of the samples; what keeps it from that is said, and ends nothing."""
    _, *repositories = demo_sources(root)
    for source in repositories:
        try:
            await _ingest(source, parts, quiet=quiet)
        except ShirabeError as error:
            err.print(f"{source.source_id}: {error}", markup=False, highlight=False)


async def _ingest(source: Source, parts: Parts, *, quiet: bool) -> None:
    known = {status.source.source_id for status in await parts.sources.list()}
    if source.source_id not in known:
        await parts.job.add(source)
    report = await sync_one(parts.job, source.source_id, full=False, quiet=quiet)
    if not quiet:
        print_report(report, err)
