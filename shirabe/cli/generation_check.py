"""`shirabe index verify`: a candidate held against the generation that answers, and the report that is kept of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from api.search import SearchPath
from evaluation.contents import SourceContents, compare_contents
from evaluation.gate import Check, Thresholds, checks_of, passes
from evaluation.judged import JudgedQuery
from evaluation.side_by_side import SideBySide, side_by_side
from opensearch.catalogue import Catalogue
from opensearch.generations import Generation
from opensearch.history import state_of
from shirabe.cli.compose import Parts
from shirabe.cli.output import plain
from shirabe.errors import InvalidInput, NotFound
from shirabe.protocols import Answering
from shirabe.settings import Settings

REPORTS = "reports"
_HOLD_S = 60.0


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """A candidate against the generation that answers. It passed when every check did."""

    candidate: str
    answering: str
    at: datetime
    passed: bool
    checks: Sequence[Check]
    sources: Mapping[str, SourceContents]
    queries: SideBySide
    thresholds: Thresholds
    file: Path


async def verify(
    parts: Parts,
    settings: Settings,
    name: str | None,
    judged: Sequence[JudgedQuery],
    logged: int,
    thresholds: Thresholds,
    on_progress: Callable[[int, int], None],
    *,
    code: bool = False,
) -> VerifyReport:
    """Compare contents and answers, keep the report, and record with the candidate whether it passed.

    With `code` a candidate of the code index; both are asked beside what answers in the other index.

    Raises: NotFound when there is no candidate; InvalidInput, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        catalogue, lead = parts.catalogue_of(code=code), await parts.catalogue.require_single()
        answering = await catalogue.require_single()
        candidate = await chosen_candidate(catalogue, answering, name)
        apart = await parts.index.code_answering()

        def searcher(generation: Generation) -> SearchPath:
            pair = (lead, generation) if code else (generation, apart)
            return _searcher(parts, settings, parts.index.whole(*pair))

        asked = await parts.catalogue.logged_queries(logged) if logged else []
        total, done = len(judged) + len(asked), 0

        def advance() -> None:
            nonlocal done
            done += 1
            on_progress(done, total)

        queries = await side_by_side(searcher(answering), searcher(candidate), judged, asked, advance)
        leader, follower = await parts.job.pair(lead.name, candidate.name)
        still: Callable[[str], AbstractAsyncContextManager[None]] = partial(
            parts.job.locks.hold_briefly, wait_s=_HOLD_S
        )
        contents = await compare_contents(
            catalogue.to_read(answering),
            catalogue.to_read(candidate),
            await parts.job.followers.names(leader, follower),
            still,
            chunks=leader.live.cuts_as(follower.live),
        )
        checks = checks_of(queries, contents, thresholds)
        at = datetime.now(UTC)
        file = settings.state_dir / REPORTS / f"{candidate.name}-{at:%Y%m%dT%H%M%SZ}.json"
        report = VerifyReport(
            candidate.name, answering.name, at, passes(checks), checks, contents, queries, thresholds, file
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(plain(report), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        failed = [check.name for check in checks if not check.passed]
        await catalogue.note(
            candidate, "verified", passed=report.passed, failed=failed, beside=answering.name, report=file.name
        )
        return report


async def chosen_candidate(catalogue: Catalogue, answering: Generation, name: str | None) -> Generation:
    """Return the candidate of this name, or the only one. Raises: NotFound, InvalidInput."""
    generations = await catalogue.live()
    candidates = [each for each in generations if state_of(each, answering.name) == "candidate"]
    if name is not None:
        candidates = [each for each in generations if each.name == name and each.name != answering.name]
    if not candidates:
        raise NotFound(f"no candidate {name or ''}".rstrip() + ": build one with `shirabe index build`")
    if len(candidates) > 1:
        raise InvalidInput(f"name one of the candidates: {', '.join(each.name for each in candidates)}")
    return candidates[0]


def _searcher(parts: Parts, settings: Settings, whole: Answering) -> SearchPath:
    reranker = parts.models if settings.models.reranker else None
    return SearchPath(whole.store, whole.embedder, reranker, settings.search, code=whole.code)
