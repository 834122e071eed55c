"""`shirabe search` and `shirabe eval`: reading, over REST."""

from __future__ import annotations

import asyncio
import re
import statistics
from html import unescape
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from shirabe.cli.output import err, out, print_json, progress_bar, reports_errors
from shirabe.cli.rest import Facade
from shirabe.errors import InvalidInput
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import load_settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_MARK = re.compile("</?em>")
Filters = Annotated[list[str] | None, typer.Option("--filter", help="field=value; may be repeated.")]


_QUERY_HELP = (
    "What to look up. Among the words, sym:NAME, file:PATH and lang:NAME narrow to code (-file:test leaves out); "
    'in mode code, so do "exact text" and /regex/. Without other words: exact matches, definitions first.'
)


def parse_filters(pairs: list[str] | None) -> dict[str, list[str]]:
    """Return `field=value` pairs as a map. Raises: InvalidInput."""
    filters: dict[str, list[str]] = {}
    for pair in pairs or []:
        field, equals, value = pair.partition("=")
        if not equals or not field or not value:
            raise InvalidInput(f"expected field=value, got {pair!r}", "--filter")
        filters.setdefault(field, []).append(value)
    return filters


def excerpt(hit: dict[str, Any], length: int = 160) -> str:
    """Return the start of a hit's text on one line."""
    text = " ".join(str(hit["text"]).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def print_hits(answer: dict[str, Any]) -> None:
    """Print an answer for people."""
    for rank, hit in enumerate(answer["hits"], start=1):
        out.print(f"[bold]{rank:>2}. {escape(hit['title'])}[/]  [cyan]{escape(hit['locator'])}[/]", highlight=False)
        out.print(
            f"    [dim]{escape(hit['source'])} · {hit['kind']} · {hit['lang']} · {escape(hit['revision'][:12])}[/]",
            highlight=False,
        )
        shown = hit.get("lines") and hit["highlights"]
        for line in [unescape(_MARK.sub("", each)).strip() for each in shown or ()] or [excerpt(hit)]:
            out.print(f"    {escape(line)}", highlight=False)
        for leg, row in (hit.get("legs") or {}).items():
            out.print(f"    [dim]{leg}: rank {row['rank']}, score {row['score']:.4f}[/]", highlight=False)
    stages = " · ".join(f"{name} {value:.0f}" for name, value in answer["stages_ms"].items())
    out.print(f"[dim]{len(answer['hits'])} hits in {answer['took_ms']:.0f} ms ({stages})[/]", highlight=False)
    if answer["degraded"]:
        err.print(f"[yellow]degraded: {', '.join(answer['degraded'])}[/]")


@reports_errors
def search(
    query: Annotated[str, typer.Argument(help=_QUERY_HELP)],
    top_k: Annotated[int, typer.Option("-k", "--top-k", help="Number of hits.")] = 10,
    mode: Annotated[str, typer.Option(help="hybrid, dense, sparse, lexical or code.")] = "hybrid",
    rerank: Annotated[str, typer.Option(help="auto, none, late or cross.")] = "auto",
    filters: Filters = None,
    explain: Annotated[bool, typer.Option(help="Show each leg's rank and score.")] = False,
    json_: Json = False,
) -> None:
    """Search, and show where each hit is."""
    runtime = require_runtime(load_settings().state_dir)
    body = {
        "query": query,
        "top_k": top_k,
        "mode": mode,
        "rerank": rerank,
        "filters": parse_filters(filters),
        "explain": explain,
    }

    async def ask() -> dict[str, Any]:
        async with Facade(runtime) as facade:
            answer: dict[str, Any] = await facade.search(body)
            return answer

    answer = asyncio.run(ask())
    if json_:
        print_json(answer)
    else:
        print_hits(answer)


@reports_errors
def evaluate(
    queries: Annotated[Path, typer.Argument(help='JSONL: {"id", "query", "lang", "relevant": [path, ...]}.')],
    arm: Annotated[list[str] | None, typer.Option(help="An arm to run; may be repeated. Default: all.")] = None,
    filters: Filters = None,
    json_: Json = False,
) -> None:
    """Score the running system on judged queries, with 95 % confidence intervals."""
    from evaluation.arms import arms_named
    from evaluation.judged import load_judged

    runtime = require_runtime(load_settings().state_dir)
    reports = asyncio.run(
        _evaluate(runtime, load_judged(queries), arms_named(tuple(arm or ())), parse_filters(filters), json_)
    )
    if json_:
        print_json({report.arm.name: {"overall": report.overall, "by_lang": report.by_lang} for report in reports})
        return
    names = list(reports[0].overall)
    table = Table("arm", "queries", *names, "p50 ms")
    for report in reports:
        groups = {"all": report.overall, **(report.by_lang if len(report.by_lang) > 1 else {})}
        for label, estimates in groups.items():
            cells = [f"{e.mean:.3f} [{e.low:.3f}, {e.high:.3f}]" for e in estimates.values()]
            took = f"{statistics.median(report.took_ms):.0f}" if label == "all" else ""
            table.add_row(report.arm.name if label == "all" else "", label, *cells, took)
    out.print(table)


async def _evaluate(
    runtime: Runtime, judged: list[Any], arms: list[Any], filters: dict[str, list[str]], quiet: bool
) -> list[Any]:
    from evaluation.run import run_arm

    async with Facade(runtime) as facade:
        with progress_bar(quiet) as progress:
            task = progress.add_task("asking", total=len(judged) * len(arms))
            return [await run_arm(arm, judged, facade.search, filters, lambda: progress.advance(task)) for arm in arms]
