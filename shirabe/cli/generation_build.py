"""`shirabe index build`: the next generation beside the one that answers, or the unfinished one brought further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ingest.copying import Copied
from ingest.writing import Progress
from shirabe.cli.code_moves import move_out
from shirabe.cli.compose import Parts
from shirabe.cli.generation_candidates import candidate_of_both, candidate_of_one
from shirabe.cli.generation_change import Change, answering
from shirabe.cli.generation_models import ModelChoice
from shirabe.cli.live import is_settled
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import Settings
from shirabe.types import Failure


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: documents and chunks written, by source, and what could not be taken over.

    `together` is the candidate of the other index, where both are switched together. `answers`: it is no candidate, but
    the generation of the code index that answers, to which code was moved that was on its way back.
    """

    generation: str
    beside: str
    model: str
    dim: int
    sources: dict[str, Copied] = field(default_factory=dict)
    answers: bool = False
    together: str | None = None

    @property
    def failures(self) -> list[Failure]:
        """Every document that is not in it."""
        return [failure for copied in self.sources.values() for failure in copied.failures]


async def build(
    parts: Parts,
    settings: Settings,
    choice: ModelChoice,
    on_progress: Callable[[str, Progress], None],
    *,
    from_sources: bool = False,
    code: bool = False,
) -> BuildReport:
    """Build a candidate to where it has everything; from then on all that is written goes to it too.

    With `code` one of the code index. Where no code lies apart yet, and where code does and all is cut anew, it is one
    of either index, which are switched together.

    Raises: InvalidInput for a candidate that is otherwise, an alias of several, a name that is taken, and code that is
        on its way back; Unavailable when the candidate takes no writes, or its model is gone; Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        parts.catalogue_of(code=code)  # refuses `code` where no model is configured for it
        now = await answering(parts)
        if now.code is not None and not is_settled(now.code):
            if from_sources:
                raise InvalidInput(
                    f"code is on its way out of {now.code.name}: end that first, with `shirabe index rollback --code "
                    "--into-main`, or with `shirabe index build --code`, which takes it there again",
                    "--from-sources",
                )
            if code:
                moved = await move_out(parts, now.prose, now.code, on_progress)
                model, dim = str(now.code.meta["model"]), now.code.dim
                return BuildReport(now.code.name, now.prose.name, model, dim, moved, answers=True)
        both = from_sources if now.code is not None else code
        candidate = candidate_of_both if both else candidate_of_one
        change = await candidate(parts, settings, now, choice, from_sources=from_sources, code=code)
        report = _report(change, code=code)
        leader, follower = await parts.job.pair(now.prose.name, change.follower.name)
        for name in await parts.job.followers.names(leader, follower):
            copied = await parts.job.followers.build(
                leader, follower, name, partial(on_progress, name), from_source=from_sources
            )
            report.sources[name] = copied
            if copied.failures:
                await _require_writable(parts, change, copied.failures[0])
        for of_code, _, new in change.sides:
            if new is not None:
                await parts.catalogue_of(code=of_code).note(new, "built", failures=len(report.failures))
        return report


def _report(change: Change, *, code: bool) -> BuildReport:
    then, now = change.then, change.now
    made, other = (then.code, then.prose) if code and then.code is not None else (then.prose, then.code)
    beside = now.code if code and now.code is not None else now.prose
    together = other.name if change.of_both and other is not None else None
    return BuildReport(made.name, beside.name, str(made.meta["model"]), made.dim, together=together)


async def _require_writable(parts: Parts, change: Change, failure: Failure) -> None:
    """End a build whose candidate takes no writes at all. Raises: Unavailable, Timeout."""
    for of_code, _, new in change.sides:
        if new is not None and (blocks := await parts.catalogue_of(code=of_code).blocks(new)):
            raise Unavailable(
                f"{new.name} takes no writes ({', '.join(blocks)}): {failure.reason}; "
                f"{change.names[0]} is as it was, run the build again and it goes on"
            )
