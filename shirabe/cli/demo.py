"""`shirabe up --demo`: the samples and this repository, and three questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shirabe.cli.compose import Parts
from shirabe.cli.output import err, out
from shirabe.cli.read_commands import print_hits
from shirabe.cli.rest import Facade
from shirabe.cli.write_commands import print_report, sync_one
from shirabe.errors import NotFound
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


async def run_demo(root: Path, runtime: Runtime, parts: Parts, *, quiet: bool) -> None:
    """Ingest the demo's sources and answer its questions."""
    known = {status.source.source_id for status in await parts.sources.list()}
    for source in demo_sources(root):
        if source.source_id not in known:
            await parts.job.add(source)
        report = await sync_one(parts.job, source.source_id, full=False, quiet=quiet)
        if not quiet:
            print_report(report, err)
    if quiet:
        return
    async with Facade(runtime) as facade:
        for question in QUESTIONS:
            out.print(f"\n[bold green]? {question}[/]", highlight=False)
            answer: dict[str, Any] = await facade.search({"query": question, "top_k": HITS})
            print_hits(answer)
    out.print()
