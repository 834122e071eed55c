"""The documents of another collector, each with what the options of its source say of all of them in its `meta`."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any

from ingest.streams import closing
from shirabe.protocols import Collector
from shirabe.types import Change, Cursor, Upsert


class MarkedCollector:
    """Yields what `inner` yields, `meta` added to that of every document."""

    def __init__(self, inner: Collector, meta: Mapping[str, Any]) -> None:
        self._inner = inner
        self._meta = meta

    async def head(self) -> Cursor:
        """Return the cursor of the source as it is now."""
        return await self._inner.head()

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether `changes(cursor, ...)` would be a difference."""
        return await self._inner.knows(cursor)

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield."""
        return await self._inner.count(since, until)

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield what differs between two cursors."""
        async with closing(self._inner.changes(since, until)) as changes:
            async for change in changes:
                yield self._marked(change)

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every document's path and content hash."""
        return await self._inner.paths(at)

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one document."""
        return self._marked(await self._inner.get(path, at))

    def _marked(self, change: Change) -> Change:
        if not isinstance(change, Upsert):
            return change
        document = change.document
        return Upsert(dataclasses.replace(document, meta={**document.meta, **self._meta}))
