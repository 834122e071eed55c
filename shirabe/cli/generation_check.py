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
from evaluation.contents import Held, SourceContents, compare_contents
from evaluation.gate import Check, Thresholds, checks_of, passes
from evaluation.judged import JudgedQuery
from evaluation.side_by_side import SideBySide, side_by_side
from shirabe.cli.compose import Parts
from shirabe.cli.generation_change import Change, Together, to_candidate
from shirabe.cli.output import plain
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

    With `code` a candidate of the code index. Either side is asked whole: what answers now in both indices, and what
    would.

    Raises: NotFound when there is no candidate; InvalidInput, Unavailable, Overloaded, Timeout.
    """
    async with parts.job.locks.hold_generations():
        change = await to_candidate(parts, name, code=code)
        now, then = (_searcher(parts, settings, each) for each in (change.now, change.then))
        asked = await parts.catalogue.logged_queries(logged) if logged else []
        total, done = len(judged) + len(asked), 0

        def advance() -> None:
            nonlocal done
            done += 1
            on_progress(done, total)

        queries = await side_by_side(now, then, judged, asked, advance)
        leader, follower = await parts.job.pair(change.now.prose.name, change.follower.name)
        still: Callable[[str], AbstractAsyncContextManager[None]] = partial(
            parts.job.locks.hold_briefly, wait_s=_HOLD_S
        )
        answering, candidate = _compared(parts, change)
        contents = await compare_contents(
            answering,
            candidate,
            await parts.job.followers.names(leader, follower),
            still,
            chunks=leader.live.cuts_as(follower.live),
        )
        checks = checks_of(queries, contents, thresholds)
        at = datetime.now(UTC)
        beside, named = change.names
        file = settings.state_dir / REPORTS / f"{change.follower.name}-{at:%Y%m%dT%H%M%SZ}.json"
        report = VerifyReport(named, beside, at, passes(checks), checks, contents, queries, thresholds, file)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(plain(report), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        failed = [check.name for check in checks if not check.passed]
        facts = {"passed": report.passed, "failed": failed, "beside": beside, "report": file.name}
        for of_code, _, new in change.sides:
            if new is not None:
                await parts.catalogue_of(code=of_code).note(new, "verified", **facts)
        return report


def _compared(parts: Parts, change: Change) -> list[Held]:
    """Return what is compared, now and then: the index that changes, or all of both."""
    if change.of_both:
        return [parts.index.store_of(each.prose, each.code) for each in (change.now, change.then)]
    ((code, *pair),) = change.sides
    return [parts.catalogue_of(code=code).to_read(each) for each in pair if each is not None]


def _searcher(parts: Parts, settings: Settings, together: Together) -> SearchPath:
    whole = parts.index.whole(together.prose, together.code)
    reranker = parts.models if settings.models.reranker else None
    return SearchPath(whole.store, whole.embedder, reranker, settings.search, code=whole.code)
