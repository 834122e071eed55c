"""`python -m bench.precision QUERIES --source NAME [--precision int8]`: whether a cheaper precision answers as well.

The quality gate of `models.precision`. The passages and the judged queries of a running Shirabe are embedded in this
process in fp32 and in the precision in question, and ranked alike: dense by exact cosine, sparse by dot product over
what the index keeps, lexical by the engine; fused, and reordered by late interaction. Ends with 1 when the whole loses
more than one per cent of nDCG@10.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from api.rerank import LateWeights, combine, late_scores
from bench.kept import BATCH, Passages, Postings, measured, pages_by, show
from evaluation.judged import JudgedQuery, load_judged
from evaluation.run import fold
from opensearch.documents import MAX_FEATURES
from opensearch.queries import MAX_QUERY_FEATURES
from ray_app.checkpoint import read_checkpoint
from ray_app.encoder import M3Encoder
from ray_app.wire import Row
from shirabe.cli.compose import Parts, open_parts
from shirabe.errors import ShirabeError
from shirabe.fusion import reciprocal_rank_fusion
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import Precision, SearchSettings, Settings, load_settings
from shirabe.types import Floats, LegHit, Query

EXACT: Final = "fp32"
TOLERANCE: Final = 0.01
"""Of fp32's nDCG@10."""
DEPTH: Final = 100
"""Hits of a leg, and candidates that are reranked."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A judged query, and what the engine says to its words."""

    judged: JudgedQuery
    query: Query
    lexical: Sequence[LegHit]


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Every passage of the sources, by length: its id, the text that is embedded, its document's path."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    paths: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What one precision makes of passages and queries. dense: float32 (passages, dim), rows of L2 norm 1."""

    dense: Floats
    sparse: Postings
    passages: Mapping[str, Row]
    queries: Mapping[str, Row]
    seconds: float


async def read(parts: Parts, judged: Sequence[JudgedQuery], sources: Sequence[str]) -> tuple[Corpus, list[Asked]]:
    """Return the passages of the sources and the queries with their lexical legs. Raises: ShirabeError."""
    names = [name for source in sources for name in await parts.store.chunk_hashes(source)]
    saved = sorted(await parts.store.saved(names), key=lambda one: len(one.chunk.embedded_text))
    corpus = Corpus(
        tuple(one.chunk.chunk_id for one in saved),
        tuple(one.chunk.embedded_text for one in saved),
        {one.chunk.chunk_id: one.document.path for one in saved},
    )
    asked = []
    for one in judged:
        query = Query(one.query, filters={"source": tuple(sources)})
        legs = await parts.store.legs(query, ("lexical",), None, DEPTH)
        asked.append(Asked(one, query, legs["lexical"]))
    return corpus, asked


def embed(encoder: M3Encoder, corpus: Corpus, asked: Sequence[Asked], what: str) -> Embedded:
    """Embed all passages and queries."""
    begun = time.perf_counter()
    rows: list[Row] = []
    for start in track(range(0, len(corpus.texts), BATCH), description=what):
        rows += encoder.encode(corpus.texts[start : start + BATCH], "passage", ("dense", "sparse", "bits"))
    seconds = time.perf_counter() - begun
    queries = {
        one.judged.id: encoder.encode([one.judged.query], "query", ("dense", "sparse", "tokens"))[0] for one in asked
    }
    sparse = Passages(corpus.names, tuple(dict(row.sparse_items()) for row in rows))
    dense = np.stack([np.asarray(row.dense, np.float32) for row in rows])
    passages = dict(zip(corpus.names, rows, strict=True))
    return Embedded(dense, Postings(sparse, MAX_FEATURES), passages, queries, seconds)


async def ranked(parts: Parts, one: Asked, corpus: Corpus, embedded: Embedded) -> dict[str, tuple[str, ...]]:
    """Return the pages by each leg that the model makes, and by the whole. Raises: ShirabeError."""
    row = embedded.queries[one.judged.id]
    weights = dict(row.sparse_items())
    cosines = embedded.dense @ np.asarray(row.dense, np.float32)
    nearest = np.argsort(-cosines, kind="stable")[:DEPTH].tolist()
    dense = [LegHit(corpus.names[at], rank, float(cosines[at])) for rank, at in enumerate(nearest, start=1)]
    matching = embedded.sparse.leg(weights, MAX_QUERY_FEATURES, len(corpus.names))
    legs: dict[str, Sequence[LegHit]] = {"lexical": one.lexical, "dense": dense, "sparse": matching[:DEPTH]}
    found = [name for name, _ in reciprocal_rank_fusion(legs, SearchSettings().weights)[:DEPTH]]
    stored = {one.chunk.chunk_id: one for one in await parts.store.fetch(found, replace(one.query, text=""), None)}
    exact = {
        "dense": {name: float(cosine) for name, cosine in zip(corpus.names, cosines, strict=True)},
        "lexical": (await parts.store.scores(found, one.query, None)).get("lexical", {}),
        "sparse": {hit.chunk_id: hit.score for hit in matching},
    }
    dense_of, lexical_of, sparse_of = (
        np.array([exact[leg].get(name, 0.0) for name in found], np.float32) for leg in ("dense", "lexical", "sparse")
    )
    tokens = np.asarray(row.tokens, np.float16)
    late = late_scores(tokens, [embedded.passages[name].bits for name in found])
    combined = combine(late, dense_of, lexical_of, sparse_of, LateWeights())
    return {
        "dense": fold(corpus.paths[hit.chunk_id] for hit in dense),
        "sparse": fold(corpus.paths[hit.chunk_id] for hit in matching[:DEPTH]),
        "whole": pages_by([stored[name] for name in found], combined),
    }


async def run(
    settings: Settings, runtime: Runtime, judged: Sequence[JudgedQuery], sources: Sequence[str], precision: Precision
) -> dict[str, dict[str, float]]:
    """Return the measures of both precisions: what was ranked and how -> measure -> value. Raises: ShirabeError."""
    figures: dict[str, dict[str, float]] = {}
    async with open_parts(settings, runtime.opensearch_url, runtime.models_url, runtime.checkpoint) as parts:
        corpus, asked = await read(parts, judged, sources)
        for one in (EXACT, precision):
            encoder = M3Encoder(read_checkpoint(runtime.checkpoint), torch.device("cpu"), one)
            embedded = await asyncio.to_thread(embed, encoder, corpus, asked, one)
            rankings = {query.judged.id: await ranked(parts, query, corpus, embedded) for query in asked}
            for what in ("dense", "sparse", "whole"):
                pages = {name: by_what[what] for name, by_what in rankings.items()}
                figures[f"{what}, {one}"] = measured([query.judged for query in asked], pages)
            figures[f"whole, {one}"]["passages/s"] = len(corpus.names) / embedded.seconds
    return figures


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.precision", description=__doc__.splitlines()[0])
    parser.add_argument("queries", type=Path, help="judged queries, as for `shirabe eval`")
    parser.add_argument("--source", action="append", required=True, help="a source the answers are in; may be repeated")
    parser.add_argument("--precision", default="int8", choices=["int8", "bf16"], help="held to fp32")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    settings = load_settings()
    precision: Precision = arguments.precision
    try:
        judged = load_judged(arguments.queries)
        runtime = require_runtime(settings.state_dir)
        figures = asyncio.run(run(settings, runtime, judged, arguments.source, precision))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    Console(width=160).print(show(f"{precision} held to {EXACT}, {len(judged)} questions", list(figures.items())))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    kept = figures[f"whole, {precision}"]["nDCG@10"] / figures[f"whole, {EXACT}"]["nDCG@10"]
    passed = kept >= 1 - TOLERANCE
    print(f"{precision} keeps {kept:.2%} of nDCG@10, at least {1 - TOLERANCE:.0%}: {'yes' if passed else 'NO'}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
