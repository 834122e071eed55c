"""State and snapshot policies on clusters where indexes are under them already, and where others have theirs."""

from __future__ import annotations

from typing import Any

import pytest
from fake_opensearch_plugins import FakeOpenSearch
from plugin_fakes import cluster, fake, put, take_back

from opensearch.plugin.cluster import Cluster
from shirabe.errors import InvalidInput, Unavailable

__all__ = ["cluster", "fake"]

LOGS = "shirabe-logs"
OLDER: dict[str, Any] = {"policy_id": LOGS, "description": "Made by shirabe plugin install: older", "states": []}


async def test_indexes_get_the_policy_that_changed_and_are_let_go_with_it(
    fake: FakeOpenSearch, cluster: Cluster
) -> None:
    fake.kept["_ism"] = {LOGS: {"seq": 7, "body": OLDER}}
    theirs = ("theirs", {"states": ["of another"]})
    fake.managed = {"ubi_queries-000001": (LOGS, OLDER), "metrics-1": theirs, "ubi_events-000001": (LOGS, OLDER)}
    outcomes, _ = await put(cluster)
    assert [one.done for one in outcomes if one.name == LOGS] == ["changed"]
    now = (LOGS, fake.kept["_ism"][LOGS]["body"])
    assert now[1]["default_state"] == "kept"
    assert fake.managed == {"ubi_queries-000001": now, "metrics-1": theirs, "ubi_events-000001": now}
    again, _ = await put(cluster)
    assert {one.done for one in again} == {"unchanged"}
    await take_back(cluster)
    assert fake.managed == {"metrics-1": theirs}, "an index goes on with a policy that is deleted"


@pytest.mark.parametrize(("pattern", "priority", "refused"), [("ubi_*", 100, True), ("ubi_*", 101, False)])
async def test_a_policy_of_others_for_the_same_logs_is_known_before(
    pattern: str, priority: int, refused: bool, fake: FakeOpenSearch, cluster: Cluster
) -> None:
    template = {"index_patterns": [pattern], "priority": priority}
    fake.kept["_ism"] = {"audit": {"seq": 1, "body": {"policy_id": "audit", "ism_template": [template]}}}
    if refused:
        with pytest.raises(InvalidInput, match=r"nothing was changed: the index state policy audit is for ubi_\* too"):
            await put(cluster)
        assert fake.writes == []
        return
    await put(cluster)
    assert LOGS in fake.kept["_ism"]


async def test_policies_without_a_template_are_nobody_s_rivals(fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.kept["_ism"] = {"by-hand": {"seq": 1, "body": {"policy_id": "by-hand", "ism_template": None}}}
    await put(cluster)
    assert set(fake.kept["_ism"]) == {"by-hand", LOGS}


async def test_a_repository_that_is_not_there_is_known_before(fake: FakeOpenSearch, cluster: Cluster) -> None:
    fake.repositories = ()
    with pytest.raises(InvalidInput, match="nothing was changed: there is no snapshot repository backups"):
        await put(cluster)
    assert fake.writes == []


async def test_a_list_that_cannot_be_read_is_not_taken_for_an_empty_one(fake: FakeOpenSearch, cluster: Cluster) -> None:
    await put(cluster)
    fake.unreadable, writes = True, len(fake.writes)
    for act in (put, take_back):
        with pytest.raises(Unavailable, match="Failed to parse snapshot management policy"):
            await act(cluster)
    assert len(fake.writes) == writes
    fake.unreadable = False
    await take_back(cluster)
    assert not fake.kept["_sm"]
