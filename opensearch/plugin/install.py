"""Bringing a cluster to what the plan says: everything is checked, then each thing is written and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opensearch.plugin.calls import Call, Ref, resolved
from opensearch.plugin.census import Census, read_shelf, take_census
from opensearch.plugin.change import overruled, record_of, wanted_settings
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.conflicts import other_conflicts, oversized, taken_names
from opensearch.plugin.facts import Facts, read_facts
from opensearch.plugin.guards import closed_guards
from opensearch.plugin.managed import renewals
from opensearch.plugin.marks import agrees
from opensearch.plugin.outcome import Done, Outcome, Tell
from opensearch.plugin.plan import Plan, record_thing
from opensearch.plugin.shelves import INGEST_PIPELINE, Found, Thing
from opensearch.plugin.stale import foreign_facade, stale_indexes
from shirabe.errors import InvalidInput, ShirabeError, Unavailable

SETTINGS = "cluster settings"


@dataclass(frozen=True, slots=True)
class Installed:
    """The end of an install: what was left out and why, and what the reader of it should do next."""

    skipped: Mapping[str, str]
    advice: tuple[str, ...]


async def install(
    cluster: Cluster,
    facts: Facts,
    plan: Plan,
    tell: Tell,
    *,
    dry_run: bool = False,
    refused: Sequence[str] = (),
    supersede: bool = False,
) -> Installed:
    """Carry out a plan, telling each outcome as it is known; with `dry_run` only tell. `refused`: what else forbids it.

    The pipelines move to another model only where no index holds vectors of the one before, or to `supersede` them.

    What is as wanted is left alone, so a second run changes nothing, and one that was cut off goes on.

    Raises: InvalidInput naming everything that stands in the way, before anything is written; Forbidden, Unavailable,
        Timeout, with what was done before told.
    """
    _refuse(facts.refusals())
    census = await take_census(cluster, facts.components)
    settings = wanted_settings(plan.served, facts, workbench=plan.fills_workbench)
    record = record_thing(record_of(settings, plan.served, facts, census.record), plan.served)
    things = (record, *plan.things)
    refusals = [*taken_names(things, census), *oversized(plan, facts), *overruled(settings, facts), *refused]
    refusals += await other_conflicts(cluster, plan)
    stale = await stale_indexes(cluster, plan.served)
    if not supersede and census.model != (plan.served.name, plan.served.revision):
        refusals += [f"{one}, or give --supersede, and search it by its words only" for one in stale]
    _refuse(refusals)
    work = _Work(cluster, census, {}, tell, dry_run)
    try:
        await work.place(record)
        await work.set(settings)
        for thing in closed_guards(census.found[INGEST_PIPELINE.title], plan.served):
            await work.place(thing)
        for thing in plan.things:
            await work.place(thing)
    except ShirabeError as error:
        # The same kind of error, so that it is shown and exits as itself.
        error.message += f" ({work.written} writes were done before; the same command goes on from there)"
        error.args = (error.message, *error.args[1:])
        raise
    work.tell_superseded(things)
    return Installed(plan.skipped, (*stale, *await foreign_facade(cluster, plan.served, plan.alias)))


class _Work:
    """One run: what was there, and the ids known so far."""

    def __init__(self, cluster: Cluster, census: Census, ids: dict[Ref, str], tell: Tell, dry_run: bool) -> None:
        self._cluster = cluster
        self._census = census
        self._ids = ids
        self._tell = tell
        self._dry_run = dry_run
        self.written = 0

    async def place(self, thing: Thing) -> None:
        """Make a thing as wanted, or find that it is."""
        shelf = thing.shelf
        there = self._census.named(shelf, thing.name)
        same = [found for found in there if thing.as_wanted(found, self._ids)]
        if ready := [found for found in same if shelf.ready(found.value)]:
            self._ids[thing.ref] = ready[0].ident
            self._tell(Outcome("unchanged", shelf.title, thing.name))
            return
        # Where a write replaces, it takes what is there; elsewhere what is the same and not ready is mended.
        anew = shelf.several and shelf.superseded == "deleted"
        candidates = [] if anew else same or ([] if shelf.several else list(there))
        base = candidates[0] if candidates else None
        if base is not None:
            self._ids[thing.ref] = base.ident  # it keeps its id, in a dry run too
        calls: list[Call] = []
        if anew:
            calls += [call for found in there for call in shelf.take(found)]
        write = shelf.write(thing.name, resolved(thing.body, self._ids), base)
        calls += [write, *await renewals(self._cluster, shelf, base)]
        if not self._dry_run:
            await self._write(thing, calls, base)
        done: Done = "changed" if base is not None or calls != [write] else "made"
        self._tell(Outcome(done, shelf.title, thing.name, calls=tuple(calls)))

    async def set(self, settings: Mapping[str, Any]) -> None:
        """Write persistent settings, and see that they are in force."""
        if not settings:
            self._tell(Outcome("unchanged", SETTINGS, "ml-commons"))
            return
        call = Call("PUT", "/_cluster/settings", {"persistent": dict(settings)})
        if not self._dry_run:
            await self._cluster.ask(call)
            self.written += 1

            async def in_force() -> bool:
                return agrees(settings, (await read_facts(self._cluster)).settings)

            await self._cluster.settled(in_force, SETTINGS)
        self._tell(Outcome("changed", SETTINGS, ", ".join(settings), calls=(call,)))

    def tell_superseded(self, things: Sequence[Thing]) -> None:
        """Tell what of ours stays although nothing refers to it any more."""
        for thing in things:
            if not thing.shelf.several or thing.shelf.superseded != "kept":
                continue
            for found in self._census.named(thing.shelf, thing.name):
                if found.ident != self._ids.get(thing.ref) and not thing.as_wanted(found, self._ids):
                    note = f"{found.ident}: {found.description}"
                    self._tell(Outcome("kept", thing.shelf.title, thing.name, note))

    async def _write(self, thing: Thing, calls: Sequence[Call], base: Found | None) -> None:
        answer = None
        for call in calls:
            answer = await self._sent(thing, call)
            self.written += 1
        if base is None:
            self._ids[thing.ref] = thing.shelf.ident(thing.name, answer)
        ident = self._ids[thing.ref]

        async def as_written() -> bool:
            rows = await read_shelf(self._cluster, thing.shelf)
            return any(
                found.ident == ident and thing.as_wanted(found, self._ids) and thing.shelf.ready(found.value)
                for found in rows
            )

        await self._cluster.settled(as_written, f"the {thing.shelf.title} {thing.name}")

    async def _sent(self, thing: Thing, call: Call) -> Any:
        """Send a call, again while the cluster says that it comes too early."""
        early, answers = thing.shelf.early, []

        async def taken() -> bool:
            try:
                answers.append(await self._cluster.ask(call))
            except Unavailable as error:
                if early and early in error.message:
                    return False
                raise
            return True

        await self._cluster.settled(taken, f"the {thing.shelf.title} {thing.name}")
        return answers[0]


def _refuse(refusals: Sequence[str]) -> None:
    if refusals:
        raise InvalidInput("nothing was changed: " + "; ".join(refusals))
