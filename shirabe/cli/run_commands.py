"""`shirabe up`, `down` and `status`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psutil
import typer
from rich.markup import escape
from rich.table import Table

from shirabe.cli.output import err, out, print_json, reports_errors
from shirabe.cli.rest import get_json
from shirabe.errors import Timeout
from shirabe.runtime import Runtime, read_runtime, require_runtime
from shirabe.settings import load_settings

if TYPE_CHECKING:
    from shirabe.cli.compose import Parts

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DOWN_TIMEOUT_S = 60.0


def addresses(runtime: Runtime) -> dict[str, str]:
    """Return what runs where, for people and programs."""
    found = {
        "search page": f"{runtime.api_url}/",
        "API docs": f"{runtime.api_url}/docs",
        "OpenSearch": runtime.opensearch_url,
        "model server": runtime.models_url,
    }
    for served in runtime.more_models:
        found[f"{served.model} server"] = served.url or f"does not run: {served.error}"
    if runtime.dashboard_url:
        found["Ray dashboard"] = runtime.dashboard_url
    if runtime.token_path:
        found["Ray dashboard token"] = str(runtime.token_path)
    return found


@reports_errors
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Ingest the samples and this repository, and ask.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of REST and the search page [default: 8080].")] = None,
    json_: Json = False,
) -> None:
    """Run OpenSearch, the models, the API and the search page, in the foreground; Ctrl-C stops all."""
    from shirabe.cli.demo import ask_samples, demo_sources, ingest_repository
    from shirabe.cli.up import run_up

    settings = load_settings(**({"api": {"port": port}} if port is not None else {}))
    root = Path.cwd()
    if demo:
        demo_sources(root)

    async def when_ready(runtime: Runtime, parts: Parts) -> None:
        if demo:
            await ask_samples(root, runtime, parts, quiet=json_)
        if json_:
            print_json({"ready": True, **runtime.model_dump(mode="json")})
        else:
            for name, address in addresses(runtime).items():
                err.print(f"  {name:<20} {escape(address)}", highlight=False)
            out.print(f"ready {runtime.api_url}", highlight=False)
        sys.stdout.flush()
        if demo:
            await ingest_repository(root, parts, quiet=json_)

    asyncio.run(run_up(settings, when_ready, quiet=json_))


@reports_errors
def down() -> None:
    """Stop what `shirabe up` started."""
    runtime = read_runtime(load_settings().state_dir)
    if runtime is None:
        err.print("Shirabe is not running")
        return
    os.kill(runtime.pid, signal.SIGTERM)
    if not _ended(psutil.Process(runtime.pid), DOWN_TIMEOUT_S):
        raise Timeout(f"pid {runtime.pid} did not stop within {DOWN_TIMEOUT_S:.0f} s")
    err.print("stopped")


def _ended(process: psutil.Process, seconds: float) -> bool:
    """Wait for a process to end. One whose parent has not asked for its status has ended too."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            process.wait(0.2)
        except psutil.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            return True
        return True
    return False


@reports_errors
def status(json_: Json = False) -> None:
    """Show what runs where, and how each source stands."""
    runtime = require_runtime(load_settings().state_dir)
    ready: dict[str, Any] = get_json(runtime, "/healthz")
    sources: list[dict[str, Any]] = get_json(runtime, "/v1/sources")["sources"]
    if json_:
        print_json({"addresses": addresses(runtime), "health": ready, "sources": sources})
        return
    for name, address in addresses(runtime).items():
        out.print(f"{name:<20} {escape(address)}", highlight=False)
    table = Table("source", "kind", "documents", "chunks", "revision", "last sync", "lag", "failures")
    for row in sources:
        lag = f"{row['lag_s']:.0f} s" if row["lag_s"] is not None else "never"
        table.add_row(
            row["name"],
            row["kind"],
            str(row["documents"]),
            str(row["chunks"]),
            row["revision"][:12],
            str(row["last_sync"] or "")[:19],
            "syncing" if row["syncing"] else lag,
            str(len(row["failures"])),
        )
    if sources:
        out.print(table)
    else:
        out.print("no sources yet: `shirabe ingest SOURCE`")
