"""`shirabe ingest`: the direct job, in this process, against what runs; and what every writing command shares."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar, cast, get_args

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from shirabe.cli.output import PARTIAL, out, print_json, progress_bar, reports_errors
from shirabe.errors import InvalidInput, NotFound
from shirabe.runtime import require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.types import Source, SourceKind, SyncReport

if TYPE_CHECKING:
    from ingest.job import SyncJob
    from ingest.writing import Writer
    from shirabe.cli.compose import Parts

T = TypeVar("T")
SHOWN_FAILURES = 20
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Full = Annotated[
    bool,
    typer.Option("--full", help="Read everything again, not only what changed. One that was cut short is continued."),
]


def with_parts(work: Callable[[Parts], Awaitable[T]]) -> T:
    """Run work with the parts of the running Shirabe. Raises: Unavailable when it does not run."""
    settings: Settings = load_settings()
    runtime = require_runtime(settings.state_dir)

    async def run() -> T:
        from shirabe.cli.code_index import code_models_url
        from shirabe.cli.compose import open_parts

        code_url = code_models_url(settings, runtime.models_url, runtime.more_models)
        places = (runtime.opensearch_url, runtime.models_url, runtime.checkpoint)
        async with open_parts(settings, *places, code_models_url=code_url) as parts:
            return await work(parts)

    return asyncio.run(run())


async def sync_one(
    job: SyncJob, source_id: str, *, full: bool, quiet: bool, writer: Writer | None = None
) -> SyncReport:
    """Bring one source up to date under a progress bar."""
    with progress_bar(quiet) as bar:
        task = bar.add_task(source_id, total=None)
        return await job.sync(
            source_id,
            full=full,
            progress=lambda done: bar.update(task, completed=done.documents, total=done.total),
            writer=writer,
        )


async def chosen(job: SyncJob, names: list[str] | None) -> list[str]:
    """Return the sources named, or all. Raises: NotFound."""
    known = [source.source_id for source in await job.sources()]
    unknown = [name for name in names or [] if name not in known]
    if unknown:
        raise NotFound(f"no source {unknown[0]!r}; known: {', '.join(known) or 'none'}")
    return names or known


def source_kind(kind: str | None) -> SourceKind | None:
    """Return the kind of source that an option names. Raises: InvalidInput."""
    if kind is not None and kind not in get_args(SourceKind):
        raise InvalidInput(f"unknown kind {kind!r}; known: {', '.join(get_args(SourceKind))}", "--kind")
    return cast(SourceKind | None, kind)


def print_report(report: SyncReport, console: Console) -> None:
    """Print what a sync did, for people."""
    rate = f", {report.embedded / report.duration_s:.1f} embedded/s" if report.embedded else ""
    console.print(
        f"[bold]{escape(report.source_id)}[/]: {report.documents} documents, {report.chunks} chunks "
        f"({report.embedded} embedded, {report.cached} from cache), {report.deleted} documents deleted, "
        f"{report.skipped} left out, {len(report.failures)} failed, {report.duration_s:.1f} s{rate}",
        highlight=False,
    )
    for failure in report.failures[:SHOWN_FAILURES]:
        console.print(f"  [red]failed[/] {escape(failure.path)}: {escape(failure.reason)}", highlight=False)
    if len(report.failures) > SHOWN_FAILURES:
        console.print(f"  and {len(report.failures) - SHOWN_FAILURES} more: `shirabe status --json`")
    for warning in report.warnings[:SHOWN_FAILURES]:
        console.print(f"  [yellow]warning[/] {escape(warning.path)}: {escape(warning.reason)}", highlight=False)


def finish(reports: list[SyncReport], *, as_json: bool) -> None:
    """Print reports, several with a table of all; exit with the code for a partial run when documents failed."""
    if as_json:
        print_json(reports)
    else:
        for report in reports:
            print_report(report, out)
        if len(reports) > 1:
            out.print(_summary(reports))
    if any(report.failures for report in reports):
        raise typer.Exit(PARTIAL)


def _summary(reports: list[SyncReport]) -> Table:
    """Return one row a source and the sum."""
    columns = ("documents", "chunks", "embedded", "cached", "deleted", "skipped", "failed", "seconds")
    table = Table("source", *(Column(name, justify="right") for name in columns))

    def add(name: str, rows: list[SyncReport], style: str | None = None) -> None:
        counts = [sum(getattr(row, column) for row in rows) for column in columns[:-2]]
        failed, seconds = sum(len(row.failures) for row in rows), sum(row.duration_s for row in rows)
        table.add_row(name, *map(str, counts), str(failed), f"{seconds:.1f}", style=style)

    for report in reports:
        add(escape(report.source_id), [report])
    table.add_section()
    add("all", reports, "bold")
    return table


@reports_errors
def ingest(
    source: Annotated[str, typer.Argument(help="A folder, file, Git repository, bundle or URL.")],
    name: Annotated[str | None, typer.Option(help="Name of the source; default: from its location.")] = None,
    kind: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(get_args(SourceKind))}; default: a guess.")
    ] = None,
    full: Full = False,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="Do the work on the Ray cluster: for tens of thousands of documents.")
    ] = False,
    json_: Json = False,
) -> None:
    """Configure a source, once, and bring it up to date.

    Ended by whatever means, the same command goes on where it was, with or without --backfill.
    """
    wanted = source_kind(kind)

    async def work(parts: Parts) -> SyncReport:
        configured: Source = await parts.job.configure(source, name=name, kind=wanted)
        source_id = configured.source_id
        if not backfill:
            return await sync_one(parts.job, source_id, full=full, quiet=json_)
        from shirabe.cli.compose import open_backfill

        settings = load_settings()
        async with open_backfill(settings, require_runtime(settings.state_dir), parts) as writer:
            return await sync_one(parts.job, source_id, full=full, quiet=json_, writer=writer)

    finish([with_parts(work)], as_json=json_)
