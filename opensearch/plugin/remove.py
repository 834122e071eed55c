"""Taking back everything that is ours, and the settings as they were."""

from __future__ import annotations

from opensearch.plugin.calls import Call
from opensearch.plugin.census import read_shelf, take_census
from opensearch.plugin.change import restored_settings
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.facts import Facts, read_facts
from opensearch.plugin.install import SETTINGS
from opensearch.plugin.managed import releases
from opensearch.plugin.outcome import Outcome, Tell
from opensearch.plugin.shelves import RECORD, Found, Shelf
from opensearch.plugin.stale import template_indexes


async def remove(cluster: Cluster, facts: Facts, tell: Tell, *, dry_run: bool = False) -> None:
    """Take everything of ours away, the last made first; documents and indexes stay. The model server is not asked.

    The record goes last: a run that was cut off still knows what to restore.

    Raises: InvalidInput, Forbidden, Unavailable, Timeout.
    """
    census = await take_census(cluster, facts.components)
    ours = list(census.ours())
    for shelf, found in reversed(ours):
        if shelf is not RECORD:
            await _take(cluster, shelf, found, tell, dry_run)
    if (record := census.record) is not None:
        if settings := restored_settings(record, facts):
            call = Call("PUT", "/_cluster/settings", {"persistent": settings})
            if not dry_run:
                await cluster.ask(call)

                async def restored() -> bool:
                    return not restored_settings(record, await read_facts(cluster))

                await cluster.settled(restored, SETTINGS)
            tell(Outcome("changed", SETTINGS, ", ".join(settings), "as they were before", (call,)))
        for shelf, found in ours:
            if shelf is RECORD:
                await _take(cluster, shelf, found, tell, dry_run)
    for index in sorted(await template_indexes(cluster)):
        note = "made from the template; it still names the ingest pipelines, so it takes no writes with them"
        tell(Outcome("left", "index", index, note))


async def _take(cluster: Cluster, shelf: Shelf, found: Found, tell: Tell, dry_run: bool) -> None:
    calls = (*await releases(cluster, shelf, found), *shelf.take(found))
    if not dry_run:
        for call in calls:
            await cluster.ask(call)

        async def gone() -> bool:
            return all(other.ident != found.ident for other in await read_shelf(cluster, shelf))

        await cluster.settled(gone, f"that the {shelf.title} {found.name} is gone")
    tell(Outcome("removed", shelf.title, found.name, calls=calls))
