"""How fast a vendor may be asked: what the settings allow in any minute, and what its answers say is left."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ray_app.providers.clock import Clock

Amounts = Mapping[str, int]

_WINDOW_S: Final = 60.0
# Less than this is the rounding of a sum of times, and no wait.
_TICK_S: Final = 0.001
_SAID: Final = ("requests", "tokens")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(slots=True)
class Taken:
    """What one request took of each budget, and when."""

    at: float
    amounts: dict[str, int]


@dataclass(slots=True)
class _Left:
    """What the vendor said is left of a budget: it fills by `per_s` and is whole again at `reset_at`."""

    remaining: float
    limit: int | None
    per_s: float
    said_at: float
    reset_at: float


class RateLimit:
    """Budgets of `requests`, `texts` and `tokens`. Used from one event loop."""

    def __init__(self, per_minute: Amounts, clock: Clock) -> None:
        """Allow `per_minute` of each named budget in any 60 seconds; a budget that is not named is not bounded."""
        self._per_minute = per_minute
        self._clock = clock
        self._taken: deque[Taken] = deque()
        self._left: dict[str, _Left] = {}
        self._held_until = 0.0

    def most(self, budget: str) -> int | None:
        """Return how much of a budget one request may ask for at most; None where nothing bounds it."""
        known = [self._per_minute.get(budget), left.limit if (left := self._left.get(budget)) else None]
        return min((limit for limit in known if limit is not None), default=None)

    def wait_s(self, need: Amounts) -> float:
        """Return how long to wait, seconds, before a request of these amounts; 0 when it may go now."""
        now = self._clock.now()
        while self._taken and self._taken[0].at <= now - _WINDOW_S:
            self._taken.popleft()
        waits = [self._held_until - now]
        for budget, amount in need.items():
            waits.append(self._own_wait(budget, amount, now))
            waits.append(self._vendor_wait(budget, amount, now))
        longest = max(waits)
        return longest if longest > _TICK_S else 0.0

    def take(self, need: Amounts) -> Taken:
        """Count a request that goes now."""
        taken = Taken(self._clock.now(), dict(need))
        self._taken.append(taken)
        for budget, amount in need.items():
            if budget in self._left:
                self._left[budget].remaining -= amount
        return taken

    def hold(self, seconds: float) -> None:
        """Let nothing go for a while: the vendor said so."""
        self._held_until = max(self._held_until, self._clock.now() + seconds)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in the `x-ratelimit-*` headers of an answer; what is not there or makes no sense is left out."""
        now = self._clock.now()
        for budget in _SAID:
            remaining = _count(headers.get(f"x-ratelimit-remaining-{budget}"))
            reset_s = duration_s(headers.get(f"x-ratelimit-reset-{budget}", ""))
            if remaining is None or not reset_s:
                continue
            limit = _count(headers.get(f"x-ratelimit-limit-{budget}")) or None
            # It fills evenly, so a part of it is there at that part of the time.
            per_s = 0.0 if limit is None else max(0, limit - remaining) / reset_s
            self._left[budget] = _Left(remaining, limit, per_s, now, now + reset_s)

    def _own_wait(self, budget: str, amount: int, now: float) -> float:
        limit = self._per_minute.get(budget)
        if limit is None:
            return 0.0
        over = sum(taken.amounts.get(budget, 0) for taken in self._taken) + min(amount, limit) - limit
        wait = 0.0
        for taken in self._taken:
            if over <= 0:
                break
            over -= taken.amounts.get(budget, 0)
            wait = taken.at + _WINDOW_S - now
        return wait

    def _vendor_wait(self, budget: str, amount: int, now: float) -> float:
        left = self._left.get(budget)
        if left is None or now >= left.reset_at:
            return 0.0
        need = amount if left.limit is None else min(amount, left.limit)
        short = need - left.remaining - left.per_s * (now - left.said_at)
        if short <= 0:
            return 0.0
        return short / left.per_s if left.per_s else left.reset_at - now


def duration_s(text: str) -> float | None:
    """Return a duration as OpenAI writes it (`6m0s`, `120ms`) or plain seconds; None when it is neither."""
    found = _DURATION.findall(text.strip())
    if not found or "".join(number + unit for number, unit in found) != text.strip():
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in found)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
