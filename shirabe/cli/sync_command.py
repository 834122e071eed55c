"""`shirabe sync`: the sources of `sources.yaml`, and those added by hand, brought up to date once or until stopped."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from shirabe.cli.output import err, out, print_json, reports_errors
from shirabe.cli.write_commands import SHOWN_FAILURES, Full, Json, chosen, finish, print_report, sync_one, with_parts
from shirabe.errors import InvalidInput, ShirabeError
from shirabe.settings import Settings, load_settings
from shirabe.types import Declared, Preview, SyncReport

if TYPE_CHECKING:
    from ingest.job import SyncJob
    from ingest.watch import Outcome
    from shirabe.cli.compose import Parts


@reports_errors
def sync(
    names: Annotated[list[str] | None, typer.Argument(help="Sources; default: all.")] = None,
    sources: Annotated[
        Path | None, typer.Option(help="The file of sources to make true first; default: ./sources.yaml, if it exists.")
    ] = None,
    full: Full = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted.")] = False,
    every: Annotated[float, typer.Option(min=1.0, help="With --watch: seconds between two looks at a source.")] = 30.0,
    json_: Json = False,
) -> None:
    """Bring sources up to date."""
    if watch and (dry_run or full):
        raise InvalidInput("cannot be had together with --dry-run or --full", "--watch")

    async def wanted(job: SyncJob) -> list[str]:
        file = sources_file(load_settings(), sources)
        if file is not None:
            await _declare(job, file, dry_run=dry_run)
        return await chosen(job, names)

    async def foresee(parts: Parts) -> list[Preview]:
        return [await parts.job.preview(name, full=full) for name in await wanted(parts.job)]

    async def keep(parts: Parts) -> None:
        await _watch(parts.job, await wanted(parts.job), every, quiet=json_)

    async def bring(parts: Parts) -> list[SyncReport]:
        return await _sync_all(parts.job, await wanted(parts.job), full=full, quiet=json_)

    if dry_run:
        _print_previews(with_parts(foresee), as_json=json_)
    elif watch:
        with_parts(keep)
    else:
        finish(with_parts(bring), as_json=json_)


def sources_file(settings: Settings, named: Path | None) -> Path | None:
    """Return the file of sources: the one named, the setting's, or the default where there is one."""
    from ingest.sources_file import SOURCES_FILE

    configured = named or settings.ingest.sources
    default = Path(SOURCES_FILE)
    return configured or (default if default.is_file() else None)


async def _declare(job: SyncJob, file: Path, *, dry_run: bool) -> None:
    from ingest.sources_file import read_sources

    declared: Declared = await job.declare(await asyncio.to_thread(read_sources, file), dry_run=dry_run)
    for what in ("added", "changed", "removed"):
        if names := getattr(declared, what):
            err.print(f"{escape(str(file))}: {what} {escape(', '.join(names))}", highlight=False)


async def _sync_all(job: SyncJob, names: list[str], *, full: bool, quiet: bool) -> list[SyncReport]:
    """Sync each source; one that cannot be read does not keep the others from it, and is told of in the end.

    Raises: the first such error, after the others are done.
    """
    reports: list[SyncReport] = []
    errors: list[ShirabeError] = []
    for name in names:
        try:
            reports.append(await sync_one(job, name, full=full, quiet=quiet))
        except ShirabeError as error:
            errors.append(error)
            _print_error(name, error)
    if errors:
        for report in reports:
            print_report(report, err)
        raise errors[0]
    return reports


async def _watch(job: SyncJob, names: list[str], every_s: float, *, quiet: bool) -> None:
    from ingest.watch import Watch

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def tell(outcome: Outcome) -> None:
        if outcome.error is not None:
            _print_error(outcome.source_id, outcome.error)
        elif outcome.report is not None and _did_something(outcome.report):
            print_json(outcome.report) if quiet else print_report(outcome.report, out)

    sources = [source for source in await job.sources() if source.source_id in names]
    err.print(f"watching {len(sources)} sources; Ctrl-C ends it")
    await Watch(job, every_s, tell).run(sources, stop)


def _did_something(report: SyncReport) -> bool:
    return bool(report.documents or report.deleted or report.failures)


def _print_error(name: str, error: ShirabeError) -> None:
    err.print(f"[red]{escape(name)}: {escape(str(error))}[/]", highlight=False)


def _print_previews(previews: list[Preview], *, as_json: bool) -> None:
    if as_json:
        print_json(previews)
        return
    for found in previews:
        out.print(
            f"[bold]{escape(found.source_id)}[/]: {len(found.write)} to write, {len(found.delete)} to delete, "
            f"{len(found.skipped)} left out, {len(found.failures)} failed",
            highlight=False,
        )
        lines = [f"+ {path}" for path in found.write] + [f"- {path}" for path in found.delete]
        lines += [f"! {failure.path}: {failure.reason}" for failure in found.failures]
        for line in lines[:SHOWN_FAILURES]:
            out.print(f"  {escape(line)}", highlight=False)
        if len(lines) > SHOWN_FAILURES:
            out.print(f"  and {len(lines) - SHOWN_FAILURES} more: --json")
