"""Who may find an issue: what is private or confidential is seen by nobody unless that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_github import TOKEN, FakeGitHub
from fake_gitlab import TOKEN as LAB_TOKEN
from fake_gitlab import FakeGitLab
from ingest_fakes import CountingEmbedder, FailingStore, job_in
from issue_sources import STAFF, Opened, read, source_of

from ingest.collectors import state_folders
from shirabe.errors import Forbidden, NotFound
from shirabe.types import Acl


async def test_wrong_credentials_are_told_and_never_shown(
    hub: FakeGitHub, lab: FakeGitLab, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER", "not-the-token")
    for fake in (hub, lab):
        with pytest.raises(Forbidden) as told:
            await opened(fake, token={"env": "TRACKER"}).head()
        assert "not-the-token" not in str(told.value)
    hub.private = True
    with pytest.raises(NotFound):
        await opened(hub).head()


async def test_a_private_repository_is_seen_by_nobody_unless_that_is_meant(
    hub: FakeGitHub, lab: FakeGitLab, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone, nobody = Acl(public=True), Acl()
    monkeypatch.setenv("HUB", TOKEN)
    monkeypatch.setenv("LAB", LAB_TOKEN)
    hub.open("one")
    lab.open("one")
    lab.open("one", kind="merge_requests")

    async def seen(fake: FakeGitHub | FakeGitLab, acl: Acl, **options: Any) -> set[Acl]:
        token = {"env": "HUB" if fake is hub else "LAB"}
        found = await read(opened(fake, acl=acl, token=token, compare_minutes=0, **options))
        return {document.acl for document in found.values()}

    for fake in (hub, lab):
        assert await seen(fake, everyone) == {everyone}
        assert await seen(fake, STAFF) == {STAFF}
    hub.private, lab.visibility = True, "internal"
    for fake in (hub, lab):
        assert await seen(fake, everyone) == {nobody}
        assert await seen(fake, STAFF) == {STAFF}
        assert await seen(fake, everyone, permissions="source") == {everyone}
    lab.visibility, lab.merge_requests_access_level = "public", "private"
    assert await seen(lab, everyone) == {everyone, nobody}


async def test_what_is_confidential_is_seen_by_nobody_or_whom_an_option_names(
    lab: FakeGitLab, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB", LAB_TOKEN)
    lab.open("Leak", confidential=True)
    lab.open("Plain", "Closes group/sub/demo#1")
    lab.note("issues", 2, "for members only", internal=True)
    lab.note("issues", 2, "old servers say it so", confidential=True)
    lab.note("issues", 2, "changed the title", system=True)
    lab.note("issues", 2, "for everybody", resolved=True, position={"new_path": "a.py", "new_line": 3})
    linked = {"link_type": "relates_to", "references": {"full": "group/sub/demo#1"}}
    elsewhere = {"link_type": "relates_to", "references": {"full": "group/secret#8"}}
    lab.side["issues/2/links"] = [
        {**linked, "confidential": True},
        {**linked, "references": {"full": "group/sub/demo#7"}},
        elsewhere,
    ]
    lab.side["issues/2/closed_by"] = [{"references": {"full": "group/sub/demo!3"}}]
    everyone = Acl(public=True)
    collector = opened(lab, acl=everyone, token={"env": "LAB"})
    found = await read(collector)
    assert {path: document.acl for path, document in found.items()} == {"issues/1": Acl(), "issues/2": everyone}
    text = found["issues/2"].content.decode()
    assert "members only" not in text
    assert "old servers" not in text
    assert "changed the title" not in text
    assert text.partition("# Links\n\n")[2] == (
        "- closed by !3\n- relates to #7\n\n# Comments\n\n## bob · 2026-03-01 · a.py:3 · resolved\n\nfor everybody\n"
    )
    named = opened(lab, acl=everyone, token={"env": "LAB"}, confidential=["security"], compare_minutes=0)
    assert (await read(named))["issues/1"].acl == Acl(principals=("security",))


async def test_an_issue_that_becomes_confidential_is_written_again_without_embedding(
    lab: FakeGitLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB", LAB_TOKEN)
    lab.open("Leak", "The password is in the log.")
    store, embedder = FailingStore(), CountingEmbedder()
    job = job_in(tmp_path, store, embedder)
    await job.add(source_of(lab, Acl(public=True), token={"env": "LAB"}))
    assert (await job.sync("s")).documents == 1
    assert {record.document.acl.public for record in store.visible.values()} == {True}
    texts = len(embedder.texts)
    lab.edit("issues", 1, confidential=True)
    assert (await job.sync("s")).documents == 1
    assert {record.document.acl for record in store.visible.values()} == {Acl()}
    assert len(embedder.texts) == texts
    folders = [folder for folder in state_folders(source_of(lab), tmp_path / "state") if folder.exists()]
    assert len(folders) == 1
    await job.remove("s")
    assert not folders[0].exists()
    await job.close()
