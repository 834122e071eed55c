"""Several branches and tags as versions of one source, and what repositories may be called and hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_tokens import FakeTokens
from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in

from ingest.chunkers import StructureChunker
from ingest.collectors import GitCollector
from ingest.collectors.git_refs import MAX_VERSIONS, choose_versions
from shirabe.errors import InvalidInput
from shirabe.types import Change, Cursor, Delete, Skip, Source, Upsert
from shirabe.versions import version_key

PAGE = "# Guide\n\nHow it is done.\n\n## 手順\n\n押す。\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Branches main, release/1 and dev, each with its own line; tags v1.0 (light) and v2.0 (annotated)."""
    repository = Repository(tmp_path / "repo")
    repository.commit({"docs/guide.md": PAGE, "code.py": "def same():\n    return 1\n"})
    repository.git("tag", "v1.0")
    repository.git("branch", "release/1")
    repository.git("branch", "dev")
    repository.commit({"docs/new.md": "# New\n\nOnly here.\n"})
    repository.git("tag", "--annotate", "--message", "two", "v2.0")
    return repository


def collector(folder: Path, repository: Repository, *refs: str) -> GitCollector:
    return GitCollector(Source("s", "git", str(repository.path), options={"refs": list(refs)}), folder, 100_000)


async def listed(of: GitCollector, since: Cursor | None, until: Cursor) -> dict[str, Change]:
    changes = {path_of(change): change async for change in of.changes(since, until)}
    assert await of.count(since, until) == len(changes)
    return changes


def path_of(change: Change) -> str:
    return change.document.path if isinstance(change, Upsert) else change.path


async def test_every_branch_and_tag_that_matches_is_a_version(tmp_path: Path, repository: Repository) -> None:
    versions = collector(tmp_path, repository, "main", "release/*", "v?.*")
    head = await versions.head()
    found = await listed(versions, None, head)
    both = ("code.py", "docs/guide.md")
    wanted = {f"{name}:{path}" for name in ("main", "release/1", "v1.0", "v2.0") for path in both}
    assert set(found) == wanted | {"main:docs/new.md", "v2.0:docs/new.md"}
    change = found["release/1:docs/guide.md"]
    assert isinstance(change, Upsert)
    tagged = repository.git("rev-parse", "v2.0^{commit}")
    assert change.document.meta["version"] == "release/1"
    assert change.document.revision == repository.git("rev-parse", "release/1")
    two = found["v2.0:docs/new.md"]
    assert isinstance(two, Upsert)
    assert two.document.revision == tagged
    assert set(await versions.paths(head)) == set(found)
    one = await versions.get("release/1:docs/guide.md", head)
    assert isinstance(one, Upsert)
    assert one.document == change.document
    for absent in ("docs/guide.md", "dev:docs/guide.md", "v1.0:docs/new.md", "", ":", "main:", "main:../x.md"):
        assert isinstance(await versions.get(absent, head), Delete | Skip), absent


async def test_a_version_that_moves_keeps_its_documents_and_one_that_goes_loses_them(
    tmp_path: Path, repository: Repository
) -> None:
    versions = collector(tmp_path, repository, "main", "release/*", "v1.*")
    first = await versions.head()
    assert await versions.head() == first
    repository.git("checkout", "--quiet", "release/1")
    repository.commit({"docs/guide.md": PAGE + "\n手を離す。\n"})
    repository.git("tag", "--delete", "v1.0")
    repository.git("branch", "release/2", "main")
    second = await versions.head()
    found = await listed(versions, first, second)
    assert isinstance(found.pop("release/1:docs/guide.md"), Upsert)
    assert isinstance(found.pop("v1.0:docs/guide.md"), Delete)
    assert isinstance(found.pop("v1.0:code.py"), Delete)
    assert set(found) == {"release/2:docs/guide.md", "release/2:code.py", "release/2:docs/new.md"}
    assert await listed(versions, second, second) == {}
    assert await versions.knows(first)
    for unknown in ("0" * 40, repository.git("rev-parse", "HEAD"), "--help", "x"):
        assert not await versions.knows(Cursor(unknown))


async def test_what_is_equal_in_several_versions_is_embedded_once(tmp_path: Path, repository: Repository) -> None:
    store, embedder = FailingStore(), CountingEmbedder()
    job = job_in(tmp_path, store, embedder)
    await job.add(Source("s", "git", str(repository.path), options={"refs": ["*", "release/*"]}))
    report = await job.sync("s")
    assert report.failures == ()
    assert report.documents == 12
    assert len(embedder.texts) == len(set(embedder.texts))
    shown = [record for record in store.visible.values() if record.document.path == "v1.0:code.py"]
    assert [(record.chunk.meta["version"], record.chunk.locator) for record in shown] == [
        ("v1.0", "v1.0:code.py#L1-L2")
    ]
    assert "v1.0" not in shown[0].chunk.embedded_text
    repository.git("branch", "--delete", "--force", "dev")
    assert (await job.sync("s")).deleted == 2
    assert not [one for one in store.visible.values() if one.document.path.startswith("dev:")]
    await job.close()


async def test_a_locator_opens_its_lines_in_its_version(tmp_path: Path, repository: Repository) -> None:
    versions = collector(tmp_path, repository, "v*")
    head = await versions.head()
    [chunks] = await StructureChunker(FakeTokens(), 30).chunk(
        [
            change.document
            for change in (await listed(versions, None, head)).values()
            if isinstance(change, Upsert) and change.document.path == "v1.0:docs/guide.md"
        ]
    )
    assert chunks
    for chunk in chunks:
        place, _, _ = chunk.locator.partition("#")
        lines = repository.git("show", place).split("\n")
        assert "\n".join(lines[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]]) == chunk.text


async def test_refs_are_checked(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(InvalidInput, match=r"there are: dev, main, release/1, v1\.0, v2\.0"):
        await collector(tmp_path, repository, "releases/*").head()
    mistakes: tuple[dict[str, Any], ...] = ({"refs": []}, {"refs": [""]}, {"refs": "a"}, {"refs": ["a"], "branch": "b"})
    for options in mistakes:
        with pytest.raises(InvalidInput):
            GitCollector(Source("s", "git", str(repository.path), options=options), tmp_path, 1)
    empty = Repository(tmp_path / "empty")
    assert (await collector(tmp_path, empty, "main").head()).value == ""
    await listed(collector(tmp_path, empty, "main"), None, Cursor(""))


def test_the_number_of_versions_is_bounded() -> None:
    listing = "".join(f"{number:040x}\trefs/tags/v{number}\n" for number in range(MAX_VERSIONS + 1))
    with pytest.raises(InvalidInput, match=f"{MAX_VERSIONS + 1} branches and tags"):
        choose_versions(listing, ["v*"])
    assert len(choose_versions(listing, ["v1*"])) == 11


def test_a_name_is_one_version() -> None:
    listing = (
        "ref: refs/heads/main\tHEAD\n1\tHEAD\n1\trefs/heads/main\n2\trefs/tags/main\n3\trefs/tags/a/b\n"
        "4\trefs/tags/t\n5\trefs/tags/t^{}\n6\trefs/pull/1/head\n7\trefs/heads/\ufffd\n"
    )
    assert choose_versions(listing, ["*", "*/*"]) == {"main": "1", "a/b": "3", "t": "5"}
    assert choose_versions(listing, ["*"]) == {"main": "1", "t": "5"}


async def test_a_tag_of_no_commit_is_left_out(tmp_path: Path, repository: Repository) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", stdin="key")
    repository.git("tag", "v3.key", blob)
    versions = collector(tmp_path, repository, "v*")
    assert {path.partition(":")[0] for path in await versions.paths(await versions.head())} == {"v1.0", "v2.0"}


def test_language_versions_stay_together_in_their_version() -> None:
    assert version_key("s", "main:ja/a.md") == version_key("s", "main:en/a.md") != version_key("s", "dev:ja/a.md")


async def test_names_that_are_not_utf8_and_links_in_circles_harm_nothing(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    repository.write({"good.md": "# Good\n"})
    for name in (b"caf\xe9.md", b"\xff\xfe/deep.md", b"\x83e\x83X\x83g.md"):
        repository.write({os.fsdecode(name): "# named by others\n"})
    os.symlink("loop", repository.path / "loop")
    os.symlink("..", repository.path / "up.md")
    (repository.path / "a").mkdir()
    os.symlink("../b", repository.path / "a" / "b.md")
    repository.commit()
    of = GitCollector(Source("s", "git", str(repository.path)), tmp_path / "state", 100_000)
    head = await of.head()
    found = await listed(of, None, head)
    assert [path for path, change in found.items() if isinstance(change, Upsert)] == ["good.md"]
    reasons = {change.reason for change in found.values() if isinstance(change, Skip)}
    assert reasons == {"the name is not printable UTF-8", "a symbolic link"}
    for path in found.keys() - {"good.md"}:
        assert isinstance(await of.get(path, head), Skip)
    store = FailingStore()
    job = job_in(tmp_path, store, CountingEmbedder())
    await job.add(Source("s", "git", str(repository.path)))
    report = await job.sync("s")
    assert (report.documents, report.failures) == (1, ())
    await job.close()
