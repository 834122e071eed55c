"""What answers now and what would: one generation of either index, or one of both that are switched together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opensearch.catalogue import Turn
from opensearch.generations import Generation
from opensearch.history import ITSELF, events_of, last_event, partner_of, state_of
from shirabe.cli.compose import Parts
from shirabe.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Together:
    """A generation of the first index, and the one of the code index beside it; None: code lies in the first."""

    prose: Generation
    code: Generation | None

    @property
    def name(self) -> str:
        """The name of both, as answers name what they come from."""
        return " + ".join(each.name for each in (self.prose, self.code) if each is not None)

    @property
    def partner(self) -> str:
        """What the one of the first index notes of the other."""
        return ITSELF if self.code is None else self.code.name


@dataclass(frozen=True, slots=True)
class Change:
    """What answers `now`, and what would answer `then`: one index has another generation, or both have."""

    now: Together
    then: Together

    @property
    def of_prose(self) -> bool:
        """Whether the first index has another generation."""
        return self.now.prose.name != self.then.prose.name

    @property
    def of_both(self) -> bool:
        """Whether both indices change, in one step."""
        return self.of_prose and self.now.partner != self.then.partner

    @property
    def follower(self) -> Generation:
        """The generation that what is written is known under until it answers, and whose history counts."""
        return self.then.prose if self.of_prose or self.then.code is None else self.then.code

    @property
    def names(self) -> tuple[str, str]:
        """What is named as before and after: both of a pair where both change."""
        if self.of_both:
            return self.now.name, self.then.name
        ((_, old, new),) = self.sides
        return old.name if old else ITSELF, new.name if new else ITSELF

    @property
    def sides(self) -> list[tuple[bool, Generation | None, Generation | None]]:
        """Each index that changes: whether it is that of code, what answers there, and what would."""
        found: list[tuple[bool, Generation | None, Generation | None]] = []
        if self.of_prose:
            found.append((False, self.now.prose, self.then.prose))
        if self.now.partner != self.then.partner:
            found.append((True, self.now.code, self.then.code))
        return found

    def turns(self, parts: Parts) -> list[Turn]:
        """Return what the switch does to the aliases. Raises: InvalidInput."""
        return [Turn(parts.catalogue_of(code=code).alias, old, new) for code, old, new in self.sides]


async def answering(parts: Parts) -> Together:
    """Return what answers, behind aliases of one each. Raises: InvalidInput, Unavailable, Timeout."""
    prose = await parts.catalogue.require_single()
    return Together(prose, await parts.code.require_single_or_none() if parts.code is not None else None)


async def to_candidate(parts: Parts, name: str | None, *, code: bool) -> Change:
    """Return the change to the candidate of this name, or to the only one; `code`: of the code index.

    Raises: NotFound when there is none, or what it is switched together with is gone; InvalidInput, Unavailable,
        Timeout.
    """
    now = await answering(parts)
    catalogue, mine = parts.catalogue_of(code=code), now.code if code else now.prose
    others = await catalogue.others(mine)
    chosen = [each for each in others if (each.name == name if name else state_of(each, "") == "candidate")]
    if not chosen:
        raise NotFound(f"no candidate {name or ''}".rstrip() + ": build one with `shirabe index build`")
    if len(chosen) > 1:
        raise InvalidInput(f"name one of the candidates: {', '.join(each.name for each in chosen)}")
    return await _change(parts, now, chosen[0], code=code)


async def to_previous(parts: Parts, *, code: bool) -> Change:
    """Return the change back to what answered before.

    Raises: NotFound when there is none any more; InvalidInput, Unavailable, Timeout.
    """
    now = await answering(parts)
    catalogue = parts.catalogue_of(code=code)
    mine = now.code if code else now.prose
    if mine is None:
        raise NotFound("no code lies apart; nothing was changed")
    known = await parts.catalogue.others(now.prose)
    last = last_event(mine, "promoted")
    before = None if last is None else str(last["before"])
    if last is None:
        # Whoever switched to it may have been ended before that could be noted: what answered before says so.
        prose = next((each for each in known if events_of(each) and events_of(each)[-1]["event"] == "joined"), None)
    else:
        prose = next((each for each in known if before == ITSELF and partner_of(each) == ITSELF), None)
    if prose is not None:
        return await _change(parts, now, prose, code=False)
    for each in await catalogue.others(mine):
        if each.name == before:
            return await _change(parts, now, each, code=code)
    hint = "; `--into-main` takes all code back into the first index" if code else ""
    raise NotFound(f"there is no generation before {mine.name} to go back to; nothing was changed{hint}")


async def require_nothing_else(parts: Parts, *kept: Together) -> None:
    """Refuse to change both indices at once while there are generations that go with one of them alone.

    Raises: InvalidInput naming them; Unavailable, Timeout.
    """
    known = {each.name for pair in kept for each in (pair.prose, pair.code) if each is not None}
    found = [*await parts.catalogue.others(None), *await parts.index.code_others(None)]
    if others := [each.name for each in found if each.name not in known]:
        raise InvalidInput(
            f"both indices are switched together: collect what else there is first ({', '.join(sorted(others))}), "
            "with `shirabe index gc`; nothing was changed"
        )


async def bonds(parts: Parts, now: Together) -> list[tuple[Generation, Generation]]:
    """Return the generations of the first index and of the code index that are switched together; none answers.

    Raises: Unavailable, Timeout.
    """
    of_code = {each.name: each for each in await parts.index.code_others(now.code)}
    found = [(prose, of_code.get(partner_of(prose) or ITSELF)) for prose in await parts.catalogue.others(now.prose)]
    return [(prose, each) for prose, each in found if each is not None]


def partner(bound: Sequence[tuple[Generation, Generation]], generation: Generation) -> Generation | None:
    """Return what a generation is switched together with, None where it goes alone."""
    for one, other in bound:
        if generation.name in (one.name, other.name):
            return other if generation.name == one.name else one
    return None


async def _change(parts: Parts, now: Together, chosen: Generation, *, code: bool) -> Change:
    other = partner(await bonds(parts, now), chosen)
    if other is not None:
        return Change(now, Together(other, chosen) if code else Together(chosen, other))
    if code:
        if now.code is None:
            raise NotFound(
                f"nothing is there that {chosen.name} was made for: collect it with `shirabe index gc --code`"
            )
        return Change(now, Together(now.prose, chosen))
    its = partner_of(chosen)
    if its not in (None, ITSELF, now.partner):
        raise NotFound(f"{its}, which has the code of {chosen.name}, is gone: collect it with `shirabe index gc`")
    return Change(now, Together(chosen, None if its == ITSELF else now.code))
