"""The stages of one search: how long each took, how long it may take, and what was missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from shirabe.errors import Timeout

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StageTimeouts:
    """Bounds on one stage, seconds."""

    embed_s: float = 5.0
    store_s: float = 10.0
    rerank_s: float = 10.0


@dataclass(slots=True)
class Progress:
    """What one search learns of itself on the way: stage times in milliseconds, and the parts that were missing."""

    started: float = field(default_factory=time.perf_counter)
    stages_ms: dict[str, float] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, whether it succeeds or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.stages_ms[name] = _ms_since(began)

    @property
    def took_ms(self) -> float:
        """The time since the search began."""
        return _ms_since(self.started)


async def within(seconds: float, asked: Awaitable[T], part: str) -> T:
    """Await with a bound. Raises: Timeout naming the part."""
    try:
        async with asyncio.timeout(seconds):
            return await asked
    except TimeoutError as error:
        raise Timeout(f"{part} did not answer within {seconds:g} s") from error


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1_000.0
