"""The desk: where the process that keeps the ledger and the workers of a cluster meet.

Blocks are handed out by number, and kept until their documents are settled: whoever starts again asks again. Before a
worker writes it leaves its intents here, and waits until the ledger has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ingest.block import Block
from ingest.settlement import Intent


class Desk:
    """Runs as an actor of its own. Holds the blocks that are under way, and nothing else."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block] = {}
        self._count: int | None = None
        self._left: list[tuple[Sequence[Intent], asyncio.Future[None]]] = []
        self._taken: list[asyncio.Future[None]] = []
        self._changed = asyncio.Condition()

    async def put(self, block: Block) -> None:
        """Lay down a block."""
        async with self._changed:
            self._blocks[block.number] = block
            self._changed.notify_all()

    async def end(self, count: int) -> None:
        """Say how many blocks there are, when the last one was laid down."""
        async with self._changed:
            self._count = count
            self._changed.notify_all()

    async def take(self, number: int) -> Block | None:
        """Wait for a block and return it, or None when there are not so many."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: number in self._blocks or (self._count is not None and number >= self._count)
            )
            return self._blocks.get(number)

    async def drop(self, number: int) -> None:
        """Forget a block whose documents are all settled or failed."""
        self._blocks.pop(number, None)

    async def intend(self, intents: Sequence[Intent]) -> None:
        """Leave what is about to be written, and return when the ledger has it."""
        committed = asyncio.get_running_loop().create_future()
        async with self._changed:
            self._left.append((intents, committed))
            self._changed.notify_all()
        await committed

    async def intents(self) -> list[Intent]:
        """Wait for intents, and return all that were left since the last time."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._left))
            left, self._left = self._left, []
        self._taken += [committed for _, committed in left]
        return [intent for intents, _ in left for intent in intents]

    async def commit(self) -> None:
        """Say that the ledger has all intents that were returned."""
        taken, self._taken = self._taken, []
        for committed in taken:
            if not committed.done():
                committed.set_result(None)
