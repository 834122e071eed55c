"""Blocks: the documents that travel together through a cluster, cut by count and by bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ingest.plan import Work
from ingest.streams import closing


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a block gets; one document that is larger is a block by itself."""

    documents: int = 64
    content_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """Documents to bring into the index, numbered from 0 in the order in which they were read."""

    number: int
    works: tuple[Work, ...]


class OpenBlocks:
    """The blocks on their way. One is done when all of its documents are."""

    def __init__(self) -> None:
        self._paths: dict[int, set[str]] = {}
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def begin(self, block: Block) -> None:
        """Note a block that is sent."""
        self._paths[block.number] = {work.path for work in block.works}
        self._numbers |= {work.path: block.number for work in block.works}

    def finish(self, path: str) -> int | None:
        """Note that a document is settled or failed; return its block's number when that is now done."""
        number = self._numbers.pop(path, None)
        if number is None:
            return None
        paths = self._paths[number]
        paths.discard(path)
        if paths:
            return None
        del self._paths[number]
        return number


async def blocks_of(works: AsyncIterator[Work], limits: Limits) -> AsyncIterator[Block]:
    """Cut a stream of documents into blocks."""
    number, held, size = 0, list[Work](), 0
    async with closing(works) as stream:
        async for work in stream:
            weight = len(work.document.content) if work.document is not None else 0
            if held and (len(held) >= limits.documents or size + weight > limits.content_bytes):
                yield Block(number, tuple(held))
                number, held, size = number + 1, [], 0
            held.append(work)
            size += weight
    if held:
        yield Block(number, tuple(held))
