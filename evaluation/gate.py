"""The gate before a promotion: the thresholds, and what passes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.contents import SourceContents
from evaluation.side_by_side import COMPARED, SideBySide

GROUP_LOSS: Final = "nDCG@10"
SMALLEST_GROUP: Final = 10
"""Fewer queries say nothing of a language or a kind."""
SLACK_MS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a candidate may lose: means of measures overall, and nDCG@10 in any language or kind; and the rest.

    `max_slower` bounds the p95 as a multiple of the answering one's, with a slack for machines that are busy.
    """

    max_loss: float = 0.02
    max_group_loss: float = 0.05
    min_overlap: float = 0.3
    max_slower: float = 1.5
    max_missing: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was held against its bound."""

    name: str
    value: float
    bound: float
    passed: bool


def checks_of(found: SideBySide, contents: Mapping[str, SourceContents], bounds: Thresholds) -> list[Check]:
    """Return every check; the candidate may answer when all are passed.

    Quality that nobody measured is not taken on trust: without a query there is a check, and it fails.
    """
    checks = [
        _at_most(f"{what} ids", sum(getattr(each, what) for each in contents.values()), bounds.max_missing)
        for what in ("missing", "extra", "altered")
    ]
    asked = found.logged + (found.judged.queries if found.judged else 0)
    checks.append(_at_least("queries asked", asked, 1))
    if found.judged is not None:
        checks += [
            _at_most(f"loss of {name}", -found.judged.measures[name].difference, bounds.max_loss) for name in COMPARED
        ]
        for label, groups in (("language", found.by_lang), ("kind", found.by_kind)):
            for name, group in groups.items():
                if group.queries >= SMALLEST_GROUP:
                    lost = -group.measures[GROUP_LOSS].difference
                    checks.append(_at_most(f"loss of {GROUP_LOSS}, {label} {name}", lost, bounds.max_group_loss))
    if found.overlap is not None:
        checks.append(_at_least("overlap@10 of logged queries", found.overlap, bounds.min_overlap))
    if found.answering_ms is not None and found.candidate_ms is not None:
        slowest = max(found.answering_ms.p95 * bounds.max_slower, found.answering_ms.p95 + SLACK_MS)
        checks.append(_at_most("p95 ms", found.candidate_ms.p95, slowest))
    return checks


def passes(checks: Sequence[Check]) -> bool:
    """Tell whether all are passed."""
    return all(check.passed for check in checks)


def _at_most(name: str, value: float, bound: float) -> Check:
    return Check(name, round(float(value), 4), round(float(bound), 4), value <= bound + 1e-9)


def _at_least(name: str, value: float, bound: float) -> Check:
    return Check(name, round(float(value), 4), round(float(bound), 4), value >= bound - 1e-9)
