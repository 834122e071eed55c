"""Issues out of files: what the REST APIs gave, in whatever order and layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_github import FakeGitHub
from fake_gitlab import FakeGitLab
from issue_sources import MAX_BYTES, STAFF, Opened, listed, pull_with_everything, read

from ingest.collectors import open_collector
from ingest.collectors.issues import IssuesCollector
from shirabe.errors import InvalidInput
from shirabe.settings import load_settings
from shirabe.types import Acl, Source, Upsert


@pytest.mark.parametrize("service", ["github", "gitlab"])
async def test_an_export_gives_the_same_documents(
    hub: FakeGitHub, lab: FakeGitLab, opened: Opened, tmp_path: Path, service: str
) -> None:
    if service == "github":
        pull_with_everything(hub)
        for name in ("files", "commits"):
            del hub.side[f"pulls/13/{name}"]
    else:
        lab.open("Leak", "Secret.", confidential=True)
        lab.open("Fix", "Closes #4", kind="merge_requests")
        lab.note("merge_requests", 1, "Good.")
    fake: FakeGitHub | FakeGitLab = hub if service == "github" else lab
    (tmp_path / "export").mkdir()
    file = tmp_path / "export" / "all.jsonl"
    file.write_text(fake.exported(), "utf-8")
    settings = load_settings(state_dir=tmp_path / "state")
    export = open_collector(Source("s", "issues", str(file.parent), STAFF), settings)
    assert isinstance(export, IssuesCollector)
    exported = await read(export)
    online = await read(opened(fake))
    assert exported.keys() >= online.keys() >= {"pulls/13"} if service == "github" else {"merge_requests/1"}
    for path, document in online.items():
        assert exported[path].content == document.content
        assert exported[path].acl == document.acl
        assert exported[path].meta == document.meta
    if service == "gitlab":
        assert exported["issues/1"].acl == Acl()
    head = await export.head()
    file.write_text(fake.exported().replace("Good.", "Very good."), "utf-8")
    assert [path for path, change in (await listed(export, head)).items() if isinstance(change, Upsert)] == [
        "pulls/13" if service == "github" else "merge_requests/1"
    ]


async def test_an_export_may_be_one_file_over_many_lines(tmp_path: Path) -> None:
    rows = [{"number": 1, "title": "a", "repository_url": "https://api.github.com/repos/o/r"}]
    file = tmp_path / "issues.json"
    for written in (json.dumps(rows, indent=2), f"[]{json.dumps(rows)}", f"\n{json.dumps([rows])}\n\n"):
        file.write_text(written)
        collector = IssuesCollector(Source("s", "issues", str(file)), tmp_path / "state", MAX_BYTES)
        assert set(await read(collector)) == {"issues/1"}
    for bad in (
        "{",
        '{"number": 1}\n{',
        '[{"iid": 1, "title": "a", "references": {"full": "a/b#1"}}, {"number": 1, "title": "a", "repository_url": "https://api.github.com/repos/o/r"}]',
    ):
        file.write_text(bad)
        with pytest.raises(InvalidInput):
            await collector.head()
