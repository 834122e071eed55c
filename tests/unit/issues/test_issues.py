"""Issues and pull requests of GitHub and GitLab become documents; servers behave by the vendors' references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_github import FakeGitHub
from fake_gitlab import FakeGitLab
from fake_tokens import FakeTokens
from issue_sources import MAX_BYTES, STAFF, Opened, listed, pull_with_everything, read

from ingest.chunkers import StructureChunker
from ingest.collectors.issues import IssuesCollector
from ingest.collectors.issues.body import Body, read_body
from ingest.collectors.issues.references import closed_by, files_in
from shirabe.errors import InvalidInput
from shirabe.types import Failure, Skip, Source, Upsert


async def test_a_pull_request_is_one_document_with_all_that_was_said(hub: FakeGitHub, opened: Opened) -> None:
    pull_with_everything(hub)
    document = (await read(opened(hub)))["pulls/13"]
    assert document.content.decode() == (
        '---\ntitle: "Fix the crash #13"\ntags: ["bug", "領域:起動"]\n---\n\n'
        "- State: merged\n- Opened: 2026-03-01 by alice\n- Labels: bug, 領域:起動\n- Milestone: v2\n"
        "- Assignees: carol\n- Branches: fix → main\n\n"
        "# Why\n\nFixes #12 and octo/other#4.\n\n"
        "# Links\n\n- closes #12\n- closes #11\n- commit bbbbbbbbbbbb Guard the start\n- file `src/app.py`\n\n"
        "# Comments\n\n"
        "## dave · 2026-03-01\n\n動作を確認しました。\n\n#### Result\n\nGood.\n\n"
        "## erin · 2026-03-01 · src/app.py:7\n\nWhy not `None`?\n\n"
        "## ghost · 2026-03-01 · approved\n\nLGTM\n"
    )
    assert (document.title, document.uri) == ("Fix the crash #13", "https://github.com/octo/demo/pull/13")
    assert (document.acl, document.meta["above"]) == (STAFF, ("octo/demo",))


async def test_an_issue_tells_what_mentions_and_closes_it(hub: FakeGitHub, opened: Opened) -> None:
    pull_with_everything(hub)
    own = {"full_name": "octo/demo", "private": True}
    secret, other = {"full_name": "octo/secret", "private": True}, {"full_name": "octo/open", "private": False}
    for repository, number in ((own, 13), (secret, 1), (other, 5)):
        issue = {"number": number, "repository": repository}
        hub.beside("issues/12/timeline", {"event": "cross-referenced", "source": {"type": "issue", "issue": issue}})
    commit = {"event": "closed", "commit_id": "c" * 40}
    hub.beside("issues/12/timeline", {**commit, "commit_url": "https://api.github.com/repos/octo/demo/commits/c"})
    hub.beside("issues/12/timeline", {**commit, "commit_url": "https://api.github.com/repos/octo/secret/commits/c"})
    hub.edit(12, state="closed", state_reason="not_planned")
    text = (await read(opened(hub)))["issues/12"].content.decode()
    assert "- State: closed (not planned)" in text
    links = text.partition("# Links\n\n")[2].splitlines()
    assert links == [
        "- mentioned in #13",
        "- mentioned in octo/open#5",
        f"- closed by {'c' * 40}",
        "- file `src/app.py`",
    ]


async def test_every_chunk_says_which_comment_it_is(hub: FakeGitHub, opened: Opened) -> None:
    pull_with_everything(hub)
    document = (await read(opened(hub)))["pulls/13"]
    [chunks] = await StructureChunker(FakeTokens(), 120).chunk([document])
    lines = document.content.decode().splitlines()
    for chunk in chunks:
        assert "\n".join(lines[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]]) == chunk.text
        assert chunk.context.startswith("octo/demo › Fix the crash #13")
    ids = {row["body"]: row["id"] for rows in hub.side.values() for row in rows if row.get("body")}
    said = f"pulls/13#issuecomment-{ids['動作を確認しました。' + chr(10) * 2 + '## Result' + chr(10) * 2 + 'Good.']}"
    assert [(chunk.locator, chunk.text.split("\n")[-1]) for chunk in chunks] == [
        ("pulls/13", "- Branches: fix → main"),
        ("pulls/13", "Fixes #12 and octo/other#4."),
        ("pulls/13", "- file `src/app.py`"),
        (said, "動作を確認しました。"),
        (said, "Good."),
        (f"pulls/13#discussion_r{ids['Why not `None`?']}", "Why not `None`?"),
        (f"pulls/13#pullrequestreview-{ids['LGTM']}", "LGTM"),
    ]


@pytest.mark.parametrize(
    "body",
    ["```\nopen fence", "<!-- never closed", "<script>\nx\n\n", "- a\n  ```\n  b", "> # h\n> ~~~\n> x", "::: note\nx"],
)
async def test_a_comment_ends_where_it_ends(hub: FakeGitHub, opened: Opened, body: str) -> None:
    hub.open("T", body, number=1)
    hub.comment(1, body)
    last = hub.comment(1, "the last words")
    document = (await read(opened(hub)))["issues/1"]
    [chunks] = await StructureChunker(FakeTokens(), 200).chunk([document])
    found = [chunk for chunk in chunks if "the last words" in chunk.text]
    assert [chunk.locator for chunk in found] == [f"issues/1#issuecomment-{last['id']}"]
    assert [chunk.headings for chunk in found] == [("octo/demo", "Comments", "bob · 2026-03-01")]


async def test_merge_requests_tell_their_files_and_what_they_close(lab: FakeGitLab, opened: Opened) -> None:
    lab.open("Fix", "Closes #4", kind="merge_requests", state="merged", labels=["bug"], milestone={"title": "v1"})
    lab.side["merge_requests/1/diffs"] = [{"new_path": "src/a.go"}, {"new_path": "", "old_path": "gone.go"}]
    lab.side["merge_requests/1/commits"] = [{"id": "d" * 40, "title": "Fix", "message": "Fix\n\nResolves #5"}]
    lab.side["merge_requests/1/closes_issues"] = [{"references": {"full": "group/sub/demo#4"}}]
    document = (await read(opened(lab)))["merge_requests/1"]
    text = document.content.decode()
    assert document.title == "Fix !1"
    assert "- State: merged\n" in text
    assert text.partition("# Links\n\n")[2].splitlines() == [
        "- closes #4",
        "- closes #5",
        "- commit dddddddddddd Fix",
        "- file `src/a.go`",
        "- file `gone.go`",
    ]


async def test_too_large_an_issue_is_left_out_beside_the_others(hub: FakeGitHub, opened: Opened) -> None:
    hub.open("large", "word " * MAX_BYTES)
    hub.open("small")
    found = await listed(opened(hub))
    assert isinstance(found["issues/1"], Skip)
    assert isinstance(found["issues/2"], Upsert)


async def test_rows_of_no_known_shape_harm_nothing(hub: FakeGitHub, opened: Opened) -> None:
    hub.open("odd", number=1, user="x", labels=["plain", 3, None], milestone=[], assignees="me", created_at=7)
    hub.open("", number=2)
    hub.edit(2, body={"a": 1})
    found = await listed(opened(hub))
    assert [type(found[path]) for path in sorted(found)] == [Upsert, Upsert]
    assert not any(isinstance(change, Failure) for change in found.values())


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"unknown": 1}, "options.unknown"),
        ({"token": "ghp_secret"}, "options.token"),
        ({"service": "gitea"}, "options.service"),
        ({"api": "http://api.example.org"}, "location"),
        ({"permissions": "all"}, "options.permissions"),
        ({"confidential": "everyone"}, "options.confidential"),
        ({"compare_minutes": -1}, "options.compare_minutes"),
    ],
)
def test_options_are_checked(tmp_path: Path, options: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as told:
        IssuesCollector(Source("s", "issues", "https://github.com/octo/demo", STAFF, options), tmp_path, 1)
    assert place in str(told.value)
    assert "ghp_secret" not in str(told.value)


@pytest.mark.parametrize(
    ("location", "api", "name"),
    [
        ("https://github.com/octo/demo", "https://api.github.com", "octo/demo"),
        ("https://github.com/octo/demo.git", "https://api.github.com", "octo/demo"),
        ("https://github.com/octo/demo/issues", "https://api.github.com", "octo/demo"),
        ("https://gitlab.com/a/b/c/-/issues/", "https://gitlab.com/api/v4/", "a/b/c"),
        ("https://gitlab.example.org/a/b/-/merge_requests", "https://gitlab.example.org/api/v4/", "a/b"),
    ],
)
def test_the_address_of_the_project_is_enough(tmp_path: Path, location: str, api: str, name: str) -> None:
    options = IssuesCollector(Source("s", "issues", location), tmp_path, 1)._options
    assert (options.api, options.name) == (api, name)


@pytest.mark.parametrize(
    ("text", "closed", "files"),
    [
        ("Closes #1, fixes: a/b#2 and resolved\n#3", ("#1", "a/b#2", "#3"), ()),
        ("foreclose #1, closes#2, closes issue 3", (), ()),
        ("https://gitlab.example.org/a/b/c/-/blob/main/x%20y.md?ref_type=heads#L3", (), ("x y.md",)),
        (
            "[x](https://gitlab.example.org/A/b/c/-/raw/abc/src/x.py) https://x.example.org/z/b/blob/abc/no.py",
            (),
            ("src/x.py",),
        ),
        ("https://" + "a/" * 50_000, (), ()),
    ],
)
def test_references(text: str, closed: tuple[str, ...], files: tuple[str, ...]) -> None:
    assert closed_by([text]) == closed
    assert files_in([text], "a/b/c") == files


def test_bodies_without_a_forms_remarks() -> None:
    parts = (
        "<!-- tick one -->",
        "Title\n=====",
        "```html\n<!-- kept -->\n```",
        "<!-- a --> <!-- b -->",
        "<!-- x --> y",
    )
    shown = [part.strip() for part in read_body("\n\n".join(parts), 1).text.split("\n\n") if part.strip()]
    assert shown == ["## Title", parts[2], parts[4]]
    assert read_body("<!-- -->" * 50_000 + "x", 0).headings == ()
    assert read_body(" \r\n", 0) == Body("", ())
