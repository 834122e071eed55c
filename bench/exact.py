"""`python -m bench.exact`: what exact search over code costs, on the code of a running Shirabe.

Times are of the store: one request, the best 100 of one source's chunks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from api.operators import asked
from shirabe.cli.compose import Parts, open_parts
from shirabe.errors import ShirabeError
from shirabe.legs import EXACT_LEG
from shirabe.runtime import Runtime, require_runtime
from shirabe.settings import Settings, load_settings
from shirabe.types import Query

ASKED: Final = ("sym:search", r"/def \w+_router/", r"/\bfor\b.*\bin\b/", '"response_model"', "/x/")
DEPTH: Final = 100


async def took(parts: Parts, source: str, text: str, rounds: int) -> dict[str, float]:
    """Return how long one query takes, milliseconds, and how much it finds."""
    query = asked(Query(text, mode="code", filters={"source": (source,)}))
    found, times = 0, []
    for number in range(rounds + 1):
        begun = time.perf_counter()
        found = len((await parts.store.legs(query, [EXACT_LEG], None, DEPTH))[EXACT_LEG])
        if number:
            times.append((time.perf_counter() - begun) * 1_000)
    return {"p50_ms": float(np.percentile(times, 50)), "p95_ms": float(np.percentile(times, 95)), "found": found}


async def run(settings: Settings, runtime: Runtime, source: str, rounds: int) -> dict[str, Any]:
    """Measure. Raises: ShirabeError."""
    async with open_parts(settings, runtime.opensearch_url, runtime.models_url, runtime.checkpoint) as parts:
        chunks = len(await parts.store.code_chunks(source))
        times = {text: await took(parts, source, text, rounds) for text in ASKED}
        return {"chunks": chunks, "asked": times}


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.exact", description=__doc__.splitlines()[0])
    parser.add_argument("--source", required=True, help="a source that has code in it")
    parser.add_argument("--rounds", type=int, default=20, help="rounds, after one to warm up")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    settings = load_settings()
    try:
        figures = asyncio.run(run(settings, require_runtime(settings.state_dir), arguments.source, arguments.rounds))
    except ShirabeError as error:
        parser.exit(1, f"error: {error}\n")
    table = Table("asked", "p50 ms", "p95 ms", "found", title=f"{figures['chunks']} chunks of code")
    for text, row in figures["asked"].items():
        table.add_row(text, f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}", f"{row['found']:.0f}")
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
