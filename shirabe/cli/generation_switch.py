"""`shirabe index promote`, `rollback`, `gc` and `ls`: which generation answers, and which are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opensearch.catalogue import Size
from opensearch.generations import Generation
from opensearch.history import ITSELF, State, events_of, idle_since, last_event, state_of
from opensearch.shape import recorded_shape
from shirabe.cli.compose import Parts
from shirabe.cli.generation_change import (
    Change,
    Together,
    bonds,
    partner,
    require_nothing_else,
    to_candidate,
    to_previous,
)
from shirabe.cli.generation_models import drop_models
from shirabe.errors import Forbidden, InvalidInput, NotFound
from shirabe.settings import Settings

_HOLD_S = 30.0


@dataclass(frozen=True, slots=True)
class Switched:
    """Which generation answered, and which answers now; `lacking` documents are read again from their sources."""

    before: str
    now: str
    forced: bool
    lacking: int


@dataclass(frozen=True, slots=True)
class Row:
    """One generation as `index ls` shows it. `behind` is the number of documents it lacks of the answering one.

    `together` is the generation of the other index that it is switched together with.
    """

    name: str
    state: State
    model: str
    model_revision: str
    dim: int
    chunker_version: str
    analyzer_version: str
    compression: str
    user_dictionary: str
    japanese: str
    documents: int
    chunks: int
    bytes: int
    behind: int
    together: str | None
    built: str | None
    verified: str | None
    passed: bool | None
    promoted: str | None
    forced: bool
    history: Sequence[object]


async def promote(parts: Parts, name: str | None, *, force: bool, max_age: timedelta, code: bool = False) -> Switched:
    """Have the candidate answer, with `code` in the code index. Without `force` only past the gate.

    Raises: NotFound; Forbidden when it is not past the gate, InvalidInput, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        change = await to_candidate(parts, name, code=code)
        reason = _not_past_the_gate(change, max_age)
        if reason and not force:
            raise Forbidden(f"{change.names[1]} is not promoted: {reason}; nothing was changed")
        return await _switch(parts, change, back=False, force=force, why=reason)


async def rollback(parts: Parts, *, force: bool, code: bool = False) -> Switched:
    """Have the generation answer again that did before, with `code` in the code index.

    Raises: NotFound when there is none any more; InvalidInput, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        return await _switch(parts, await to_previous(parts, code=code), back=True, force=force, why="")


async def collect(
    parts: Parts, settings: Settings, names: Sequence[str], grace: timedelta, *, dry_run: bool, code: bool = False
) -> list[str]:
    """Delete the generations named, or those that nothing became of for the grace time; return which.

    With `code` those of the code index. What is switched together goes together.

    Raises: NotFound, InvalidInput for the one that answers, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        now = await _answering(parts)
        mine = now.code if code else now.prose
        if mine is not None and mine.name in names:
            raise InvalidInput(f"{mine.name} answers; it cannot be collected, nothing was changed")
        others = await parts.catalogue_of(code=code).others(mine)
        known = {each.name: each for each in others}
        if unknown := [name for name in names if name not in known]:
            raise NotFound(f"no generation {unknown[0]!r}; there are {', '.join(sorted(known)) or 'no others'}")
        chosen = [known[name] for name in names] if names else [each for each in others if _is_old(each, grace)]
        bound = await bonds(parts, now)
        partners = [other for each in chosen if (other := partner(bound, each)) is not None]
        doomed = [*chosen, *partners]
        if not dry_run and doomed:
            await _delete(parts, doomed)
            left = [*await parts.catalogue.others(None), *await parts.index.code_others(None)]
            await drop_models(parts, settings, left)
        return [generation.name for generation in doomed]


async def rows(parts: Parts, *, code: bool = False) -> list[Row]:
    """Return every generation, the one that answers first; with `code` those of the code index.

    Raises: InvalidInput, Unavailable, Timeout.
    """
    catalogue, now = parts.catalogue_of(code=code), await _answering(parts)
    mine = now.code if code else now.prose
    listed = [*([mine] if mine is not None else []), *await catalogue.others(mine)]
    sizes = await catalogue.sizes() if listed else {}
    bound = await bonds(parts, now)
    return [await _row(parts, now, generation, sizes, partner(bound, generation), code=code) for generation in listed]


async def _answering(parts: Parts) -> Together:
    """Return what answers, also behind an alias of several, where one of them is marked to be written to."""
    return Together(await parts.catalogue.answering(), await parts.index.code_answering())


async def _switch(parts: Parts, change: Change, *, back: bool, force: bool, why: str) -> Switched:
    now, then = change.now, change.then
    if change.of_both:
        await require_nothing_else(parts, now, then)
    leader, follower = await parts.job.pair(now.prose.name, change.follower.name)
    # What the first index is known to hold counts for whichever code generation answers: none may lack a document.
    async with parts.job.followers.caught_up(leader, follower, force=force and change.of_prose) as lacking:
        if change.of_both:
            # Before the switch: from then on they are to be written as one.
            await parts.catalogue.note(now.prose, "joined", code=now.partner)
        elif not change.of_prose and now.code is not None:
            await parts.job.followers.remember(leader, now.code.uuid)
        await parts.catalogue.switch(change.turns(parts))
    forced = force and bool(why or lacking)
    await _note(parts, change, back=back, forced=forced, why=why if forced else "", lacking=lacking)
    return Switched(*change.names, forced, lacking)


async def _note(parts: Parts, change: Change, *, back: bool, **facts: object) -> None:
    """Record with each generation what became of it."""
    for code, old, new in change.sides:
        catalogue, before, now = parts.catalogue_of(code=code), _name(old), _name(new)
        together: dict[str, object] = {"code": change.now.partner} if change.of_both and not code else {}
        if new is not None and back:
            await catalogue.note(new, "restored", after=before, **facts)
        elif new is not None:
            await catalogue.note(new, "promoted", before=before, **facts)
        if old is not None and back:
            await catalogue.note(old, "rolled back", to=now, **together)
        elif old is not None:
            await catalogue.note(old, "replaced", by=now, **together)


def _name(generation: Generation | None) -> str:
    return ITSELF if generation is None else generation.name


def _not_past_the_gate(change: Change, max_age: timedelta) -> str:
    """Return why a candidate may not answer; nothing when it may."""
    answers, _ = change.names
    verified = last_event(change.follower, "built", "verified")
    if verified is None or verified["event"] == "built":
        return "it was not verified since it was built: run `shirabe index verify`"
    if not verified["passed"]:
        return f"it did not pass: {', '.join(verified['failed'])}"
    if verified["beside"] != answers:
        return f"it was held against {verified['beside']}, and {answers} answers now"
    age = datetime.now(UTC) - datetime.fromisoformat(verified["at"])
    return f"it was verified {age.total_seconds() / 3600:.0f} hours ago: verify it again" if age > max_age else ""


def _is_old(generation: Generation, grace: timedelta) -> bool:
    since = idle_since(generation)
    return since is None or datetime.now(UTC) - since >= grace


async def _delete(parts: Parts, doomed: Sequence[Generation]) -> None:
    """Delete generations while nobody writes."""
    leader, *_ = await parts.job.live()
    async with AsyncExitStack() as stack:
        for name in await parts.job.followers.names(leader):
            await stack.enter_async_context(parts.job.locks.hold_briefly(name, _HOLD_S))
        await parts.catalogue.delete(doomed)
        for generation in doomed:
            await asyncio.to_thread(parts.job.forget, generation.uuid)


async def _row(
    parts: Parts, now: Together, generation: Generation, sizes: dict[str, Size], other: Generation | None, *, code: bool
) -> Row:
    catalogue, mine = parts.catalogue_of(code=code), now.code if code else now.prose
    behind = 0
    if mine is None or generation.name != mine.name:
        behind = await _behind(parts, now, other if code and other is not None else generation)
    counts = await catalogue.to_read(generation).counts()
    created, verified = last_event(generation, "created"), last_event(generation, "verified")
    built, promoted = last_event(generation, "built"), last_event(generation, "promoted")
    size = sizes.get(generation.name, Size(0, 0))
    meta = generation.meta
    return Row(
        name=generation.name,
        state=state_of(generation, _name(mine)),
        model=meta["model"],
        model_revision=meta["model_revision"],
        dim=generation.dim,
        chunker_version=meta["chunker_version"],
        analyzer_version=meta["analyzer_version"],
        **recorded_shape(meta),
        documents=sum(documents for documents, _ in counts.values()),
        chunks=sum(chunks for _, chunks in counts.values()),
        bytes=size.bytes,
        behind=behind,
        together=None if other is None else other.name,
        built=(built or created or {}).get("at"),
        verified=(verified or {}).get("at"),
        passed=(verified or {}).get("passed"),
        promoted=(promoted or {}).get("at"),
        forced=bool((promoted or {}).get("forced")),
        history=events_of(generation),
    )


async def _behind(parts: Parts, now: Together, known_as: Generation) -> int:
    try:
        leader, follower = await parts.job.pair(now.prose.name, known_as.name)
    except NotFound:
        # Nothing is written to it: what it is switched together with is not there.
        return sum(documents for documents, _ in (await parts.index.store_of(now.prose, now.code).counts()).values())
    return sum(len(each) for each in (await parts.job.followers.lacking(leader, follower)).values())
