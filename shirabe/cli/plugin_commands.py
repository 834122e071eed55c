"""`shirabe plugin install`, `status` and `remove`: hybrid search and reranking inside an OpenSearch that others run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.markup import escape

from shirabe.cli.output import PARTIAL, err, exit_code, out, print_json, reports_errors
from shirabe.errors import InvalidInput, ShirabeError
from shirabe.runtime import read_runtime
from shirabe.settings import Settings, load_settings

if TYPE_CHECKING:
    from opensearch.plugin.cluster import Cluster
    from opensearch.plugin.facts import Facts
    from opensearch.plugin.outcome import Outcome
    from opensearch.plugin.plan import Plan
    from opensearch.plugin.relevance import JudgedTexts
    from opensearch.plugin.saved_objects import Dashboards

T = TypeVar("T")
Url = Annotated[
    str | None, typer.Option("--url", help="The OpenSearch; default: that of the settings or of what runs.")
]
ModelsUrl = Annotated[
    str | None, typer.Option("--models-url", help="The model server as OpenSearch reaches it; default: as above.")
]
Username = Annotated[
    str | None, typer.Option(help="Who to be; the password is SHIRABE_OPENSEARCH__PASSWORD or in the settings.")
]
DashboardsUrl = Annotated[str | None, typer.Option("--dashboards-url", help="OpenSearch Dashboards.")]
Repository = Annotated[
    str | None, typer.Option("--snapshot-repository", help="Where daily snapshots go; default: none.")
]
Judged = Annotated[
    Path | None,
    typer.Option("--judged", help='JSONL for Search Relevance: {"id", "query", "lang", "relevant": [path]}.'),
]
JudgedIndex = Annotated[
    str | None, typer.Option("--judged-index", help="What is judged and compared; default: the facade's index.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the exact calls, and send none that writes.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(name="plugin", no_args_is_help=True, help="Put models and pipelines into an OpenSearch.")


@dataclass(slots=True)
class _Told:
    """What happened so far; shown while it does, unless one JSON document is wanted."""

    json: bool
    dry_run: bool
    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if self.json:
            return
        planned = self.dry_run and outcome.done in ("made", "changed", "removed")
        done = f"would be {outcome.done}" if planned else outcome.done
        note = f" [dim]{escape(outcome.note)}[/]" if outcome.note else ""
        out.print(f"{done:<10} {outcome.kind} [bold]{escape(outcome.name)}[/]{note}", highlight=False)
        if self.dry_run:
            for call in outcome.plain()["calls"]:
                out.print(f"  {call['method']} {call['path']}", highlight=False, markup=False)
                if call["body"] is not None:
                    out.print(f"  {json.dumps(call['body'], ensure_ascii=False)}", highlight=False, markup=False)


@app.command("install")
@reports_errors
def install_(
    url: Url = None,
    models_url: ModelsUrl = None,
    username: Username = None,
    dashboards_url: DashboardsUrl = None,
    snapshot_repository: Repository = None,
    judged: Judged = None,
    judged_index: JudgedIndex = None,
    supersede: Annotated[
        bool, typer.Option("--supersede", help="Move to another model although indexes hold vectors of the one before.")
    ] = False,
    dry_run: DryRun = False,
    json_: Json = False,
) -> None:
    """Install or bring up to date; what is as it should be is left alone."""
    from opensearch.plugin.install import install

    told = _Told(json_, dry_run)

    async def work(at: _Place) -> Mapping[str, Any]:
        plan = await at.plan(judged, judged_index, snapshot_repository)
        if plan is None:
            raise InvalidInput("no model server is known", "--models-url")
        async with at.dashboards(dashboards_url) as (dashboards, objects):
            refused = await dashboards.taken(objects) if dashboards else []
            end = await install(at.cluster, at.facts, plan, told, dry_run=dry_run, refused=refused, supersede=supersede)
            if dashboards:
                await dashboards.install(objects, told, dry_run=dry_run)
        skipped = dict(end.skipped) | ({} if dashboards_url else {"Dashboards objects": "no --dashboards-url"})
        return {"skipped": skipped, "advice": end.advice}

    end = _run(url, models_url, username, told, work)
    if json_:
        print_json({"dry_run": dry_run, "outcomes": [one.plain() for one in told.outcomes], **end})
        return
    _print_rest(end)
    if not any(one.done in ("made", "changed") for one in told.outcomes):
        out.print("nothing to change")


@app.command("remove")
@reports_errors
def remove_(
    url: Url = None,
    username: Username = None,
    dashboards_url: DashboardsUrl = None,
    dry_run: DryRun = False,
    json_: Json = False,
) -> None:
    """Take everything back, and restore the cluster's settings; documents and indexes stay."""
    from opensearch.plugin.remove import remove

    told = _Told(json_, dry_run)

    async def work(at: _Place) -> Mapping[str, Any]:
        async with at.dashboards(dashboards_url) as (dashboards, objects):
            if dashboards:
                await dashboards.remove(objects, told, dry_run=dry_run)
        await remove(at.cluster, at.facts, told, dry_run=dry_run)
        return {}

    _run(url, None, username, told, work)
    if json_:
        print_json({"dry_run": dry_run, "outcomes": [one.plain() for one in told.outcomes]})
    elif not told.outcomes:
        out.print("nothing of ours is there")


@app.command("status")
@reports_errors
def status_(
    url: Url = None,
    models_url: ModelsUrl = None,
    username: Username = None,
    snapshot_repository: Repository = None,
    judged: Judged = None,
    judged_index: JudgedIndex = None,
    json_: Json = False,
) -> None:
    """Show what is there, what is missing, and what the cluster cannot have."""
    from opensearch.plugin.status import read_status

    async def work(at: _Place) -> Any:
        return await read_status(at.cluster, at.facts, await at.plan(judged, judged_index, snapshot_repository))

    found = _run(url, models_url, username, _Told(json_, False), work)
    if json_:
        print_json(found.plain())
    else:
        out.print(f"[bold]{escape(found.version)}[/]", highlight=False)
        for row in found.rows:
            note = f" [dim]{escape(row.note)}[/]" if row.note else ""
            out.print(f"{row.state:<10} {row.kind} [bold]{escape(row.name)}[/]{note}", highlight=False)
        for conflict in found.conflicts:
            out.print(f"[red]conflict[/]   {escape(conflict)}", highlight=False)
        _print_rest({"skipped": found.skipped, "advice": found.advice})
    if not found.whole:
        raise typer.Exit(PARTIAL)


@dataclass(frozen=True, slots=True)
class _Place:
    """An open cluster, and where its models are."""

    settings: Settings
    cluster: Cluster
    facts: Facts
    models_url: str | None

    async def plan(self, judged: Path | None, judged_index: str | None, repository: str | None) -> Plan | None:
        """Return what should be here; None when no model server is known."""
        from opensearch.japanese_choice import japanese_of
        from opensearch.plugin.judged import compared_index
        from opensearch.plugin.plan import make_plan
        from opensearch.plugin.served import read_served

        if self.models_url is None:
            return None
        served = await read_served(self.models_url, self.settings.models.api_key)
        alias = self.settings.opensearch.alias
        compared = await compared_index(self.cluster, judged_index or alias)
        if judged_index is not None and compared is None:
            raise InvalidInput(f"there is no index {judged_index}", "--judged-index")
        texts = None if judged is None else await self._judged(judged, compared or alias)
        return make_plan(
            served,
            self.facts.components,
            alias=alias,
            repository=repository,
            judged=texts,
            compared=compared,
            japanese=japanese_of(self.settings.opensearch, self.facts.without_sudachi),
            guarded=self.facts.guards_models,
        )

    async def _judged(self, path: Path, index: str) -> JudgedTexts:
        from evaluation.judged import load_judged
        from opensearch.plugin.judged import judged_texts

        rows = [(row.query, row.relevant) for row in load_judged(path)]
        texts = await judged_texts(self.cluster, index, rows)
        if texts.left_out:
            err.print(f"{len(texts.left_out)} judged queries are left out, first {texts.left_out[0]!r}", markup=False)
        return texts

    @asynccontextmanager
    async def dashboards(self, url: str | None) -> AsyncIterator[tuple[Dashboards | None, bytes]]:
        """Give Dashboards and our objects for it; None when no address is given."""
        if url is None:
            yield None, b""
            return
        from opensearch.dashboards import dashboard_objects
        from opensearch.plugin.saved_objects import Dashboards

        opened = Dashboards(url, self.settings.opensearch)
        try:
            yield opened, dashboard_objects(self.settings.opensearch.alias)
        finally:
            await opened.close()


def _run(
    url: str | None,
    models_url: str | None,
    username: str | None,
    told: _Told,
    work: Callable[[_Place], Awaitable[T]],
) -> T:
    """Open the cluster and work on it; what was done before an error is told all the same."""
    settings = load_settings()
    runtime = read_runtime(settings.state_dir)
    engine = settings.opensearch.model_copy(
        update={
            "url": url or settings.opensearch.url or (runtime.opensearch_url if runtime else None),
            "username": username or settings.opensearch.username,
        }
    )
    if engine.url is None:
        raise InvalidInput("no OpenSearch is known: Shirabe does not run here", "--url")
    settings = settings.model_copy(update={"opensearch": engine})
    models = models_url or settings.models.url or (runtime.models_url if runtime else None)

    async def run() -> T:
        from opensearch.plugin.cluster import open_cluster
        from opensearch.plugin.facts import read_facts

        cluster = open_cluster(engine)
        try:
            return await work(_Place(settings, cluster, await read_facts(cluster), models))
        finally:
            await cluster.close()

    try:
        return asyncio.run(run())
    except ShirabeError as error:
        if told.json:
            outcomes = [one.plain() for one in told.outcomes]
            print_json({"dry_run": told.dry_run, "outcomes": outcomes, "error": str(error)})
            raise typer.Exit(exit_code(error)) from None
        raise


def _print_rest(end: Mapping[str, Any]) -> None:
    for what, why in end["skipped"].items():
        out.print(f"[dim]skipped    {escape(what)}: {escape(why)}[/]", highlight=False)
    for line in end["advice"]:
        err.print(f"[yellow]{escape(line)}[/]", highlight=False)
