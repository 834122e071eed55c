"""How a cluster stands to the plan: what is there, what is missing, what it cannot have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opensearch.plugin.census import take_census
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.facts import Facts
from opensearch.plugin.install import install
from opensearch.plugin.outcome import Done, Outcome
from opensearch.plugin.plan import Plan
from shirabe.errors import InvalidInput

State = Literal["there", "missing", "differs", "superseded", "unchecked"]
_STATES: Mapping[Done, State] = {"unchanged": "there", "made": "missing", "changed": "differs", "kept": "superseded"}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing of ours."""

    state: State
    kind: str
    name: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A cluster, what of ours it holds, what it lacks, what stands in the way, and what should be done."""

    version: str
    rows: tuple[Row, ...]
    skipped: Mapping[str, str]
    conflicts: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything that can be there is."""
        return not self.conflicts and all(row.state in ("there", "superseded") for row in self.rows)

    def plain(self) -> Mapping[str, Any]:
        """Return it for programs."""
        return {
            "version": self.version,
            "installed": self.whole,
            "resources": self.rows,
            "skipped": self.skipped,
            "conflicts": self.conflicts,
            "advice": self.advice,
        }


async def read_status(cluster: Cluster, facts: Facts, plan: Plan | None) -> Status:
    """Compare a cluster with a plan; without one (no model server is known) only list what is ours.

    Raises: Forbidden, Unavailable, Timeout.
    """
    version = f"{facts.distribution} {facts.version}"
    told: list[Outcome] = []
    if plan is not None:
        try:
            end = await install(cluster, facts, plan, told.append, dry_run=True)
        except InvalidInput as error:
            return Status(version, await _listed(cluster, facts), plan.skipped, (error.message,))
        rows = tuple(Row(_STATES[one.done], one.kind, one.name, one.note) for one in told)
        return Status(version, rows, end.skipped, advice=end.advice)
    return Status(version, await _listed(cluster, facts), {}, tuple(facts.refusals()))


async def _listed(cluster: Cluster, facts: Facts) -> tuple[Row, ...]:
    census = await take_census(cluster, facts.components)
    return tuple(Row("unchecked", shelf.title, found.name, found.description) for shelf, found in census.ours())
