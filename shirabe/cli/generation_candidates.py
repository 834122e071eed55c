"""The candidate of a build: of one index, or of both where they are switched together. Found again, or made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ingest.chunkers import CHUNKER_VERSION
from opensearch.analysis import ANALYZER_VERSION
from opensearch.generations import Generation, serves
from opensearch.history import partner_of, state_of
from opensearch.shape import recorded_shape
from shirabe.cli.code_index import CODE, HOLDS, configured_model
from shirabe.cli.compose import Parts
from shirabe.cli.generation_change import Change, Together, bonds, partner, require_nothing_else
from shirabe.cli.generation_models import ChosenModel, ModelChoice, chosen_model
from shirabe.cli.live import CHUNK_TOKENS
from shirabe.errors import InvalidInput
from shirabe.settings import Settings

FROM_SOURCES: Final = "from_sources"
"""Whether a generation was read from its sources: recorded in its `_meta`."""


async def candidate_of_one(
    parts: Parts, settings: Settings, now: Together, choice: ModelChoice, *, from_sources: bool, code: bool
) -> Change:
    """Return the change to a candidate of one index; the other index stays as it is.

    Raises: InvalidInput for a candidate that is otherwise, or a name that is taken; Unavailable, Timeout.
    """
    mine = now.code if code and now.code is not None else now.prose
    model = await chosen_model(parts, settings, mine, choice)
    cut = _cut(parts, settings, now, from_sources=from_sources)
    catalogue, bound = parts.catalogue_of(code=code), await bonds(parts, now)
    made = _candidate(await catalogue.others(mine))
    if made is None:
        facts = model.facts | cut | ({HOLDS: CODE} if code else {})
        name = await catalogue.next_name()
        made = await catalogue.create(name, model.info, str(cut["chunker_version"]), facts, beside=mine.name)
    else:
        goes_with = partner(bound, made)
        wanted = {**cut, **await catalogue.shape()}
        _require_same(made, model, wanted, ["partner"] if goes_with or partner_of(made) else [])
    return Change(now, Together(now.prose, made) if code else Together(made, now.code))


async def candidate_of_both(
    parts: Parts, settings: Settings, now: Together, choice: ModelChoice, *, from_sources: bool, code: bool
) -> Change:
    """Return the change to a candidate of either index, which are cut alike; `choice` is of `code`.

    The one of the first index is made first and names the other: whatever ends this in between, it goes on.

    Raises: InvalidInput for candidates that are otherwise, for what else there is, or a name that is taken;
        Unavailable, Timeout.
    """
    mine = await chosen_model(parts, settings, now.prose, ModelChoice() if code else choice)
    if now.code is None:
        if choice != ModelChoice():
            raise InvalidInput("the first generation is built by `models.code.model`, on its own server")
        its = ChosenModel(*await configured_model(parts.servers, settings, parts.code_models_url))
    else:
        its = await chosen_model(parts, settings, now.code, choice if code else ModelChoice())
    cut = _cut(parts, settings, now, from_sources=from_sources)
    wanted = {**cut, **await parts.catalogue.shape()}
    shelf, chunker = parts.catalogue_of(code=True), str(cut["chunker_version"])
    of_code = {each.name: each for each in await shelf.others(now.code)}
    prose = _candidate(await parts.catalogue.others(now.prose))
    if prose is not None:
        _require_same(prose, mine, wanted, [] if partner_of(prose) else ["partner"])
    apart = of_code.get(partner_of(prose) or "") if prose is not None else None
    if apart is not None:
        _require_same(apart, its, wanted, [])
    await require_nothing_else(parts, now, *([Together(prose, apart)] if prose is not None else []))
    if prose is None:
        name, partner_name = await parts.catalogue.next_name(), await shelf.next_name()
        about = {"beside": now.prose.name, "code": partner_name}
        prose = await parts.catalogue.create(name, mine.info, chunker, mine.facts | cut, **about)
    if apart is None:
        name = str(partner_of(prose))
        apart = await shelf.create(name, its.info, chunker, its.facts | cut | {HOLDS: CODE}, beside=now.partner)
    return Change(now, Together(prose, apart))


def _cut(parts: Parts, settings: Settings, now: Together, *, from_sources: bool) -> dict[str, Any]:
    """Return what a candidate records of how its documents are cut and analysed."""
    return {
        "chunker_version": CHUNKER_VERSION if from_sources else str(now.prose.meta["chunker_version"]),
        "analyzer_version": ANALYZER_VERSION,
        CHUNK_TOKENS: settings.ingest.chunk_tokens if from_sources else parts.index.chunk_tokens(now.prose),
        FROM_SOURCES: from_sources,
    }


def _candidate(others: Sequence[Generation]) -> Generation | None:
    return next((each for each in others if state_of(each, "") == "candidate"), None)


def _require_same(made: Generation, model: ChosenModel, wanted: dict[str, Any], differing: Sequence[str]) -> None:
    """Refuse to go on with a candidate that is not what is asked for. Raises: InvalidInput."""
    recorded = {**made.meta, **recorded_shape(made.meta)}
    found = [*differing, *(key for key, value in wanted.items() if recorded.get(key) != value)]
    if not serves(made, model.info):
        found = ["model", *found]
    if found:
        raise InvalidInput(
            f"there is a candidate already, {made.name}, of another {', '.join(found)}: promote it, or "
            f"collect it with `shirabe index gc {made.name}`; nothing was changed"
        )
