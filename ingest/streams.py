"""Ending asynchronous streams on time: what a half-read stream holds (a process, a file) goes with its reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a stream, and why it ended early."""

    error: Exception | None


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


async def batched(stream: AsyncIterator[T], most: int) -> AsyncIterator[list[T]]:
    """Yield a stream's items in lists of so many, the last one shorter."""
    batch: list[T] = []
    async with closing(stream) as items:
        async for item in items:
            batch.append(item)
            if len(batch) == most:
                yield batch
                batch = []
    if batch:
        yield batch


async def gathered(stream: AsyncIterator[T], most: int) -> AsyncIterator[list[T]]:
    """Yield a stream's items in lists: what came while the last list was worked on, at most so many.

    What came before an error is yielded before it is raised.
    """
    came: asyncio.Queue[T | _End] = asyncio.Queue(most)

    async def take() -> None:
        try:
            async with closing(stream) as items:
                async for item in items:
                    await came.put(item)
        except Exception as error:  # raised where the stream is read
            await came.put(_End(error))
        else:
            await came.put(_End(None))

    taking = asyncio.create_task(take())
    try:
        while True:
            item = await came.get()
            batch: list[T] = []
            while not isinstance(item, _End):
                batch.append(item)
                if came.empty():
                    break
                item = came.get_nowait()
            if batch:
                yield batch
            if isinstance(item, _End):
                break
        if item.error is not None:
            raise item.error
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
