"""`python -m bench.under_ingest SOURCE`: what a search takes while another source is embedded and indexed, of idle.

Against what `shirabe up` runs. The source goes into an index of its own in the same engine, again and again, nothing of
it from a cache, and by another process: models, processors and engine are shared, the index that is searched stays as
it is. Idle and busy take turns round by round, and within a round our search with reranking and without takes turns
query by query.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.busy import ingesting
from bench.search import BARE, OURS, TOP_K, Ask, Ours, Times, ask_all
from evaluation.judged import load_judged
from shirabe.cli.rest import Facade
from shirabe.errors import ShirabeError
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import load_settings

IDLE: Final = "idle"
BUSY: Final = "busy"
TARGET: Final = 1.5

Load = Callable[[], AbstractAsyncContextManager[None]]
Measured = Mapping[str, Mapping[str, Times]]
"""By state, then by arm."""


async def measure(arms: Mapping[str, Ask], texts: Sequence[str], rounds: int, load: Load) -> Measured:
    """Ask every query of every arm in both states, `rounds` times after one idle round that only warms up."""
    measured = {state: {name: Times() for name in arms} for state in (IDLE, BUSY)}
    states: dict[str, Load] = {IDLE: nullcontext, BUSY: load}
    await ask_all(arms, texts, 0)
    for number in range(rounds):
        for state in (IDLE, BUSY) if number % 2 == 0 else (BUSY, IDLE):
            async with states[state]():
                for name, searches in (await ask_all(arms, texts, number)).items():
                    measured[state][name].extend(searches)
    return measured


async def run(runtime: Runtime, location: Path, texts: Sequence[str], rounds: int) -> Measured:
    """Measure against what runs. Raises: ShirabeError."""
    async with Facade(runtime) as facade:
        arms: dict[str, Ask] = {OURS: Ours(facade, "auto"), BARE: Ours(facade, "none")}
        return await measure(arms, texts, rounds, partial(ingesting, location))


def figures(measured: Measured) -> dict[str, Any]:
    """Return milliseconds by arm and state, and busy of idle."""
    result: dict[str, Any] = {}
    for name in measured[IDLE]:
        states = {
            state: {f"p{percent}_ms": arms[name].quantile(percent) for percent in (50, 95)}
            for state, arms in measured.items()
        }
        ratios = {key: states[BUSY][key] / states[IDLE][key] for key in states[IDLE]}
        result[name] = {**states, "ratio": {key.removesuffix("_ms"): value for key, value in ratios.items()}}
    return result


def show(measured: Measured, queries: int, rounds: int) -> None:
    """Print both states, and where the time goes."""
    table = Table(title=f"{queries} queries, {rounds} rounds in each state, top {TOP_K}; p95 of idle: at most {TARGET}")
    for heading in ("what", "idle p50", "p95", "busy p50", "p95", "p50 of idle", "p95 of idle"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, row in figures(measured).items():
        times = [f"{row[state][key]:.1f} ms" for state in (IDLE, BUSY) for key in ("p50_ms", "p95_ms")]
        table.add_row(name, *times, f"{row['ratio']['p50']:.2f}", f"{row['ratio']['p95']:.2f}")
    stages = Table(title=f"The stages of {OURS}, medians")
    for heading in ("stage", IDLE, BUSY):
        stages.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in measured[IDLE][OURS].stages:
        medians = (statistics.median(measured[state][OURS].stages[stage]) for state in (IDLE, BUSY))
        stages.add_row(stage, *(f"{median:.1f} ms" for median in medians))
    console = Console()
    console.print(table)
    console.print(stages)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.under_ingest", description=__doc__.splitlines()[0])
    parser.add_argument(
        "source", type=Path, help="what is embedded and indexed meanwhile: a folder, file, or git bundle"
    )
    parser.add_argument("--queries", type=Path, default=Path("evaluation/queries/samples.jsonl"))
    parser.add_argument("--rounds", type=int, default=5, help="rounds over the queries, in each state")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    try:
        runtime = require_runtime(load_settings().state_dir)
        texts = [query.query for query in load_judged(arguments.queries)]
        measured = asyncio.run(run(runtime, arguments.source, texts, arguments.rounds))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    show(measured, len(texts), arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures(measured), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
