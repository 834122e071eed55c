"""Bulk writes: split by bytes, every item's answer read, only what was turned away for now sent again."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opensearchpy import AsyncOpenSearch

from opensearch.client import asking, reason_of
from opensearch.documents import document_of
from opensearch.smile import CONTENT_TYPE, SEPARATOR, encode, encoded_arrays, encoded_weights
from shirabe.errors import Overloaded, PartialWrite
from shirabe.types import Record

MAX_BATCH_BYTES: Final = 1_000_000  # aiohttp warns of bodies over 1 MiB, which hold up the event loop
BULK_TIMEOUT_S: Final = 60.0
"""A bulk may wait behind a merge; searches have a shorter bound."""
RETRIED_STATUSES: Final = frozenset({429, 503})
_REJECTIONS: Final = frozenset({"rejected_execution_exception", "opensearch_rejected_execution_exception"})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often rejected items are sent again, and how long to wait before: doubled each time, jittered."""

    attempts: int = 6
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0

    def wait_s(self, attempt: int) -> float:
        """Return the wait before retry `attempt`, counted from 0, seconds."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311


DEFAULT_RETRIES: Final = Retries()
# Of each item's answer, only what is read: the rest is most of what a bulk would send back.
_READ: Final = (
    "errors,items.*.status,items.*.error.type,items.*.error.reason,"
    "items.*.error.caused_by.type,items.*.error.caused_by.reason"
)


@dataclass(frozen=True, slots=True)
class Action:
    """One item of a bulk: the chunk it is about, and its documents in Smile, each with its separator."""

    chunk_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item: written (or nothing to do) when `reason` is empty; `transient` when it may be retried."""

    reason: str = ""
    transient: bool = False


def upsert_actions(records: Sequence[Record], version: int, *, exact: bool = True) -> list[Action]:
    """Return the items that write records; with fields for exact search as `document_of`.

    Raises: InvalidInput for a vector that is not finite.
    """
    documents = [document_of(record, exact=exact) for record in records]
    for field, encoded in (("dense", encoded_arrays), ("sparse", encoded_weights)):
        having = [document for document in documents if field in document]
        for document, value in zip(having, encoded([document[field] for document in having]), strict=True):
            document[field] = value
    return [
        Action(record.chunk.chunk_id, _line({"index": _address(record.chunk.chunk_id, version)}) + _line(document))
        for record, document in zip(records, documents, strict=True)
    ]


def delete_action(chunk_id: str, version: int) -> Action:
    """Return the item that deletes a chunk."""
    return Action(chunk_id, _line({"delete": _address(chunk_id, version)}))


def batches(actions: Iterable[Action], max_bytes: int = MAX_BATCH_BYTES) -> Iterator[list[Action]]:
    """Yield the actions in order, in batches alike of at most `max_bytes`; a larger action is a batch of its own."""
    waiting = list(actions)
    size = sum(len(action.payload) for action in waiting)
    # Even parts: a full one and a small rest would cost the engine more.
    full = size / max(1, math.ceil(size / max_bytes))
    batch: list[Action] = []
    held = 0
    for action in waiting:
        if batch and (held >= full or held + len(action.payload) > max_bytes):
            yield batch
            batch, held = [], 0
        batch.append(action)
        held += len(action.payload)
    if batch:
        yield batch


def outcome_of(item: Mapping[str, Any]) -> Outcome:
    """Return what became of one item of a bulk answer.

    A version conflict means that something newer is there already, and a missing chunk needs no deleting: both are as
    wanted.
    """
    answer = next(iter(item.values()))
    error = answer.get("error")
    if error is None or answer["status"] == 409:
        return Outcome()
    transient = answer["status"] in RETRIED_STATUSES or (
        isinstance(error, Mapping) and error.get("type") in _REJECTIONS
    )
    reason = reason_of({"error": error})
    if isinstance(error, Mapping) and (cause := error.get("caused_by")):
        # A field that cannot be parsed is shown with its value, and why not only here.
        reason = f"{reason_of({'error': cause})} ({reason})"
    return Outcome(reason, transient)


async def send_actions(
    client: AsyncOpenSearch,
    alias: str,
    actions: Sequence[Action],
    retries: Retries = DEFAULT_RETRIES,
    timeout_s: float = BULK_TIMEOUT_S,
) -> None:
    """Write all actions to what stands behind the alias; never makes an index.

    Raises: PartialWrite naming exactly what was not written; Unavailable, Timeout, InvalidInput.
    """
    failed: dict[str, str] = {}
    for batch in batches(actions):
        failed |= await _send_batch(client, alias, batch, retries, timeout_s)
    if failed:
        raise PartialWrite(failed)


async def _send_batch(
    client: AsyncOpenSearch, alias: str, batch: Sequence[Action], retries: Retries, timeout_s: float
) -> dict[str, str]:
    failed: dict[str, str] = {}
    waiting = list(batch)
    for attempt in range(retries.attempts + 1):
        outcomes = await _send_once(client, alias, waiting, timeout_s)
        again = [action for action, outcome in zip(waiting, outcomes, strict=True) if outcome.transient]
        last = attempt == retries.attempts
        for action, outcome in zip(waiting, outcomes, strict=True):
            if outcome.reason and (last or not outcome.transient):
                failed[action.chunk_id] = outcome.reason
        if not again or last:
            break
        waiting = again
        await asyncio.sleep(retries.wait_s(attempt))
    return failed


async def _send_once(client: AsyncOpenSearch, alias: str, actions: Sequence[Action], timeout_s: float) -> list[Outcome]:
    body = b"".join(action.payload for action in actions)
    try:
        with asking():
            # Not by `client.bulk`, which ends every body with a line feed.
            answer = await client.transport.perform_request(
                "POST",
                f"/{alias}/_bulk",
                params={"require_alias": "true", "filter_path": _READ, "request_timeout": timeout_s},
                body=body,
                headers={"content-type": CONTENT_TYPE, "accept": "application/json"},
            )
    except Overloaded as error:
        return [Outcome(error.message, transient=True)] * len(actions)
    if not answer["errors"]:
        return [Outcome()] * len(actions)
    return [outcome_of(item) for item in answer["items"]]


def _address(chunk_id: str, version: int) -> dict[str, Any]:
    return {"_id": chunk_id, "version": version, "version_type": "external_gte"}


def _line(value: Mapping[str, Any]) -> bytes:
    return encode(value) + SEPARATOR
