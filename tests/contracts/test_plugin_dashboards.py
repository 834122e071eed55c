"""Saved objects through Dashboards' own API: imported once, read back, and never over somebody else's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from fake_dashboards import FakeDashboards
from fake_opensearch_plugins import listening

from opensearch.plugin.outcome import Outcome
from opensearch.plugin.saved_objects import Dashboards
from shirabe.errors import InvalidInput
from shirabe.settings import OpenSearchSettings

OBJECTS = b"\n".join(
    json.dumps(row).encode()
    for row in (
        {"type": "index-pattern", "id": "shirabe-chunks", "attributes": {"title": "shirabe-chunks"}, "references": []},
        {"type": "dashboard", "id": "shirabe-users", "attributes": {"title": "Search users"}, "references": []},
        {"exportedCount": 2, "missingRefCount": 0, "missingReferences": []},
    )
)


@pytest.fixture
async def dashboards() -> AsyncIterator[tuple[FakeDashboards, Dashboards]]:
    fake = FakeDashboards()
    async with listening(fake):
        opened = Dashboards(fake.url, OpenSearchSettings())
        yield fake, opened
        await opened.close()


async def test_saved_objects_are_imported_read_back_and_taken_away(
    dashboards: tuple[FakeDashboards, Dashboards],
) -> None:
    fake, opened = dashboards
    told: list[Outcome] = []
    await opened.install(OBJECTS, told.append, dry_run=True)
    assert [one.done for one in told] == ["made", "made"] and fake.objects == {}
    await opened.install(OBJECTS, told.append)
    assert set(fake.objects) == {("index-pattern", "shirabe-chunks"), ("dashboard", "shirabe-users")}
    await opened.install(OBJECTS, told.append)
    assert fake.imports == 1 and [one.done for one in told[-2:]] == ["unchanged", "unchanged"]
    await opened.remove(OBJECTS, told.append)
    assert fake.objects == {} and [one.name for one in told[-2:]] == [
        "dashboard shirabe-users",
        "index-pattern shirabe-chunks",
    ]


async def test_an_import_that_wrote_nothing_is_not_believed(dashboards: tuple[FakeDashboards, Dashboards]) -> None:
    fake, opened = dashboards
    fake.swallowed = {"shirabe-users"}
    with pytest.raises(InvalidInput, match="said that it imported dashboard shirabe-users, and does not have it"):
        await opened.install(OBJECTS, lambda _: None)


async def test_a_saved_object_of_another_is_named_and_left(dashboards: tuple[FakeDashboards, Dashboards]) -> None:
    fake, opened = dashboards
    theirs = {"type": "dashboard", "id": "shirabe-users", "attributes": {"title": "Sales"}}
    fake.objects["dashboard", "shirabe-users"] = theirs
    assert await opened.taken(OBJECTS) == [
        "the saved object dashboard shirabe-users is there already as 'Sales' and is not ours"
    ]
    await opened.remove(OBJECTS, lambda _: None)
    assert fake.objects == {("dashboard", "shirabe-users"): theirs}
