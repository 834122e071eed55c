"""Waiting on what only asking tells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], what: str, patience_s: float) -> None:
    """Ask until a condition holds; fail saying what never happened."""
    try:
        async with asyncio.timeout(patience_s):
            while not await condition():  # noqa: ASYNC110 - Serve has no event for it
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"it never happened: {what}") from None
