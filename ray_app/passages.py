"""Passages that wait for a model: batches of like length, a caller's few in turn with another's many."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from ray_app.lane import Item, take
from ray_app.token_budget import cut

_Row = TypeVar("_Row")

# Passages are sorted by length within this many batches' worth, taken in order of arrival: long ones do not starve.
_WINDOW_BATCHES: Final = 8


class Passages(Generic[_Row]):
    """What waits of all callers.

    A request that fits into one batch takes turns with larger ones, batch by batch: the change of a page does not wait
    until all that a first ingest has sent is embedded, and keeps it from half of the batches at most.
    """

    def __init__(self) -> None:
        """Hold nothing."""
        self._few = _Sorted[_Row]()
        self._turns = deque((self._few, _Sorted[_Row]()))

    def __len__(self) -> int:
        """Return how many texts wait."""
        return sum(map(len, self._turns))

    def extend(self, items: Sequence[Item[_Row]], budget: int) -> None:
        """Add the texts of a request. budget: of a batch, tokens."""
        few = sum(map(len, items)) <= budget
        next(lane for lane in self._turns if (lane is self._few) == few).extend(items)

    def next(self, budget: int) -> list[Item[_Row]]:
        """Return the next batch of at most `budget` tokens or one text; none when nobody waits."""
        for lane in tuple(self._turns):
            batch = lane.next(budget)
            if batch:
                self._turns.remove(lane)
                self._turns.append(lane)
                return batch
        return []


class _Sorted(Generic[_Row]):
    """First come, first served within a window, and the window by length."""

    def __init__(self) -> None:
        self._arrived: deque[Item[_Row]] = deque()
        self._planned: deque[list[Item[_Row]]] = deque()

    def __len__(self) -> int:
        return len(self._arrived) + sum(map(len, self._planned))

    def extend(self, items: Sequence[Item[_Row]]) -> None:
        self._arrived.extend(items)

    def next(self, budget: int) -> list[Item[_Row]]:
        while self._planned or self._arrived:
            if not self._planned:
                window = take(self._arrived, budget * _WINDOW_BATCHES)
                self._planned.extend(cut(sorted(window, key=len), len, budget))
                continue
            batch = [item for item in self._planned.popleft() if not item.request.answer.done()]
            if batch:
                return batch
        return []
