"""Blocks are cut by count and bytes, kept until they are done, and the desk hands them out by number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from ingest.backfill import Pool, pool_of, window_of
from ingest.block import Block, Limits, OpenBlocks, blocks_of
from ingest.desk import Desk
from ingest.plan import Work
from shirabe.types import Document, document_id


def work(path: str, size: int = 10) -> Work:
    document = Document(
        doc_id=document_id("docs", path),
        source_id="docs",
        path=path,
        uri=path,
        title=path,
        content=b"x" * size,
        media_type="text/plain",
        revision="1",
        updated_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return Work(path, document.doc_id, document)


class Stream:
    """Works one by one; `read` counts them, `closed` says that the reader let go."""

    def __init__(self, works: Sequence[Work]) -> None:
        self._works = works
        self.read = 0
        self.closed = False

    async def __call__(self) -> AsyncIterator[Work]:
        try:
            for item in self._works:
                self.read += 1
                yield item
        finally:
            self.closed = True


async def cut(works: Sequence[Work], limits: Limits) -> list[list[str]]:
    return [[item.path for item in block.works] async for block in blocks_of(Stream(works)(), limits)]


@pytest.mark.parametrize(
    ("sizes", "limits", "expected"),
    [
        ([1] * 5, Limits(2, 100), [["0", "1"], ["2", "3"], ["4"]]),
        ([40, 40, 40], Limits(10, 100), [["0", "1"], ["2"]]),
        ([10, 500, 10], Limits(10, 100), [["0"], ["1"], ["2"]]),
        ([50, 50, 1], Limits(10, 100), [["0", "1"], ["2"]]),
        ([], Limits(), []),
    ],
    ids=["by count", "by bytes", "one that is too large", "exactly full", "nothing"],
)
async def test_blocks_are_cut_by_count_and_by_bytes(
    sizes: list[int], limits: Limits, expected: list[list[str]]
) -> None:
    works = [work(str(number), size) for number, size in enumerate(sizes)]
    assert await cut(works, limits) == expected


async def test_what_goes_weighs_nothing_and_numbers_follow_the_order() -> None:
    works = [Work(str(number), "id", None) for number in range(3)]
    blocks = [block async for block in blocks_of(Stream(works)(), Limits(2, 1))]
    assert [(block.number, len(block.works)) for block in blocks] == [(0, 2), (1, 1)]


async def test_no_more_is_read_than_the_block_in_hand_needs_and_the_source_is_let_go() -> None:
    stream = Stream([work(str(number)) for number in range(100)])
    blocks = blocks_of(stream(), Limits(3, 1_000))
    await anext(blocks)
    assert stream.read == 4
    await blocks.aclose()  # type: ignore[attr-defined]
    assert stream.closed


def test_a_block_is_done_with_its_last_document() -> None:
    blocks = OpenBlocks()
    blocks.begin(Block(0, (work("a"), work("b"))))
    blocks.begin(Block(1, (work("c"),)))
    assert [blocks.finish(path) for path in ("a", "c", "b")] == [None, 1, 0]
    assert len(blocks) == 0
    assert blocks.finish("a") is None


async def test_the_desk_gives_a_block_again_until_it_is_dropped() -> None:
    desk = Desk()
    waiting = asyncio.create_task(desk.take(0))
    await desk.put(Block(0, (work("a"),)))
    assert (await waiting) is not None
    assert (await desk.take(0)) is not None
    after = asyncio.create_task(desk.take(1))
    await desk.end(1)
    assert await after is None
    await desk.drop(0)
    assert desk._blocks == {}


async def test_a_worker_waits_until_the_ledger_has_its_intents() -> None:
    desk = Desk()
    intents = [("a.md", "a", ["a-0"]), ("b.md", "b", ["b-0"])]
    workers = [asyncio.create_task(desk.intend([intent])) for intent in intents]
    seen: list[tuple[str, str, list[str]]] = []
    while len(seen) < len(intents):
        seen += await desk.intents()
    assert sorted(seen) == intents
    assert not any(worker.done() for worker in workers)
    await desk.commit()
    await asyncio.gather(*workers)
    late = asyncio.create_task(desk.intend([("c.md", "c", [])]))
    assert await desk.intents() == [("c.md", "c", [])]
    assert not late.done(), "an earlier commit must not let a later writer go"
    await desk.commit()
    await late


@pytest.mark.parametrize(
    ("cpus", "share", "pool"),
    [(1.9, 0.5, Pool(1, 0.95)), (16, 0.5, Pool(8, 1.0)), (16, 0.125, Pool(2, 1.0)), (0, 0.5, Pool(1, 0.01))],
)
def test_pools_are_sized_by_what_is_free(cpus: float, share: float, pool: Pool) -> None:
    assert pool_of(cpus, share) == pool


def test_the_window_grows_with_the_cluster() -> None:
    assert window_of(1.9) == 8
    assert window_of(64) == 256
