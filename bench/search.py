"""`python -m bench.search`: our search against the engine's own hybrid query with RRF, on the same index.

The peer embeds the query with the same model server, then sends one `hybrid` query of the same three clauses, fused by
the engine's `score-ranker-processor`, and gets back the same fields and highlights. It does not rerank, nor look
for language versions, so ours is timed with its reranking and without. All take turns query by query, so whatever else
the machine does falls on each. Times are the client's; the ratio of the medians is what counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from opensearchpy import AsyncOpenSearch
from rich.console import Console
from rich.table import Table

from evaluation.judged import load_judged
from opensearch.client import asking, build_client
from opensearch.lexical import highlight
from opensearch.mapping import SHOWN_FIELDS
from opensearch.queries import leg_bodies
from ray_app.client import ModelClient
from shirabe.cli.rest import Facade
from shirabe.errors import ShirabeError, Unavailable
from shirabe.fusion import RANK_CONSTANT
from shirabe.legs import LEGS
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import SearchSettings, Settings, load_settings
from shirabe.types import Query

TOP_K: Final = 10
OURS: Final = "ours"
BARE: Final = "ours, without reranking"
PEER: Final = "engine's hybrid + RRF"

Answer = Mapping[str, Any]
Ask = Callable[[str], Awaitable[Answer]]
T = TypeVar("T")


@dataclass(slots=True)
class Times:
    """What one arm took: milliseconds of each search as the client sees them, and of each stage as the server does."""

    searches: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    def add(self, took_ms: float, answer: Answer) -> None:
        """Count one search."""
        self.searches.append(took_ms)
        for stage, stage_ms in answer.get("stages_ms", {}).items():
            self.stages.setdefault(stage, []).append(stage_ms)

    def extend(self, others: Times) -> None:
        """Count the searches of another round."""
        self.searches += others.searches
        for stage, values in others.stages.items():
            self.stages.setdefault(stage, []).extend(values)

    def quantile(self, percent: float) -> float:
        """Return a percentile of the searches, milliseconds."""
        return float(np.percentile(self.searches, percent))


class Ours:
    """`POST /v1/search`."""

    def __init__(self, facade: Facade, rerank: str) -> None:
        self._facade = facade
        self._rerank = rerank

    async def __call__(self, text: str) -> Answer:
        """Search. Raises: Unavailable for a degraded answer, whose time would not be the whole one's."""
        answer: Answer = await self._facade.search({"query": text, "top_k": TOP_K, "rerank": self._rerank})
        if answer["degraded"]:
            raise Unavailable(f"the answer to {text!r} is degraded: {', '.join(answer['degraded'])}")
        return answer


class Peer:
    """The engine's `hybrid` query through a search pipeline."""

    def __init__(
        self, client: AsyncOpenSearch, models: ModelClient, alias: str, pipeline: str, settings: SearchSettings
    ) -> None:
        self._client = client
        self._models = models
        self._alias = alias
        self._pipeline = pipeline
        self._depth = settings.leg_depth

    async def __call__(self, text: str) -> Answer:
        """Embed and search. Raises: Unavailable, Timeout."""
        [embedding] = await self._models.embed([text], "query", ("dense", "sparse"))
        legs = leg_bodies(Query(text), LEGS, embedding, self._depth)
        body = {
            "query": {"hybrid": {"queries": [legs[leg]["query"] for leg in LEGS], "pagination_depth": self._depth}},
            "size": TOP_K,
            "_source": list(SHOWN_FIELDS),
            "highlight": highlight(text),
        }
        with asking():
            answer: Answer = await self._client.search(
                index=self._alias, body=body, params={"search_pipeline": self._pipeline}
            )
        if not answer["hits"]["hits"]:
            raise Unavailable(f"the engine's hybrid query found nothing for {text!r}")
        return answer


@asynccontextmanager
async def rrf_pipeline(client: AsyncOpenSearch, weights: Mapping[str, float]) -> AsyncIterator[str]:
    """Give the name of a search pipeline that fuses the legs as we do, and delete it in the end."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    total = sum(weights.get(leg, 0.0) for leg in LEGS)
    combination = {
        "technique": "rrf",
        "rank_constant": RANK_CONSTANT,
        "parameters": {"weights": [round(weights.get(leg, 0.0) / total, 6) for leg in LEGS]},
    }
    processor = {"score-ranker-processor": {"combination": combination}}
    place = f"/_search/pipeline/{name}"
    with asking():
        await client.transport.perform_request("PUT", place, body={"phase_results_processors": [processor]})
    try:
        yield name
    finally:
        with asking():
            await client.transport.perform_request("DELETE", place)


async def take_turns(
    arms: Mapping[str, Callable[[T], Awaitable[Answer]]], questions: Sequence[T], rounds: int
) -> dict[str, Times]:
    """Ask every question of every arm, `rounds` times after one round that only warms up."""
    await ask_all(arms, questions, 0)
    times = {name: Times() for name in arms}
    for number in range(1, rounds + 1):
        for name, searches in (await ask_all(arms, questions, number)).items():
            times[name].extend(searches)
    return times


async def ask_all(
    arms: Mapping[str, Callable[[T], Awaitable[Answer]]], questions: Sequence[T], number: int
) -> dict[str, Times]:
    """Ask every question of every arm once. number: of the round, for each begins with another arm."""
    times = {name: Times() for name in arms}
    names = list(arms)
    for place, question in enumerate(questions):
        # Who asks first changes, for the first to ask finds colder caches.
        turn = (number + place) % len(names)
        for name in names[turn:] + names[:turn]:
            begun = time.perf_counter()
            answer = await arms[name](question)
            times[name].add((time.perf_counter() - begun) * 1_000.0, answer)
    return times


async def run(settings: Settings, runtime: Runtime, texts: Sequence[str], rounds: int) -> dict[str, Times]:
    """Measure against what runs. Raises: ShirabeError."""
    engine = settings.opensearch.model_copy(update={"url": runtime.opensearch_url})
    client = build_client(engine)
    models = ModelClient(runtime.models_url, settings.models.timeout_s, api_key=settings.models.api_key)
    try:
        async with Facade(runtime) as facade, rrf_pipeline(client, settings.search.weights) as pipeline:
            arms: dict[str, Ask] = {
                OURS: Ours(facade, "auto"),
                BARE: Ours(facade, "none"),
                PEER: Peer(client, models, engine.alias, pipeline, settings.search),
            }
            return await take_turns(arms, texts, rounds)
    finally:
        await models.close()
        await client.close()


def show(times: Mapping[str, Times], queries: int, rounds: int) -> None:
    """Print the comparison and our stages."""
    peer_ms = times[PEER].quantile(50)
    table = Table(title=f"{queries} queries, {rounds} rounds, top {TOP_K}")
    for heading in ("what", "p50", "p95", "median to the engine's"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, arm in times.items():
        median = arm.quantile(50)
        table.add_row(name, f"{median:.1f} ms", f"{arm.quantile(95):.1f} ms", f"{median / peer_ms:.2f}")
    stages = Table(title="Our stages, medians")
    stages.add_column("stage")
    for name in (OURS, BARE):
        stages.add_column(name, justify="right")
    for stage in times[OURS].stages:
        cells = [_median(times[name].stages.get(stage)) for name in (OURS, BARE)]
        stages.add_row(stage, *cells)
    console = Console()
    console.print(table)
    console.print(stages)


def figures(times: Mapping[str, Times]) -> dict[str, Any]:
    """Return the figures as plain JSON values."""
    peer_ms = times[PEER].quantile(50)
    return {
        name: {
            "p50_ms": arm.quantile(50),
            "p95_ms": arm.quantile(95),
            "ratio": arm.quantile(50) / peer_ms,
            "stages_ms": {stage: statistics.median(values) for stage, values in arm.stages.items()},
        }
        for name, arm in times.items()
    }


def _median(values: Sequence[float] | None) -> str:
    return f"{statistics.median(values):.1f} ms" if values else ""


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=Path, default=Path("evaluation/queries/samples.jsonl"))
    parser.add_argument("--rounds", type=int, default=5, help="rounds over the queries, after one to warm up")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds: at least 1")
    settings = load_settings()
    try:
        runtime = require_runtime(settings.state_dir)
        texts = [query.query for query in load_judged(arguments.queries)]
        times = asyncio.run(run(settings, runtime, texts, arguments.rounds))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    show(times, len(texts), arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures(times), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
