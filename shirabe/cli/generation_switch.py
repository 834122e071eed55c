"""`shirabe index promote`, `rollback`, `gc` and `ls`: which generation answers, and which are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opensearch.catalogue import Catalogue, Size
from opensearch.generations import Generation
from opensearch.history import State, events_of, idle_since, last_event, state_of
from opensearch.shape import recorded_shape
from shirabe.cli.compose import Parts
from shirabe.cli.generation_check import chosen_candidate
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
    """One generation as `index ls` shows it. `behind` is the number of documents it lacks of the answering one."""

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
        catalogue = parts.catalogue_of(code=code)
        answering = await catalogue.require_single()
        candidate = await chosen_candidate(catalogue, answering, name)
        reason = _not_past_the_gate(candidate, answering, max_age)
        if reason and not force:
            raise Forbidden(f"{candidate.name} is not promoted: {reason}; nothing was changed")
        return await _switch(parts, answering, candidate, back=False, force=force, why=reason, code=code)


async def rollback(parts: Parts, *, force: bool, code: bool = False) -> Switched:
    """Have the generation answer again that did before, with `code` in the code index.

    Raises: NotFound when there is none any more; InvalidInput, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        catalogue = parts.catalogue_of(code=code)
        answering = await catalogue.require_single()
        last = last_event(answering, "promoted")
        name = str(last["before"]) if last is not None else None
        known = {each.name: each for each in await catalogue.live()}
        if name is None or name not in known:
            raise NotFound(f"there is no generation before {answering.name} to go back to; nothing was changed")
        return await _switch(parts, answering, known[name], back=True, force=force, why="", code=code)


async def collect(
    parts: Parts, settings: Settings, names: Sequence[str], grace: timedelta, *, dry_run: bool, code: bool = False
) -> list[str]:
    """Delete the generations named, or those that nothing became of for the grace time; return which.

    With `code` those of the code index.

    Raises: NotFound, InvalidInput for the one that answers, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        catalogue = parts.catalogue_of(code=code)
        answering, *others = await catalogue.live()
        if answering.name in names:
            raise InvalidInput(f"{answering.name} answers; it cannot be collected, nothing was changed")
        known = {each.name: each for each in others}
        if unknown := [name for name in names if name not in known]:
            raise NotFound(f"no generation {unknown[0]!r}; there are {', '.join(sorted(known)) or 'no others'}")
        doomed = [known[name] for name in names] if names else [each for each in others if _is_old(each, grace)]
        if not dry_run and doomed:
            await _delete(parts, catalogue, doomed)
            await drop_models(parts, settings, [*await parts.catalogue.live(), *await parts.index.code_live()])
        return [generation.name for generation in doomed]


async def rows(parts: Parts, *, code: bool = False) -> list[Row]:
    """Return every generation, the one that answers first; with `code` those of the code index.

    Raises: InvalidInput, Unavailable, Timeout.
    """
    catalogue = parts.catalogue_of(code=code)
    if code and await catalogue.answering_or_none() is None:
        return []
    answering, *others = await catalogue.live()
    sizes = await catalogue.sizes()
    found = [await _row(parts, catalogue, answering, answering, sizes)]
    return found + [await _row(parts, catalogue, generation, answering, sizes) for generation in others]


async def _switch(
    parts: Parts, old: Generation, new: Generation, *, back: bool, force: bool, why: str, code: bool
) -> Switched:
    catalogue, lead = parts.catalogue_of(code=code), await parts.catalogue.answering()
    leader, follower = await parts.job.pair(lead.name, new.name)
    # What the first index is known to hold counts for whichever code generation answers: none may lack a document.
    async with parts.job.followers.caught_up(leader, follower, force=force and not code) as lacking:
        if code:
            await parts.job.followers.remember(leader, old.uuid)
        await catalogue.switch(old, new)
    forced = force and bool(why or lacking)
    facts = {"forced": forced, "why": why if forced else "", "lacking": lacking}
    if back:
        await catalogue.note(new, "restored", after=old.name, **facts)
        await catalogue.note(old, "rolled back", to=new.name)
    else:
        await catalogue.note(new, "promoted", before=old.name, **facts)
        await catalogue.note(old, "replaced", by=new.name)
    return Switched(old.name, new.name, forced, lacking)


def _not_past_the_gate(candidate: Generation, answering: Generation, max_age: timedelta) -> str:
    """Return why a candidate may not answer; nothing when it may."""
    verified = last_event(candidate, "built", "verified")
    if verified is None or verified["event"] == "built":
        return "it was not verified since it was built: run `shirabe index verify`"
    if not verified["passed"]:
        return f"it did not pass: {', '.join(verified['failed'])}"
    if verified["beside"] != answering.name:
        return f"it was held against {verified['beside']}, and {answering.name} answers now"
    age = datetime.now(UTC) - datetime.fromisoformat(verified["at"])
    return f"it was verified {age.total_seconds() / 3600:.0f} hours ago: verify it again" if age > max_age else ""


def _is_old(generation: Generation, grace: timedelta) -> bool:
    since = idle_since(generation)
    return since is None or datetime.now(UTC) - since >= grace


async def _delete(parts: Parts, catalogue: Catalogue, doomed: Sequence[Generation]) -> None:
    """Delete generations while nobody writes."""
    leader, *_ = await parts.job.live()
    async with AsyncExitStack() as stack:
        for name in await parts.job.followers.names(leader):
            await stack.enter_async_context(parts.job.locks.hold_briefly(name, _HOLD_S))
        for generation in doomed:
            await catalogue.delete(generation)
            await asyncio.to_thread(parts.job.forget, generation.uuid)


async def _row(
    parts: Parts, catalogue: Catalogue, generation: Generation, answering: Generation, sizes: dict[str, Size]
) -> Row:
    behind = 0
    if generation is not answering:
        lead = await parts.catalogue.answering()
        leader, follower = await parts.job.pair(lead.name, generation.name)
        behind = sum(len(each) for each in (await parts.job.followers.lacking(leader, follower)).values())
    counts = await catalogue.to_read(generation).counts()
    created, verified = last_event(generation, "created"), last_event(generation, "verified")
    built, promoted = last_event(generation, "built"), last_event(generation, "promoted")
    size = sizes.get(generation.name, Size(0, 0))
    meta = generation.meta
    return Row(
        name=generation.name,
        state=state_of(generation, answering.name),
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
        built=(built or created or {}).get("at"),
        verified=(verified or {}).get("at"),
        passed=(verified or {}).get("passed"),
        promoted=(promoted or {}).get("at"),
        forced=bool((promoted or {}).get("forced")),
        history=events_of(generation),
    )
