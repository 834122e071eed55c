"""What is on the cluster under names that begin with ours."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from opensearch.plugin.change import Record
from opensearch.plugin.cluster import Cluster
from opensearch.plugin.plan import RECORD_NAME, record_read, recorded_model
from opensearch.plugin.shelves import RECORD, SHELVES, Found, Shelf
from shirabe.errors import Forbidden, Unavailable


@dataclass(frozen=True, slots=True)
class Census:
    """Shelf title -> what is on it."""

    found: Mapping[str, tuple[Found, ...]]

    def named(self, shelf: Shelf, name: str) -> tuple[Found, ...]:
        """Return what stands under a name."""
        return tuple(one for one in self.found.get(shelf.title, ()) if one.name == name)

    def ours(self) -> Iterator[tuple[Shelf, Found]]:
        """Yield what is ours, in the order in which it is made."""
        for shelf in SHELVES:
            for one in self.found.get(shelf.title, ()):
                if one.ours:
                    yield shelf, one

    @property
    def record(self) -> Record | None:
        """What an install remembered; None when there was none."""
        found = self._record()
        return None if found is None else record_read(found.value)

    @property
    def model(self) -> tuple[str, str] | None:
        """The model and revision that the pipelines were made for; None when nothing is installed."""
        found = self._record()
        return None if found is None else recorded_model(found.value)

    def _record(self) -> Found | None:
        return next((one for one in self.named(RECORD, RECORD_NAME) if one.ours), None)


async def take_census(cluster: Cluster, components: Collection[str]) -> Census:
    """List every shelf that the cluster has. Raises: Forbidden, InvalidInput, Unavailable, Timeout."""
    found = {}
    for shelf in SHELVES:
        if shelf.needs is None or shelf.needs in components:
            found[shelf.title] = await read_shelf(cluster, shelf)
    return Census(found)


async def read_shelf(cluster: Cluster, shelf: Shelf) -> tuple[Found, ...]:
    """List one shelf. Raises: Forbidden, InvalidInput, Unavailable, Timeout."""
    try:
        return tuple(shelf.entries(await cluster.ask(shelf.listing)))
    except (KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"the cluster's list of {shelf.title}s is not understood: {error!r}") from error
    except Forbidden as error:
        # A workbench that is switched off refuses everybody; it is switched on before anything is put there.
        if shelf.needs == "opensearch-search-relevance" and "is disabled" in error.message:
            return ()
        raise
