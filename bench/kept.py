"""`python -m bench.kept QUERIES`: what judged answers lose by what the index does not keep.

Of a passage the index keeps its heaviest sparse weights and one bit a dimension of its token vectors. Here the passages
of a running Shirabe are embedded once more, and the judged queries are ranked in this process with fewer sparse weights
and with all of them, and with token vectors in float16, in bits, and without. What the engine holds (the lexical and
dense legs, the candidates' exact scores) is asked of it once for each query and shared by all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from api.arrangement import Ranked, by_page, diverse
from api.rerank import MAX_QUERY_TOKENS, LateWeights, combine, late_scores
from evaluation.judged import JudgedQuery, load_judged
from evaluation.metrics import MEASURES, per_query
from evaluation.run import fold
from opensearch.documents import passage_weights
from shirabe.cli.compose import Parts, open_parts
from shirabe.errors import ShirabeError
from shirabe.fusion import reciprocal_rank_fusion
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.types import Embedding, Floats, Halves, LegHit, Output, Query, Stored

ALL: Final = 1_000_000
"""More features than any text has."""
PASSAGE_FEATURES: Final = (16, 32, 64, 128, ALL)
QUERY_FEATURES: Final = (8, 16, 64)
BATCH: Final = 32


@dataclass(frozen=True, slots=True)
class Passages:
    """The sparse weights of every passage, before anything is left out."""

    names: tuple[str, ...]
    sparse: tuple[Mapping[int, float], ...]


class Postings:
    """Passages by token, with at most `most` features each: what an inverted index of them would hold."""

    def __init__(self, passages: Passages, most: int) -> None:
        self._names = passages.names
        rows: dict[int, tuple[list[int], list[float]]] = {}
        kept = 0
        for row, sparse in enumerate(passages.sparse):
            features = passage_weights(sparse, most)
            kept += len(features)
            for token, weight in features.items():
                found = rows.setdefault(int(token), ([], []))
                found[0].append(row)
                found[1].append(float(weight))
        self._rows = {token: (np.array(at), np.array(weights)) for token, (at, weights) in rows.items()}
        self.mean_features = kept / len(passages.names)

    def leg(self, sparse: Mapping[int, float], most: int, depth: int) -> list[LegHit]:
        """Return the best passages by dot product with a query's heaviest weights."""
        scores = np.zeros(len(self._names))
        for token in sorted(sparse, key=lambda one: -sparse[one])[:most]:
            if token in self._rows:
                at, weights = self._rows[token]
                scores[at] += sparse[token] * weights
        order = [place for place in np.argsort(-scores, kind="stable")[:depth].tolist() if scores[place] > 0]
        return [LegHit(self._names[place], rank, float(scores[place])) for rank, place in enumerate(order, start=1)]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A judged query with what the engine said to it. `scores` are the candidates' exact ones, by leg."""

    judged: JudgedQuery
    embedding: Embedding
    legs: Mapping[str, list[LegHit]]
    candidates: tuple[Stored, ...]
    scores: Mapping[str, Mapping[str, float]]


@dataclass(slots=True)
class Figures:
    """Rows of (what, measures and sizes by name)."""

    sparse: list[tuple[str, dict[str, float]]] = field(default_factory=list)
    late: list[tuple[str, dict[str, float]]] = field(default_factory=list)


async def ask(parts: Parts, settings: Settings, judged: JudgedQuery, sources: Sequence[str]) -> Asked:
    """Ask the engine for the legs and the candidates of one query."""
    query = Query(judged.query, filters={"source": tuple(sources)})
    [embedding] = await parts.models.embed([judged.query], "query", ("dense", "sparse", "tokens"))
    legs = await parts.store.legs(query, ("lexical", "dense", "sparse"), embedding, settings.search.leg_depth)
    fused = reciprocal_rank_fusion(legs, settings.search.weights)[: settings.search.rerank_depth]
    names = [name for name, _ in fused]
    stored = await parts.store.fetch(names, replace(query, text=""), embedding)
    scores = await parts.store.scores(names, query, Embedding(dense=embedding.dense, sparse=embedding.sparse))
    return Asked(judged, embedding, legs, tuple(stored), scores)


async def read(parts: Parts, sources: Sequence[str], wanted: frozenset[str]) -> tuple[Passages, dict[str, Halves]]:
    """Embed every passage of the sources again; the token vectors, float16 (tokens, dim), only of those wanted."""
    names = [name for source in sources for name in await parts.store.chunk_hashes(source)]
    texts = {saved.chunk.chunk_id: saved.chunk.embedded_text for saved in await parts.store.saved(names)}
    names = sorted(texts, key=lambda name: len(texts[name]))
    sparse: list[Mapping[int, float]] = []
    tokens: dict[str, Halves] = {}
    for start in track(range(0, len(names), BATCH), description="embedding"):
        batch = names[start : start + BATCH]
        asked: set[Output] = {"sparse", "tokens"} if wanted.intersection(batch) else {"sparse"}
        for name, embedding in zip(
            batch, await parts.models.embed([texts[name] for name in batch], "passage", asked), strict=True
        ):
            sparse.append(embedding.sparse or {})
            if name in wanted and embedding.tokens is not None:
                tokens[name] = embedding.tokens
    return Passages(tuple(names), tuple(sparse)), tokens


def measured(judged: Sequence[JudgedQuery], rankings: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return the mean of each measure."""
    values = per_query(judged, rankings)
    return {name: statistics.fmean(values[name]) for name in MEASURES}


def pruning(asked: Sequence[Asked], passages: Passages, paths: Mapping[str, str], settings: Settings) -> Figures:
    """Rank by the sparse leg alone, and by all legs fused, with fewer and more features kept."""
    figures = Figures()
    judged = [one.judged for one in asked]
    for most in PASSAGE_FEATURES:
        postings = Postings(passages, most)
        for few in QUERY_FEATURES:
            alone: dict[str, tuple[str, ...]] = {}
            fused: dict[str, tuple[str, ...]] = {}
            for one in asked:
                leg = postings.leg(one.embedding.sparse or {}, few, settings.search.leg_depth)
                alone[one.judged.id] = fold(paths[hit.chunk_id] for hit in leg)
                ranked = reciprocal_rank_fusion({**one.legs, "sparse": leg}, settings.search.weights)
                fused[one.judged.id] = fold(paths[name] for name, _ in ranked)
            row = {f"alone, {name}": value for name, value in measured(judged, alone).items()}
            row |= {f"fused, {name}": value for name, value in measured(judged, fused).items()}
            label = f"{'all' if most == ALL else most} of a passage, {few} of a query"
            figures.sparse.append((label, {"features": postings.mean_features, **row}))
    return figures


def float_scores(query: Halves, passages: Sequence[Halves]) -> Floats:
    """Return what `api.rerank.late_scores` does of bits, of passages whose tokens are kept as they are."""
    asked = np.asarray(query[:MAX_QUERY_TOKENS], np.float32)
    best = np.stack([(asked @ np.asarray(tokens, np.float32).T).max(axis=1) for tokens in passages], axis=1)
    weights = best.std(axis=1)
    return np.asarray(np.average(best, axis=0, weights=weights if weights.any() else None), np.float32)


def pages_by(candidates: Sequence[Stored], combined: Floats) -> tuple[str, ...]:
    """Return the candidates' pages by their combined scores, float32 (candidates,), as the read path orders them."""
    order = np.argsort(-combined, kind="stable").tolist()
    first, _ = diverse(by_page([Ranked(candidates[at], float(combined[at]), {}) for at in order]))
    return fold(item.stored.path for item in first)


def late(asked: Sequence[Asked], tokens: Mapping[str, Halves]) -> list[tuple[str, dict[str, float]]]:
    """Rank the same candidates with late interaction over float16, over bits, and without it."""
    rows: list[tuple[str, dict[str, float]]] = []
    dim = next(iter(tokens.values())).shape[1]
    mean_tokens = statistics.fmean(len(one) for one in tokens.values())
    for what, size in (("without", 0.0), ("bits", dim / 8), ("float16", dim * 2.0)):
        rankings: dict[str, tuple[str, ...]] = {}
        took: list[float] = []
        for one in asked:
            names = [stored.chunk.chunk_id for stored in one.candidates]
            begun = time.perf_counter()
            if what == "without" or one.embedding.tokens is None:
                interaction = np.full(len(names), np.nan, np.float32)
            elif what == "bits":
                interaction = late_scores(one.embedding.tokens, [stored.bits for stored in one.candidates])
            else:
                interaction = float_scores(one.embedding.tokens, [tokens[name] for name in names])
            took.append((time.perf_counter() - begun) * 1_000)
            legs = [
                np.array([one.scores.get(leg, {}).get(name, absent) for name in names], np.float32)
                for leg, absent in (("dense", np.nan), ("lexical", 0.0), ("sparse", 0.0))
            ]
            combined = combine(interaction, legs[0], legs[1], legs[2], LateWeights())
            rankings[one.judged.id] = pages_by(one.candidates, combined)
        row = {
            "bytes a chunk": size * mean_tokens,
            "ms": statistics.median(took),
            **measured([one.judged for one in asked], rankings),
        }
        rows.append((what, row))
    return rows


async def run(settings: Settings, runtime: Runtime, queries: Sequence[JudgedQuery], sources: Sequence[str]) -> Figures:
    """Measure against what runs. Raises: ShirabeError."""
    async with open_parts(settings, runtime.opensearch_url, runtime.models_url, runtime.checkpoint) as parts:
        asked = [await ask(parts, settings, judged, sources) for judged in queries]
        candidates = {stored.chunk.chunk_id for one in asked for stored in one.candidates}
        passages, tokens = await read(parts, sources, frozenset(candidates))
        saved = await parts.store.saved(passages.names)
        figures = pruning(asked, passages, {one.chunk.chunk_id: one.document.path for one in saved}, settings)
        figures.late = late(asked, tokens)
        return figures


def show(title: str, rows: Sequence[tuple[str, Mapping[str, float]]]) -> Table:
    """Return rows as a table."""
    view = Table(title=title, title_justify="left")
    view.add_column("")
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    for name in names:
        view.add_column(name, justify="right")
    for what, values in rows:
        shown = (values.get(name) for name in names)
        view.add_row(what, *("" if one is None else f"{one:,.1f}" if one >= 2 else f"{one:.3f}" for one in shown))
    return view


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.kept", description=__doc__.splitlines()[0])
    parser.add_argument("queries", type=Path, help="judged queries, as for `shirabe eval`")
    parser.add_argument("--source", action="append", required=True, help="a source the answers are in; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    settings = load_settings()
    try:
        judged = load_judged(arguments.queries)
        figures = asyncio.run(run(settings, require_runtime(settings.state_dir), judged, arguments.source))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    console = Console(width=200)
    console.print(show("Sparse weights kept", figures.sparse))
    console.print(show("Late interaction over the same candidates, with their exact scores", figures.late))
    if arguments.json:
        rows = {"sparse": dict(figures.sparse), "late": dict(figures.late)}
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
