"""Turning the code index on and off where code is indexed already: all of it moves, chunk by chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from ingest.copying import Copied
from ingest.moving import MOVED, leave_out, move, move_source
from ingest.writing import Progress
from opensearch.generations import Generation
from shirabe.cli.code_index import first_generation
from shirabe.cli.compose import Parts
from shirabe.cli.generation_models import ModelChoice
from shirabe.errors import InvalidInput
from shirabe.settings import Settings

_HOLD_S = 60.0
Tell = Callable[[str, Progress], None]


async def move_out(
    parts: Parts, settings: Settings, lead: Generation, choice: ModelChoice, on_progress: Tell
) -> tuple[Generation, dict[str, Copied]]:
    """Move all code out of the first index, into the first generation of the code index; tell what was moved.

    Each chunk is found all the while, in one of the two. Ended by whatever means, the next move goes on.

    Raises: InvalidInput when another model is asked for than is configured, or nobody serves it; Unavailable,
        Overloaded, Timeout.
    """
    if choice != ModelChoice():
        raise InvalidInput("the first generation is built by `models.code.model`, on its own server")
    shelf = parts.catalogue_of(code=True)
    made = await shelf.answering_or_none()
    if made is None:
        made = await first_generation(shelf, lead, parts.servers, settings, parts.code_models_url, settled=False)
    origins = {each.name: parts.catalogue.to_read(each) for each in await parts.catalogue.live()}
    leader, *others = await parts.job.live()
    moved: dict[str, Copied] = {}
    for name in await parts.job.followers.names(leader):
        tell = partial(_tell, on_progress, name)
        moved[name] = await move_source(leader, origins[lead.name], parts.job.locks, name, tell)
        for other in others:
            # It is a pair with the same code index: what it has of code itself would be found twice.
            await leave_out(other, origins[other.live.name], parts.job.locks, name)
    await leader.store.refresh()
    await shelf.note(made, "built")
    return made, moved


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
