"""Ending asynchronous streams on time: what a half-read stream holds (a process, a file) goes with its reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


@contextlib.asynccontextmanager
async def closing(stream: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """Yield a stream and close it in the end, read to its end or not."""
    try:
        yield stream
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


async def read_ahead(items: Iterable[S], read: Callable[[S], Awaitable[T]], most: int) -> AsyncIterator[T]:
    """Yield what each item reads as, in order, at most so many under way at once."""
    waiting: list[asyncio.Future[T]] = []
    try:
        for item in items:
            waiting.append(asyncio.ensure_future(read(item)))
            if len(waiting) == most:
                yield await waiting.pop(0)
        while waiting:
            yield await waiting.pop(0)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
