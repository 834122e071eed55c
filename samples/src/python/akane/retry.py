"""The one retry policy (ADR-0003): exponential backoff with full jitter, within a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


class Retryable(Exception):
    """A failure after which the same call may succeed; `retry_after_s` is what the callee asked for."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how slowly to retry; times in seconds. `attempts` includes the first."""

    attempts: int = 4
    base_s: float = 0.2
    cap_s: float = 5.0
    deadline_s: float = 10.0


CREDIT_POLICY = RetryPolicy(attempts=3)


def backoff_with_full_jitter(retry: int, policy: RetryPolicy, draw: Callable[[], float] = random.random) -> float:
    """Return the wait before retry number `retry` (1-based): random between 0 and the exponential bound.

    A fixed wait would send everybody who failed together back together.
    """
    return draw() * min(policy.cap_s, policy.base_s * 2.0 ** (retry - 1))


def retry_call(
    call: Callable[[], Result],
    policy: RetryPolicy = RetryPolicy(),
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> Result:
    """Call until it succeeds, the attempts are used up, or the next wait would pass the deadline.

    Only for idempotent calls: GET, PUT, DELETE, and POST with an idempotency key.

    Raises: Retryable, the last one seen; anything else at once.
    """
    end = clock() + policy.deadline_s
    for retry in range(1, policy.attempts):
        try:
            return call()
        except Retryable as error:
            wait = backoff_with_full_jitter(retry, policy, draw) if error.retry_after_s is None else error.retry_after_s
            if clock() + wait > end:
                raise
            sleep(wait)
    return call()
