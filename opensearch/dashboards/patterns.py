"""The indexes that the dashboards read, and how their objects are named. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from opensearch.activity_documents import ActivityIndexes
from opensearch.dashboards.saved_objects import SavedObject, index_pattern


@dataclass(frozen=True, slots=True)
class Patterns:
    """One index pattern per index; `alias` is in the id of every object, so that two of us fit one Dashboards."""

    alias: str
    chunks: SavedObject
    queries: SavedObject
    events: SavedObject
    searches: SavedObject
    syncs: SavedObject

    def name(self, what: str) -> str:
        """Return the id of an object."""
        return f"{self.alias}-{what}"


def patterns_of(alias: str, indexes: ActivityIndexes) -> Patterns:
    """Return the patterns; chunks have no time field, so that a time range does not hide old documents."""
    return Patterns(
        alias,
        chunks=index_pattern(f"{alias}-pattern-chunks", alias, links=("uri",)),
        queries=index_pattern(f"{alias}-pattern-queries", indexes.queries, "timestamp"),
        events=index_pattern(f"{alias}-pattern-events", indexes.events, "timestamp"),
        searches=index_pattern(f"{alias}-pattern-searches", indexes.searches, "timestamp"),
        syncs=index_pattern(f"{alias}-pattern-syncs", indexes.syncs, "finished"),
    )
