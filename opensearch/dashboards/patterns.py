"""The indexes that the dashboards read, and how their objects are named. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opensearch.activity_documents import ActivityIndexes
from opensearch.dashboards.saved_objects import SavedObject, index_pattern, visualization


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

    def chart(
        self,
        pattern: SavedObject,
        what: str,
        title: str,
        description: str,
        state: Mapping[str, Any],
        query: str = "",
    ) -> SavedObject:
        """Return a chart of the documents of a pattern that `query` (in Lucene's syntax) matches."""
        return visualization(self.name(what), f"Shirabe: {title}", description, pattern, state, query)


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
