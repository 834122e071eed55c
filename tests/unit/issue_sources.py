"""What tests of the issues collector share: where sources lie, what time it is, and a pull request with everything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fake_github import FakeGitHub
from fake_gitlab import FakeGitLab

from ingest.collectors.issues import IssuesCollector
from shirabe.types import Acl, Change, Cursor, Document, Source, Upsert

STAFF = Acl(principals=("staff",))
MAX_BYTES = 100_000
Opened = Callable[..., IssuesCollector]


@dataclasses.dataclass
class Clock:
    """What time it is."""

    now: datetime = datetime(2026, 4, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def source_of(fake: FakeGitHub | FakeGitLab, acl: Acl = STAFF, **options: Any) -> Source:
    service, api = ("github", "") if isinstance(fake, FakeGitHub) else ("gitlab", "/api/v4")
    known = {"service": service, "api": f"{fake.url}{api}", "allow_private": True, **options}
    return Source("s", "issues", f"{fake.url}/{fake.name}", acl, known)


async def listed(of: IssuesCollector, since: Cursor | None = None) -> dict[str, Change]:
    head = await of.head()
    changes = [change async for change in of.changes(since, head)]
    return {change.document.path if isinstance(change, Upsert) else change.path: change for change in changes}


async def read(of: IssuesCollector) -> dict[str, Document]:
    changes = await listed(of)
    assert all(isinstance(change, Upsert) for change in changes.values())
    return {path: change.document for path, change in changes.items() if isinstance(change, Upsert)}


def pull_with_everything(hub: FakeGitHub) -> None:
    hub.open(
        "Crash on start", "It crashes.\r\n\r\nSee https://github.com/octo/demo/blob/main/src/app.py#L3.", number=12
    )
    hub.open(
        "Fix the crash",
        "<!-- Describe your change -->\n\n# Why\n\nFixes #12 and octo/other#4.",
        number=13,
        pull=True,
        labels=[{"name": "bug"}, {"name": "領域:起動"}],
        milestone={"title": "v2"},
        assignees=[{"login": "carol"}],
    )
    hub.pulls[13] |= {"merged_at": "2026-03-02T00:00:00Z"}
    hub.comment(13, "動作を確認しました。\n\n## Result\n\nGood.", "dave")
    said = {"user": {"login": "erin"}, "body": "Why not `None`?", "path": "src/app.py", "line": 7}
    hub.beside("pulls/13/comments", {**said, "created_at": hub.stamp()})
    hub.beside("pulls/13/reviews", {"user": None, "body": "LGTM", "state": "APPROVED", "submitted_at": hub.stamp()})
    hub.beside(
        "pulls/13/reviews", {"user": {"login": "x"}, "body": "", "state": "COMMENTED", "submitted_at": hub.stamp()}
    )
    hub.beside("pulls/13/files", {"filename": "src/app.py", "status": "modified"})
    hub.beside("pulls/13/commits", {"sha": "b" * 40, "commit": {"message": "Guard the start\n\nCloses #11"}})
