"""Whose turn the processors are: queries first, and after them whoever asked, as long as passages have earned it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# Of queries and rest for each second of passages: however many queries come, passages have a fifth of the time.
_SHARE: Final = 4.0
_MOST_CREDIT_S: Final = 1.0


class Turns:
    """The time that queries and the rest after them may take from passages. Used by one thread at a time.

    An embedded query is the first step of a search, so after it passages rest: the next steps need a processor, too.
    Passages earn what they give away by the time that they work.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin with some time earned. clock: seconds."""
        self._clock = clock
        self._credit_s = _MOST_CREDIT_S
        self._since = 0.0
        self._until = 0.0

    @property
    def for_queries(self) -> bool:
        """Whether queries go before passages that wait."""
        return self._credit_s > 0

    def begin(self) -> None:
        """Begin to work."""
        self._since = self._clock()

    def earn(self) -> None:
        """End work on passages."""
        self._credit_s = min(self._credit_s + _SHARE * (self._clock() - self._since), _MOST_CREDIT_S)

    def spend(self, rest_s: float) -> None:
        """End work on queries that passages waited for, and owe a rest after it."""
        self._credit_s -= self._clock() - self._since
        self.owe(rest_s)

    def owe(self, rest_s: float) -> None:
        """Owe a rest that ends so many seconds from now."""
        self._until = self._clock() + rest_s

    def rest(self, wait: Callable[[float], object]) -> bool:
        """Rest for as long as it is owed and earned, or until `wait` returns earlier; False when there is no such rest.

        wait: takes the seconds it may wait at most.
        """
        begun = self._clock()
        seconds = min(self._until - begun, self._credit_s)
        if seconds <= 0:
            return False
        wait(seconds)
        self._credit_s -= self._clock() - begun
        return True
