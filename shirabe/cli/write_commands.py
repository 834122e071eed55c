"""`shirabe ingest`, `sync` and `drift`: the direct job, in this process, against what runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_args

import typer
from rich.console import Console
from rich.markup import escape

from shirabe.cli.output import PARTIAL, err, out, print_json, progress_bar, reports_errors
from shirabe.errors import InvalidInput, NotFound, ShirabeError
from shirabe.runtime import require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.types import Drift, Source, SourceKind, SyncReport

if TYPE_CHECKING:
    from ingest.job import SyncJob, Writer
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
        from shirabe.cli.compose import open_parts

        async with open_parts(settings, runtime.opensearch_url, runtime.models_url, runtime.checkpoint) as parts:
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


def finish(reports: list[SyncReport], *, as_json: bool) -> None:
    """Print reports; exit with the code for a partial run when documents failed."""
    if as_json:
        print_json(reports)
    else:
        for report in reports:
            print_report(report, out)
    if any(report.failures for report in reports):
        raise typer.Exit(PARTIAL)


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
    if kind is not None and kind not in get_args(SourceKind):
        raise InvalidInput(f"unknown kind {kind!r}; known: {', '.join(get_args(SourceKind))}", "--kind")

    async def work(parts: Parts) -> SyncReport:
        configured: Source = await parts.job.configure(source, name=name, kind=cast(SourceKind | None, kind))
        source_id = configured.source_id
        if not backfill:
            return await sync_one(parts.job, source_id, full=full, quiet=json_)
        from shirabe.cli.compose import open_backfill

        settings = load_settings()
        with open_backfill(settings, require_runtime(settings.state_dir), await parts.models.info()) as writer:
            return await sync_one(parts.job, source_id, full=full, quiet=json_, writer=writer)

    finish([with_parts(work)], as_json=json_)


@reports_errors
def sync(
    names: Annotated[list[str] | None, typer.Argument(help="Sources; default: all.")] = None,
    full: Full = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted.")] = False,
    every: Annotated[float, typer.Option(min=1.0, help="With --watch: seconds between two rounds.")] = 30.0,
    json_: Json = False,
) -> None:
    """Bring sources up to date."""

    async def work(parts: Parts) -> list[SyncReport]:
        known = [status.source.source_id for status in await parts.job.status()]
        unknown = [name for name in names or [] if name not in known]
        if unknown:
            raise NotFound(f"no source {unknown[0]!r}; known: {', '.join(known) or 'none'}")
        chosen = names or known
        if not watch:
            return [await sync_one(parts.job, name, full=full, quiet=json_) for name in chosen]
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        while not stop.is_set():
            await _round(parts.job, chosen, quiet=json_)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every)
        return []

    finish(with_parts(work), as_json=json_)


async def _round(job: SyncJob, names: list[str], *, quiet: bool) -> None:
    """Sync each source once; one that fails does not stop the others."""
    for name in names:
        try:
            report = await sync_one(job, name, full=False, quiet=quiet)
        except ShirabeError as error:
            err.print(f"[red]{escape(name)}: {escape(str(error))}[/]", highlight=False)
            continue
        if report.documents or report.deleted or report.failures:
            print_report(report, err)


@reports_errors
def drift(name: Annotated[str, typer.Argument(help="A source.")], json_: Json = False) -> None:
    """Compare the index with the source itself: missing, extra and outdated documents."""

    async def work(parts: Parts) -> Drift:
        return await parts.job.drift(name)

    found = with_parts(work)
    if json_:
        print_json(found)
    else:
        out.print(
            f"[bold]{escape(name)}[/] at {escape(found.revision[:12])}: {found.documents} documents", highlight=False
        )
        groups: dict[str, Any] = {"missing": found.missing, "extra": found.extra, "outdated": found.outdated}
        for label, paths in groups.items():
            out.print(f"  {label}: {len(paths)}")
            for path in paths[:SHOWN_FAILURES]:
                out.print(f"    {escape(path)}", highlight=False)
    if found.missing or found.extra or found.outdated:
        raise typer.Exit(PARTIAL)
