"""An `ActivityLog` in memory: what is recorded is held until the next flush, and then lies in lists of documents."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearch.activity_documents import APPLICATION, ActivityIndexes, documents_of
from shirabe.types import Activity


class InMemoryActivityLog:
    """`down`, while set, makes every write fail. `entries` is everything that was recorded."""

    def __init__(self, retention_days: int = 30, queue_entries: int = 2_000) -> None:
        self.indexes = ActivityIndexes()
        self.down = False
        self.entries: list[Activity] = []
        self.documents: dict[str, list[dict[str, Any]]] = {name: [] for name in self.indexes.names()}
        self._retention = timedelta(days=retention_days)
        self._room = queue_entries
        self._waiting: list[Activity] = []
        self._counts = Counter(written=0, dropped=0, failed=0)

    def record(self, entry: Activity) -> None:
        if len(self._waiting) == self._room:
            self._counts["dropped"] += 1
            return
        self._waiting.append(entry)
        self.entries.append(entry)

    async def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._counts["failed" if self.down else "written"] += len(waiting)
        for document in [] if self.down else [one for entry in waiting for one in documents_of(entry, self.indexes)]:
            self.documents[document.index].append(document.body)

    async def prune(self) -> None:
        before = datetime.now(UTC) - self._retention
        for rows in self.documents.values():
            rows[:] = [row for row in rows if _at(row) >= before or row.get("application", APPLICATION) != APPLICATION]

    def counts(self) -> dict[str, int]:
        return dict(self._counts)


def _at(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row.get("timestamp") or row["finished"])
