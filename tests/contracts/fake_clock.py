"""A clock on which waiting takes no time."""

from __future__ import annotations

import asyncio


class FakeClock:
    """A `Clock` that goes forward only by being slept on; `slept` are the waits, seconds."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)
