"""Issues are kept true: what changed, what is gone, what a webhook tells of, and what a service lets us ask."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fake_github import FakeGitHub
from fake_gitlab import FakeGitLab
from issue_sources import Clock, Opened, listed, read, source_of

from ingest.collectors.issues import events_of, issues_folder, remember
from ingest.collectors.issues import snapshot as snapshots
from shirabe.errors import InvalidInput, Overloaded, Unavailable
from shirabe.types import Delete, Upsert


async def test_lists_are_read_to_their_end(hub: FakeGitHub, lab: FakeGitLab, opened: Opened) -> None:
    for number in range(1, 12):
        hub.open(f"issue {number}", pull=number % 3 == 0)
        lab.open(f"issue {number}", kind="merge_requests" if number % 3 == 0 else "issues")
    for number in range(10):
        hub.comment(1, f"comment {number}")
        lab.note("issues", 1, f"comment {number}")
    found = await read(opened(hub))
    assert len(found) == 11
    assert "comment 9" in found["issues/1"].content.decode()
    assert {path.partition("/")[0] for path in found} == {"issues", "pulls"}
    hub_texts = found["issues/1"].content.decode().count("## bob")
    found = await read(opened(lab))
    assert len(found) == 11
    assert found["issues/1"].content.decode().count("## bob") == hub_texts == 10
    assert any("/projects/group%2Fsub%2Fdemo/issues?" in path for path in lab.requests)
    lab.keyset = True
    lab.requests.clear()
    assert len(await read(opened(lab, compare_minutes=0))) == 11
    assert [path for path in lab.requests if "pagination=keyset" in path and "cursor=3" in path]
    assert not [path for path in lab.requests if "/issues?" in path and "pagination=keyset" not in path]


@pytest.mark.parametrize("service", ["github", "gitlab"])
async def test_a_look_without_changes_costs_nothing(
    hub: FakeGitHub, lab: FakeGitLab, opened: Opened, service: str
) -> None:
    fake: FakeGitHub | FakeGitLab = hub if service == "github" else lab
    fake.open("one")
    fake.open("two")
    clock = Clock()
    collector = opened(fake, clock)
    first = await collector.head()
    assert len([change async for change in collector.changes(None, first)]) == 2
    await collector.head()
    fake.requests.clear()
    assert await collector.head() == first
    lists = [path for path in fake.requests if "?" in path]
    assert len(lists) == (1 if service == "github" else 2) == fake.not_modified
    assert all("since=" in path or "updated_after=" in path for path in lists)
    # What changes is read, and nothing else.
    if isinstance(fake, FakeGitHub):
        fake.edit(2, title="second")
    else:
        fake.edit("issues", 2, title="second")
    fake.requests.clear()
    assert list(await listed(collector, first)) == ["issues/2"]
    assert not any("/issues/1" in path for path in fake.requests)


async def test_what_was_deleted_or_transferred_goes_with_the_next_comparison(hub: FakeGitHub, opened: Opened) -> None:
    for number in range(1, 6):
        hub.open(f"issue {number}")
    clock = Clock()
    collector = opened(hub, clock, compare_minutes=30)
    first = await collector.head()
    hub.delete(2)
    hub.transfer(3, "octo/elsewhere")
    second = await collector.head()
    assert second == first
    for gone in ("issues/2", "issues/3"):
        assert isinstance(await collector.get(gone, second), Delete)
    clock.now += timedelta(minutes=30)
    third = await collector.head()
    changes = await listed(collector, first)
    assert {path: type(change) for path, change in changes.items()} == {"issues/2": Delete, "issues/3": Delete}
    assert set(await collector.paths(third)) == {"issues/1", "issues/4", "issues/5"}


async def test_a_deleted_comment_goes_with_the_next_comparison(hub: FakeGitHub, opened: Opened) -> None:
    hub.open("one")
    hub.comment(1, "to be regretted")
    collector = opened(hub, compare_minutes=0)
    first = await collector.head()
    assert "regretted" in (await read(collector))["issues/1"].content.decode()
    del hub.side["issues/1/comments"]
    hub.issues[1]["comments"] = 0
    change = (await listed(collector, first))["issues/1"]
    assert isinstance(change, Upsert)
    assert "regretted" not in change.document.content.decode()


async def test_a_run_that_the_limit_cut_short_goes_on_where_it_was(
    hub: FakeGitHub, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 8):
        hub.open(f"issue {number}")
    collector = opened(hub)
    head = await collector.head()
    hub.remaining, hub.reset = 7, int(datetime.now(UTC).timestamp()) + 3_000
    with pytest.raises(Overloaded) as told:
        [change async for change in collector.changes(None, head)]
    assert 2_900 < told.value.retry_after_s <= 3_000
    hub.remaining = None
    hub.requests.clear()
    assert len([change async for change in collector.changes(None, head)]) == 7
    # Three were read before, each with two requests, and at most one more was under way.
    assert len(hub.requests) <= 2 * 5
    hub.requests.clear()
    assert len(await collector.paths(head)) == 7
    assert hub.requests == []
    monkeypatch.setattr(snapshots, "READ_AGAIN", timedelta(0))
    assert len(await collector.paths(head)) == 7
    assert len(hub.requests) == 14


async def test_a_server_that_asks_for_time_gets_it(hub: FakeGitHub, lab: FakeGitLab, opened: Opened) -> None:
    hub.open("one")
    lab.open("one")
    hub.faults.extend([(502, {}, ""), (429, {"Retry-After": "0"}, "slow"), (403, {"Retry-After": "0"}, "abuse")])
    assert set(await read(opened(hub))) == {"issues/1"}
    past = str(int(datetime.now(UTC).timestamp()) - 1)
    limit = {"RateLimit-Remaining": "0", "RateLimit-Reset": past}
    lab.faults.extend([(429, {"Retry-After": "0", **limit}), (429, limit)])
    assert set(await read(opened(lab))) == {"issues/1"}
    hub.faults.extend([(403, {}, "You have exceeded a secondary rate limit. Please wait.")] * 4)
    impatient = opened(hub, compare_minutes=0)
    impatient._limits = dataclasses.replace(impatient._limits, longest_wait_s=1)
    with pytest.raises(Overloaded) as told:
        await impatient.head()
    assert told.value.retry_after_s == 60


async def test_a_renamed_repository_keeps_its_documents(hub: FakeGitHub, opened: Opened) -> None:
    hub.open("one")
    collector = opened(hub)
    first = await collector.head()
    hub.name, hub.former = "octo/renamed", hub.name
    hub.issues[1]["repository_url"] = f"https://api.github.com/repos/{hub.name}"
    changes = await listed(collector, first)
    assert [(type(change), path) for path, change in changes.items()] == [(Upsert, "issues/1")]
    change = changes["issues/1"]
    assert isinstance(change, Upsert)
    assert change.document.meta["above"] == ("octo/renamed",)


async def test_what_a_webhook_tells_of_is_looked_at_at_once(hub: FakeGitHub, tmp_path: Path, opened: Opened) -> None:
    for number in range(1, 5):
        hub.open(f"issue {number}", pull=number == 4)
    collector, source = opened(hub), source_of(hub)
    first = await collector.head()
    hub.delete(2)
    hub.transfer(3, "octo/elsewhere")
    for event in (
        {"action": "deleted", "issue": {"number": 2}},
        {"action": "transferred", "issue": {"number": 3}},
        {"action": "deleted", "issue": {"number": 4, "pull_request": {}}, "comment": {"id": 1}},
        {"action": "ping"},
    ):
        remember(source, tmp_path, events_of(json.dumps(event).encode()))
    assert {path: type(change) for path, change in (await listed(collector, first)).items()} == {
        "issues/2": Delete,
        "issues/3": Delete,
    }
    assert list(issues_folder(tmp_path, "s", source.location).glob("told-*")) == []


@pytest.mark.parametrize(
    ("event", "paths"),
    [
        ({"issue": {"number": 3}}, {"issues/3"}),
        ({"pull_request": {"number": 3}, "review": {}}, {"pulls/3"}),
        ({"issue": {"number": 3, "pull_request": {}}, "comment": {}}, {"pulls/3"}),
        ({"object_kind": "issue", "object_attributes": {"iid": 4}}, {"issues/4"}),
        ({"object_kind": "merge_request", "object_attributes": {"iid": 5}}, {"merge_requests/5"}),
        ({"object_kind": "note", "object_attributes": {"id": 6}, "merge_request": {"iid": 7}}, {"merge_requests/7"}),
        ({"issue": {"number": "../../x"}, "pull_request": [], "merge_request": {"iid": -1}}, set()),
    ],
)
def test_events_name_what_they_are_about(event: dict[str, Any], paths: set[str]) -> None:
    assert events_of(json.dumps(event).encode()) == paths


def test_what_is_no_event_is_refused() -> None:
    for body in (b"payload=%7B%7D", b"[]", b"[" * 100_000):
        with pytest.raises(InvalidInput):
            events_of(body)


async def test_a_list_without_an_end_is_left(hub: FakeGitHub, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.open("one")
    again = {"Link": f'<{hub.url}/repos/octo/demo/issues?page=1>; rel="next"'}

    def endless(request: web.Request, rows: Any) -> web.Response:
        return web.json_response(rows, headers=again)

    monkeypatch.setattr(hub, "paged", endless)
    with pytest.raises(Unavailable, match="has no end"):
        await opened(hub).head()
    monkeypatch.setattr(hub, "paged", lambda request, rows: web.json_response({"message": "odd"}))
    with pytest.raises(Unavailable, match="is no list"):
        await opened(hub).head()
