"""What waits for a model, in lanes of first come, first served: callers' requests, text by text, and their bounds."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from ray_app.tokenizer import Ids
from shirabe.types import Output

Lane = Literal["query", "passage"]

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Limits:
    """Token counts: `query_batch` and `passage_batch` bound one forward pass, `queue` what may wait before a request.

    `wait_s` bounds it too: what would have to wait longer, at the speed of late, would be given up by its caller.
    `rest_s`: passages leave the processors alone for so long after a query, while they have earned it by work.
    """

    query_batch: int
    passage_batch: int
    queue: int
    wait_s: float = math.inf
    rest_s: float = 0.0


class Request(Generic[_Row]):
    """One caller's texts: rows come back in any order, the caller hears when all are there."""

    def __init__(self, outputs: frozenset[Output], lane: Lane, texts: int, answer: asyncio.Future[list[_Row]]) -> None:
        self.outputs = outputs
        self.lane = lane
        self.answer = answer
        self.arrived_s = time.perf_counter()
        self.begun = False
        self._rows: dict[int, _Row] = {}
        self._texts = texts

    def put(self, index: int, row: _Row) -> None:
        """Take one text's row."""
        self._rows[index] = row
        if len(self._rows) == self._texts and not self.answer.done():
            self.answer.set_result([self._rows[i] for i in range(self._texts)])

    def fail(self, error: Exception) -> None:
        """Give the caller an error, if it has no answer yet."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class Item(Generic[_Row]):
    """One text of a request."""

    request: Request[_Row]
    index: int
    ids: Ids

    def __len__(self) -> int:
        """Return its tokens."""
        return len(self.ids)


def take(lane: deque[Item[_Row]], budget: int) -> list[Item[_Row]]:
    """Take waiting items in order until the budget is spent: one at least, however long; none whose caller has gone."""
    taken: list[Item[_Row]] = []
    while lane:
        if lane[0].request.answer.done():
            lane.popleft()
            continue
        budget -= len(lane[0])
        if taken and budget < 0:
            break
        taken.append(lane.popleft())
    return taken
