"""`shirabe index`: generations of the index, built beside the one that answers, verified, switched and collected."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from shirabe.cli.index_output import build_fields, print_build, print_row, print_switched, print_verify
from shirabe.cli.output import PARTIAL, out, print_json, progress_bar, reports_errors
from shirabe.cli.write_commands import Json, with_parts
from shirabe.errors import InvalidInput
from shirabe.settings import load_settings

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ingest.writing import Progress
    from shirabe.cli.compose import Parts
    from shirabe.cli.generation_build import BuildReport
    from shirabe.cli.generation_check import VerifyReport
    from shirabe.cli.generation_switch import Row, Switched

app = typer.Typer(no_args_is_help=True, help="Index generations: another model, analyzer or chunker without downtime.")

Name = Annotated[str | None, typer.Argument(help="A generation; default: the only candidate.")]
Code = Annotated[bool, typer.Option("--code", help="Of the code index (`models.code.model`), instead of the first.")]
Force = Annotated[bool, typer.Option("--force", help="Whatever speaks against it; that it was forced is recorded.")]


@app.command("ls")
@reports_errors
def list_generations(code: Code = False, json_: Json = False) -> None:
    """List the generations: which answers, what built them, how large they are, what became of them."""

    async def work(parts: Parts) -> list[Row]:
        from shirabe.cli.generation_switch import rows

        return await rows(parts, code=code)

    found = with_parts(work)
    if json_:
        print_json(found)
        return
    for row in found:
        print_row(row)


@app.command("build")
@reports_errors
def build_generation(
    model: Annotated[
        str | None, typer.Option(help="Its model, as in `models.model`; default: that of the one that answers.")
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(min=1, help="Width of its vectors, where the model offers a choice.")
    ] = None,
    models_url: Annotated[str | None, typer.Option(help="A model server that has the model, instead of ours.")] = None,
    from_sources: Annotated[
        bool, typer.Option("--from-sources", help="Read the sources anew: needed when documents are cut otherwise.")
    ] = False,
    code: Code = False,
    json_: Json = False,
) -> None:
    """Build the next generation beside the one that answers. Ended by whatever means, the same command goes on.

    With --code where no code lies apart yet, and with --from-sources where it does, it is one of either index: both are
    verified, promoted and rolled back together.
    """
    if models_url is not None and (model is not None or dimensions is not None):
        raise InvalidInput("names a server, and the server names the model: give it alone", "--models-url")

    async def work(parts: Parts) -> BuildReport:
        from shirabe.cli.generation_build import build
        from shirabe.cli.generation_models import ModelChoice

        with progress_bar(json_) as bar:
            tasks: dict[str, TaskID] = {}

            def tell(source: str, done: Progress) -> None:
                if source not in tasks:
                    tasks[source] = bar.add_task(source, total=None)
                bar.update(tasks[source], completed=done.documents, total=max(done.total, done.documents))

            choice = ModelChoice(model, dimensions, models_url)
            return await build(parts, load_settings(), choice, tell, from_sources=from_sources, code=code)

    report = with_parts(work)
    if json_:
        print_json({**build_fields(report), "failures": report.failures})
    else:
        print_build(report, code=code)
    if report.failures:
        raise typer.Exit(PARTIAL)


@app.command("verify")
@reports_errors
def verify_generation(
    name: Name = None,
    queries: Annotated[
        Path | None, typer.Option(help='Judged queries, JSONL: {"id", "query", "lang", "relevant": [path, ...]}.')
    ] = None,
    logged: Annotated[
        int, typer.Option(min=0, help="Logged queries to ask, the latest ones, where there is a log.")
    ] = 200,
    max_loss: Annotated[float, typer.Option(help="Loss of nDCG@10, MRR@10 and recall@10 that passes.")] = 0.02,
    max_group_loss: Annotated[float, typer.Option(help="Loss of nDCG@10 that passes in one language or kind.")] = 0.05,
    min_overlap: Annotated[float, typer.Option(help="Least mean overlap@10 of the logged queries.")] = 0.3,
    max_slower: Annotated[float, typer.Option(help="Greatest p95, as a multiple of the answering one's.")] = 1.5,
    max_missing: Annotated[int, typer.Option(help="Ids that may be missing, extra or altered.")] = 0,
    code: Code = False,
    json_: Json = False,
) -> None:
    """Hold a candidate against the generation that answers: what it holds and finds, how fast. Exit 1: not passed."""
    from evaluation.gate import Thresholds
    from evaluation.judged import load_judged

    judged = load_judged(queries) if queries is not None else []
    bounds = Thresholds(max_loss, max_group_loss, min_overlap, max_slower, max_missing)

    async def work(parts: Parts) -> VerifyReport:
        from shirabe.cli.generation_check import verify

        with progress_bar(json_) as bar:
            task = bar.add_task("asking both", total=None)
            return await verify(
                parts,
                load_settings(),
                name,
                judged,
                logged,
                bounds,
                lambda done, total: bar.update(task, completed=done, total=total),
                code=code,
            )

    report = with_parts(work)
    if json_:
        print_json(report)
    else:
        print_verify(report)
    if not report.passed:
        raise typer.Exit(PARTIAL)


@app.command("promote")
@reports_errors
def promote_generation(
    name: Name = None,
    force: Force = False,
    max_age: Annotated[float, typer.Option(min=0, help="Hours that a verification counts.")] = 24.0,
    code: Code = False,
    json_: Json = False,
) -> None:
    """Have the candidate answer from now on. Only past the gate, or with --force."""

    async def work(parts: Parts) -> Switched:
        from shirabe.cli.generation_switch import promote

        return await promote(parts, name, force=force, max_age=timedelta(hours=max_age), code=code)

    print_switched(with_parts(work), as_json=json_)


@app.command("rollback")
@reports_errors
def rollback_generation(
    force: Force = False,
    code: Code = False,
    into_main: Annotated[
        bool,
        typer.Option("--into-main", help="With --code: take all code back into the first index."),
    ] = False,
    json_: Json = False,
) -> None:
    """Have the generation answer again that did before; it was kept true until now."""
    if into_main and not code:
        raise InvalidInput("is about the code index: give --code too", "--into-main")

    async def work(parts: Parts) -> Switched:
        from shirabe.cli.code_moves import move_back
        from shirabe.cli.generation_switch import Switched, rollback

        if not into_main:
            return await rollback(parts, force=force, code=code)
        with progress_bar(json_) as bar:
            task = bar.add_task("code", total=None)
            moved, lead = await move_back(
                parts, lambda _, done: bar.update(task, completed=done.documents, total=done.total)
            )
        return Switched(moved, lead, False, 0)

    print_switched(with_parts(work), as_json=json_)


@app.command("gc")
@reports_errors
def collect_generations(
    names: Annotated[
        list[str] | None, typer.Argument(help="Generations to delete now; default: those past the grace time.")
    ] = None,
    grace: Annotated[
        float, typer.Option(min=0, help="Hours that a generation is kept after it was last used.")
    ] = 168.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which, and delete nothing.")] = False,
    code: Code = False,
    json_: Json = False,
) -> None:
    """Delete generations that do not answer, and what the ledger knows of them."""

    async def work(parts: Parts) -> list[str]:
        from shirabe.cli.generation_switch import collect

        return await collect(parts, load_settings(), names or [], timedelta(hours=grace), dry_run=dry_run, code=code)

    found = with_parts(work)
    if json_:
        print_json({"collected": found, "dry_run": dry_run})
        return
    for each in found:
        out.print(f"{'would delete' if dry_run else 'deleted'} {escape(each)}", highlight=False)
    if not found:
        out.print("nothing to collect")
