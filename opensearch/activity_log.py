"""The `ActivityLog` of Shirabe on OpenSearch: a bounded queue, and one task that empties it by bulks."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

import structlog
from opensearchpy import AsyncOpenSearch

from opensearch.activity_documents import (
    ActivityDocument,
    ActivityIndexes,
    documents_of,
    index_bodies,
    outdated_queries,
)
from opensearch.bulk import Action, batches
from opensearch.client import asking, build_client, create_index, reason_of
from shirabe.errors import Overloaded, ShirabeError, Transient
from shirabe.settings import LogSettings, OpenSearchSettings
from shirabe.types import Activity

QUEUE_ENTRIES: Final = 2_000
"""About 4 MB of searches; beyond it entries are dropped."""
BATCH_ENTRIES: Final = 250
LINGER_S: Final = 0.5
"""How long the first entry of a bulk waits for company."""
RETRY_WAITS_S: Final = (0.5, 1.0)
CLOSE_TIMEOUT_S: Final = 5.0
PRUNE_TIMEOUT_S: Final = 600.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


class OpenSearchActivityLog:
    """Writes what it is told of behind the back of who tells it. Made inside a running loop, closed by `close`."""

    def __init__(
        self,
        client: AsyncOpenSearch,
        retention_days: int,
        indexes: ActivityIndexes = ActivityIndexes(),  # noqa: B008 - frozen
        queue_entries: int = QUEUE_ENTRIES,
        *,
        queries: bool = True,
    ) -> None:
        """Take a client, which is the log's from now on; without `queries` only the index of syncs is made."""
        self._client = client
        self._retention_days = retention_days
        self._indexes = indexes
        self._made = {name: body for name, body in index_bodies(indexes).items() if queries or name == indexes.syncs}
        self._queue: asyncio.Queue[Activity] = asyncio.Queue(queue_entries)
        self._counts = Counter(written=0, dropped=0, failed=0)
        self._closing = asyncio.Event()
        self._writing = asyncio.create_task(self._write_on())

    def record(self, entry: Activity) -> None:
        """Take an entry; it is written later. When there is no room for it, it is counted and dropped."""
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            self._counts["dropped"] += 1

    async def flush(self) -> None:
        """Return when everything recorded before is written, or counted as lost."""
        await self._queue.join()

    def counts(self) -> dict[str, int]:
        """Return how many entries were `written`, `dropped` for want of room, and `failed` to be written."""
        return dict(self._counts)

    async def prune(self) -> None:
        """Delete what is older than it may be, and was written by Shirabe. Raises: Unavailable, Timeout."""
        for index, query in outdated_queries(self._indexes, self._retention_days).items():
            with asking():
                await self._client.delete_by_query(
                    index=index,
                    body={"query": query},
                    params={"conflicts": "proceed", "ignore_unavailable": "true"},
                    request_timeout=PRUNE_TIMEOUT_S,
                )

    async def close(self) -> None:
        """Write what waits, within bounds, and close the connections."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.flush()
        self._writing.cancel()
        with suppress(asyncio.CancelledError):
            await self._writing
        lost = self._queue.qsize() + self._counts["failed"] + self._counts["dropped"]
        if lost:
            log.warning("the log of activity is incomplete", entries=lost)
        await self._client.close()

    async def _write_on(self) -> None:
        # Before there is anything to write, for the dashboards: they say of an index that is not there that they fail.
        with suppress(ShirabeError):
            await self._again(self._ensure_indexes)
        while True:
            batch = await self._batch()
            lost = len(batch)
            try:
                lost = await self._write(batch)
            except Exception as error:
                # Whatever it is, the next batch is tried. What it says may quote what somebody typed.
                log.warning("activity was not written", reason=type(error).__name__, entries=lost)
            finally:
                self._counts["failed"] += lost
                self._counts["written"] += len(batch) - lost
                for _ in batch:
                    self._queue.task_done()

    async def _batch(self) -> list[Activity]:
        """Return what waits, at least one entry, after a moment in which others may come."""
        batch = [await self._queue.get()]
        if self._queue.qsize() < BATCH_ENTRIES:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._closing.wait()
        while len(batch) < BATCH_ENTRIES and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        return batch

    async def _write(self, entries: Sequence[Activity]) -> int:
        """Write entries, and return how many are not whole. Raises: ShirabeError."""
        # In a thread: what answers searches has the loop.
        written = await asyncio.to_thread(_actions, entries, self._indexes)
        refused: set[str] = set()
        for batch in batches(action for actions in written for action in actions):
            refused |= await self._again(partial(self._send, batch))
        return sum(any(action.chunk_id in refused for action in actions) for actions in written)

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and ask again where that may help. Raises: what the last answer was."""
        for wait_s in RETRY_WAITS_S:
            try:
                return await ask()
            except Transient:
                if self._closing.is_set():
                    raise
                await asyncio.sleep(wait_s)
        return await ask()

    async def _ensure_indexes(self) -> None:
        """Make the indexes that are not there; one that UBI's plugin or another process made is taken as it is."""
        if not await self._there(",".join(self._made)):
            for name, body in self._made.items():
                if not await self._there(name):
                    await create_index(self._client, name, body)

    async def _there(self, names: str) -> bool:
        with asking():
            return bool(await self._client.indices.exists(index=names))

    async def _send(self, batch: Sequence[Action]) -> set[str]:
        """Send a bulk, and return the ids of what the engine refused."""
        await self._ensure_indexes()
        with asking():
            answer = await self._client.bulk(body=b"".join(action.payload for action in batch))
        refused = [item["index"] for item in answer["items"] if "error" in item["index"]]
        if any(item["status"] == HTTPStatus.TOO_MANY_REQUESTS for item in refused):
            raise Overloaded("the search engine takes no more for now")
        if refused:
            reasons = Counter(reason_of(item["error"]).partition(":")[0] for item in refused)
            log.warning("activity was refused", reasons=dict(reasons))
        return {item["_id"] for item in refused}


def open_activity_log(settings: OpenSearchSettings, kept: LogSettings) -> OpenSearchActivityLog:
    """Return a log over connections of its own; it connects by itself. Raises: InvalidInput."""
    return OpenSearchActivityLog(build_client(settings), kept.retention_days, queries=kept.queries)


def _actions(entries: Sequence[Activity], indexes: ActivityIndexes) -> list[list[Action]]:
    """Return the items of a bulk that each entry becomes."""
    return [[Action(one.document_id, _lines(one)) for one in documents_of(entry, indexes)] for entry in entries]


def _lines(document: ActivityDocument) -> bytes:
    action = {"index": {"_index": document.index, "_id": document.document_id}}
    lines = (json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in (action, document.body))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
