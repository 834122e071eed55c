"""What the engine answers to a search, checked and read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shirabe.errors import Unavailable
from shirabe.types import LegHit


def require_whole(answer: Mapping[str, Any]) -> None:
    """Refuse an answer that leaves shards out: half a ranking would pass for a whole one. Raises: Unavailable."""
    shards = answer["_shards"]
    if answer["timed_out"] or shards["failed"]:
        failures = shards.get("failures") or [{}]
        raise Unavailable(f"the search engine answered in part: {failures[0].get('reason', 'timed out')}"[:300])


def ranking(leg: str, answer: Mapping[str, Any]) -> list[LegHit]:
    """Return the rows of a leg's answer as its ranking."""
    rows = answer["hits"]["hits"]
    # The engine gives (1 + cosine) / 2, which is never negative.
    scores = [2.0 * row["_score"] - 1.0 if leg == "dense" else row["_score"] for row in rows]
    return [
        LegHit(id_of(row), rank, score) for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
    ]


def id_of(row: Mapping[str, Any]) -> str:
    """Return the chunk id of a row that was asked for ids only."""
    return str(row["fields"]["chunk_id"][0])
