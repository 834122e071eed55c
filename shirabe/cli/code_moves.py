"""Taking code back into the first index: all of it moves, chunk by chunk. What has moved can go out again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from ingest.copying import Copied
from ingest.moving import MOVED, move, move_source
from ingest.writing import Progress
from opensearch.generations import Generation
from shirabe.cli.compose import Parts
from shirabe.errors import InvalidInput

_HOLD_S = 60.0
Tell = Callable[[str, Progress], None]


async def move_out(parts: Parts, lead: Generation, code: Generation, on_progress: Tell) -> dict[str, Copied]:
    """Move out again what a move back, which did not come to its end, has taken into the first index; tell what.

    Each chunk is found all the while, in one of the two. Ended by whatever means, the next move goes on.

    Raises: Unavailable, Overloaded, Timeout.
    """
    origin = parts.catalogue.to_read(lead)
    leader, *_ = await parts.job.live()
    moved: dict[str, Copied] = {}
    for name in await parts.job.followers.names(leader):
        moved[name] = await move_source(leader, origin, parts.job.locks, name, partial(_tell, on_progress, name))
    await leader.store.refresh()
    await parts.catalogue_of(code=True).note(code, "built")
    return moved


async def move_back(parts: Parts, on_progress: Tell) -> tuple[str, str]:
    """Move all code back into the first index, and delete the code index; return the names of both.

    Raises: InvalidInput while there are generations that would not have it; Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        shelf, lead = parts.catalogue_of(code=True), await parts.catalogue.require_single()
        code = await shelf.require_single()
        _, *others = [*await shelf.live(), *(await parts.catalogue.live())[1:]]
        if others:
            listed = ", ".join(each.name for each in others)
            raise InvalidInput(f"collect what else there is first ({listed}), with `shirabe index gc`")
        await shelf.note(code, "emptying")
        leader, *_ = await parts.job.live()
        whole = replace(leader, live=await parts.index.live_of(lead, code, apart=False))
        origin = shelf.to_read(code)
        names = await parts.job.followers.names(leader)
        for name in names:
            await move_source(whole, origin, parts.job.locks, name, partial(_tell, on_progress, name))
        async with AsyncExitStack() as stack:
            for name in names:
                await stack.enter_async_context(parts.job.locks.hold_briefly(name, _HOLD_S))
            await origin.refresh()
            for name in names:
                rest = await origin.code_chunks(name)
                for start in range(0, len(rest), MOVED):
                    await move(whole, name, rest[start : start + MOVED])
            await whole.store.refresh()
            await shelf.end(code)
        await asyncio.to_thread(parts.job.forget, code.uuid)
        return code.name, lead.name


def _tell(on_progress: Tell, name: str, done: int, total: int) -> None:
    on_progress(name, Progress(done, total, done, 0, 0))
