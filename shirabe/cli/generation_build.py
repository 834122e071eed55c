"""`shirabe index build`: the next generation beside the one that answers, or the unfinished one brought further."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ingest.chunkers import CHUNKER_VERSION
from ingest.copying import Copied
from ingest.writing import Progress
from opensearch.analysis import ANALYZER_VERSION
from opensearch.catalogue import Catalogue
from opensearch.generations import Generation, serves
from opensearch.history import state_of
from opensearch.shape import recorded_shape
from shirabe.cli.code_index import HOLDS
from shirabe.cli.code_moves import move_out
from shirabe.cli.compose import Parts
from shirabe.cli.generation_models import ChosenModel, ModelChoice, chosen_model
from shirabe.cli.live import CHUNK_TOKENS, is_settled
from shirabe.errors import InvalidInput, Unavailable
from shirabe.settings import Settings
from shirabe.types import Failure

FROM_SOURCES = "from_sources"
"""Whether a generation was read from its sources: recorded in its `_meta`."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did: documents and chunks written, by source, and what could not be taken over.

    `answers`: it is no candidate, but the first generation of the code index, to which code was moved.
    """

    generation: str
    beside: str
    model: str
    dim: int
    sources: dict[str, Copied] = field(default_factory=dict)
    answers: bool = False

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

    With `code` one of the code index. The first of those is no candidate: it answers at once, and code is moved to it.

    Raises: InvalidInput for a candidate that is otherwise, an alias of several, a name that is taken; Unavailable when
        the candidate takes no writes, or its model is gone; Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        apart = await parts.index.code_answering()
        if apart is not None and from_sources:
            raise InvalidInput(
                f"code lies in {apart.name}, and both indices must be cut alike: take it back with `shirabe index "
                "rollback --code --into-main`, build, and move it out again with `shirabe index build --code`",
                "--from-sources",
            )
        catalogue, lead = parts.catalogue_of(code=code), await parts.catalogue.require_single()
        if code and (apart is None or not is_settled(apart)):
            made, moved = await move_out(parts, settings, lead, choice, on_progress)
            return BuildReport(made.name, lead.name, str(made.meta["model"]), made.dim, moved, answers=True)
        answering = await catalogue.require_single()
        model = await chosen_model(parts, settings, answering, choice)
        candidate = await _candidate(parts, settings, answering, model, catalogue, from_sources=from_sources)
        leader, follower = await parts.job.pair(lead.name, candidate.name)
        report = BuildReport(candidate.name, answering.name, model.info.name, model.info.dim)
        for name in await parts.job.followers.names(leader, follower):
            copied = await parts.job.followers.build(
                leader, follower, name, partial(on_progress, name), from_source=from_sources
            )
            report.sources[name] = copied
            if copied.failures and (blocks := await catalogue.blocks(candidate)):
                raise Unavailable(
                    f"{candidate.name} takes no writes ({', '.join(blocks)}): {copied.failures[0].reason}; "
                    f"{answering.name} is as it was, run the build again and it goes on"
                )
        await catalogue.note(candidate, "built", failures=len(report.failures))
        return report


async def _candidate(
    parts: Parts,
    settings: Settings,
    answering: Generation,
    model: ChosenModel,
    catalogue: Catalogue,
    *,
    from_sources: bool,
) -> Generation:
    """Return the candidate there is, if it is what is asked for, or a new one. Raises: InvalidInput."""
    chunk_tokens = settings.ingest.chunk_tokens if from_sources else parts.index.chunk_tokens(answering)
    chunker = CHUNKER_VERSION if from_sources else str(answering.meta["chunker_version"])
    wanted = {
        "chunker_version": chunker,
        "analyzer_version": ANALYZER_VERSION,
        CHUNK_TOKENS: chunk_tokens,
        FROM_SOURCES: from_sources,
        **await catalogue.shape(),
    }
    for generation in await catalogue.live():
        if state_of(generation, answering.name) != "candidate":
            continue
        recorded = {**generation.meta, **recorded_shape(generation.meta)}
        differing = [key for key, value in wanted.items() if recorded.get(key) != value]
        if not serves(generation, model.info):
            differing = ["model", *differing]
        if differing:
            raise InvalidInput(
                f"there is a candidate already, {generation.name}, of another {', '.join(differing)}: promote it, or "
                f"collect it with `shirabe index gc {generation.name}`; nothing was changed"
            )
        return generation
    facts = {**model.facts, CHUNK_TOKENS: chunk_tokens, FROM_SOURCES: from_sources}
    if HOLDS in answering.meta:
        facts[HOLDS] = answering.meta[HOLDS]
    return await catalogue.create(model.info, chunker, facts)
