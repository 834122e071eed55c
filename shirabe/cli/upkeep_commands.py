"""`shirabe drift`, `failures` and `chunks`: how true the index is, what is not in it and why, what a file becomes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from shirabe.cli.output import PARTIAL, err, out, print_json, reports_errors
from shirabe.cli.write_commands import SHOWN_FAILURES, Json, chosen, source_kind, with_parts
from shirabe.errors import InvalidInput
from shirabe.runtime import read_runtime
from shirabe.settings import load_settings
from shirabe.types import Chunk, Drift, Failure, Source, Upsert

if TYPE_CHECKING:
    from shirabe.cli.compose import Parts


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


@reports_errors
def failures(
    names: Annotated[list[str] | None, typer.Argument(help="Sources; default: all.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Have them tried again by the next sync.")] = False,
    json_: Json = False,
) -> None:
    """List the documents that are not as their source has them, each with its reason."""

    async def work(parts: Parts) -> dict[str, tuple[Failure, ...]]:
        wanted = await chosen(parts.job, names)
        found = {status.source.source_id: status.failures for status in await parts.job.status()}
        if retry:
            for name in wanted:
                await parts.job.retry(name)
        return {name: found[name] for name in wanted}

    found = with_parts(work)
    if json_:
        print_json(found)
        return
    for name, failed in found.items():
        out.print(f"[bold]{escape(name)}[/]: {len(failed)} failed", highlight=False)
        for failure in failed:
            out.print(f"  [red]{escape(failure.path)}[/]: {escape(failure.reason)}", highlight=False)
    if retry:
        out.print("they are tried again by the next `shirabe sync`")


@reports_errors
def chunks(
    file: Annotated[Path, typer.Argument(help="A file, or a folder of files.")],
    kind: Annotated[str | None, typer.Option(help="How to read it; default: a guess.")] = None,
    json_: Json = False,
) -> None:
    """Print what a file becomes: its chunks with their context, place and size in model tokens."""
    settings = load_settings()

    async def work() -> tuple[dict[str, list[dict[str, Any]]], list[Failure]]:
        from ingest.chunkers import StructureChunker
        from ingest.collectors import open_collector
        from ingest.locations import configured_source
        from shirabe.cli.models_process import ensure_checkpoint
        from shirabe.tokens import CheckpointTokens

        runtime = read_runtime(settings.state_dir)
        checkpoint = runtime.checkpoint if runtime else await ensure_checkpoint(settings)
        tokens = CheckpointTokens(checkpoint)
        chunker = StructureChunker(tokens, settings.ingest.chunk_tokens)
        source: Source = configured_source(str(file), None, source_kind(kind), ())
        collector = open_collector(source, settings)
        found: dict[str, list[dict[str, Any]]] = {}
        failed: list[Failure] = []
        async for change in collector.changes(None, await collector.head()):
            if not isinstance(change, Upsert):
                failed.append(Failure(change.path, getattr(change, "reason", "gone")))
                continue
            try:
                [cut] = await chunker.chunk([change.document])
            except InvalidInput as error:
                failed.append(Failure(change.document.path, str(error)))
                continue
            found[change.document.path] = [
                {**_shown(chunk), "tokens": tokens.count(chunk.embedded_text)} for chunk in cut
            ]
        return found, failed

    found, failed = asyncio.run(work())
    if json_:
        print_json({"documents": found, "failures": failed})
    else:
        for path, rows in found.items():
            out.print(f"[bold]{escape(path)}[/]: {len(rows)} chunks", highlight=False)
            for row in rows:
                _print_chunk(row)
        for failure in failed:
            err.print(f"[red]{escape(failure.path)}[/]: {escape(failure.reason)}", highlight=False)
    if failed:
        raise typer.Exit(PARTIAL)


def _shown(chunk: Chunk) -> dict[str, Any]:
    names = ("ordinal", "kind", "lang", "locator", "headings", "context", "text", "meta")
    return {name: getattr(chunk, name) for name in names}


def _print_chunk(row: dict[str, Any]) -> None:
    out.print(
        f"\n[cyan]{escape(row['locator'])}[/] [dim]{row['kind']} · {row['lang']} · {row['tokens']} tokens[/]",
        highlight=False,
    )
    if row["context"]:
        out.print(f"[dim]{escape(row['context'])}[/]", highlight=False)
    out.print(escape(row["text"]), highlight=False)
