"""The direct job over real collectors and chunkers, an in-memory store and an embedder that counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from ingest_fakes import CountingEmbedder, FailingStore, Killed, Repository, job_in

from ingest import pipeline
from ingest.job import SyncJob
from ingest.writing import Progress
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, Unavailable
from shirabe.types import Acl, Document, Source, document_id


def page(name: str, sections: int = 3, word: str = "word") -> str:
    parts = [f"## Part {number}\n\n{name} {word}{number} says this and nothing else.\n" for number in range(sections)]
    return f"# {name}\n\n" + "\n".join(parts)


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest_asyncio.fixture
async def job(tmp_path: Path, store: FailingStore, embedder: CountingEmbedder) -> AsyncIterator[SyncJob]:
    job = job_in(tmp_path, store, embedder)
    yield job
    await job.close()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit({f"docs/{name}.md": page(name) for name in ("alpha", "beta", "gamma", "delta")})
    return repository


async def add(job: SyncJob, repository: Repository, **options: object) -> None:
    await job.add(Source("docs", "git", str(repository.path), options=options))


async def fresh(tmp_path: Path, repository: Repository) -> dict[str, str]:
    """What a first ingest of the repository as it is now leaves in a store."""
    store = FailingStore()
    job = job_in(tmp_path / "fresh", store, CountingEmbedder())
    await add(job, repository)
    await job.sync("docs")
    await job.close()
    return await store.held("docs")


async def test_a_first_sync_indexes_everything(job: SyncJob, store: FailingStore, repository: Repository) -> None:
    await add(job, repository)
    steps: list[Progress] = []
    report = await job.sync("docs", progress=steps.append)
    held = await store.held("docs")
    assert (report.documents, report.chunks, report.failures) == (4, len(held), ())
    assert report.revision == repository.git("rev-parse", "HEAD")
    assert (steps[-1].documents, steps[-1].total, steps[-1].chunks) == (4, 4, len(held))
    [status] = await job.status()
    assert (status.documents, status.chunks, status.syncing) == (4, len(held), False)
    assert status.lag_s is not None


async def test_an_unchanged_sync_embeds_and_writes_nothing(
    job: SyncJob, store: FailingStore, embedder: CountingEmbedder, repository: Repository
) -> None:
    await add(job, repository)
    await job.sync("docs")
    bulks, texts = store.bulks, len(embedder.texts)
    report = await job.sync("docs")
    assert (store.bulks, len(embedder.texts)) == (bulks, texts)
    assert (report.documents, report.embedded, report.cached) == (0, 0, 0)


async def test_an_edit_costs_its_changed_chunks(
    job: SyncJob, embedder: CountingEmbedder, repository: Repository
) -> None:
    await add(job, repository)
    await job.sync("docs")
    embedder.texts.clear()
    repository.commit({"docs/beta.md": page("beta").replace("word1", "edited1")})
    report = await job.sync("docs")
    assert report.documents == 1
    assert len(embedder.texts) == report.embedded == 1
    assert "edited1" in embedder.texts[0]


@pytest.mark.parametrize("change", ["delete", "rename", "shrink", "swap", "rewrite", "empty", "link"])
async def test_after_any_change_the_index_is_as_if_made_fresh(
    job: SyncJob, store: FailingStore, repository: Repository, tmp_path: Path, change: str
) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.commit({"docs/omega.md": page("omega")})
    await add(job, repository)
    await job.sync("docs")
    match change:
        case "delete":
            repository.git("rm", "--quiet", "docs/alpha.md")
        case "rename":
            repository.git("mv", "docs/alpha.md", "docs/moved.md")
        case "shrink":
            repository.write({"docs/alpha.md": page("alpha", 1)})
        case "swap":
            repository.write({"docs/alpha.md": page("beta", 2), "docs/beta.md": page("alpha", 5)})
        case "rewrite":
            repository.git("reset", "--quiet", "--hard", first)
            repository.write({"docs/other.md": page("other")})
        case "empty":
            repository.git("rm", "--quiet", "-r", "docs")
        case "link":
            (repository.path / "docs/alpha.md").unlink()
            (repository.path / "docs/alpha.md").symlink_to("beta.md")
    repository.commit()
    await job.sync("docs")
    held = await store.held("docs")
    assert held == await fresh(tmp_path, repository)
    assert bool(held) == (change != "empty")
    drift = await job.drift("docs")
    assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())


@pytest.mark.parametrize("bulk", [1, 2, 3])
async def test_a_run_killed_in_a_bulk_is_made_good_by_the_next(
    tmp_path: Path, store: FailingStore, repository: Repository, bulk: int
) -> None:
    job = job_in(tmp_path, store, CountingEmbedder())
    await add(job, repository)
    await job.sync("docs")
    repository.git("rm", "--quiet", "docs/gamma.md")
    repository.commit({"docs/alpha.md": page("alpha", 9, "new"), "docs/new.md": page("new", 6)})
    store.dies_at = store.bulks + bulk
    with pytest.raises(Killed):
        await job.sync("docs")
    # What the killed run wrote is taken back by the source before anybody looks again.
    repository.git("rm", "--quiet", "docs/new.md")
    repository.commit({"docs/alpha.md": page("alpha", 2, "newer")})
    again = job_in(tmp_path, store, CountingEmbedder())
    await again.sync("docs")
    assert await store.held("docs") == await fresh(tmp_path, repository)
    assert store.versions == sorted(store.versions)
    await job.close()
    await again.close()


async def test_a_killed_first_run_goes_on_where_it_was(
    tmp_path: Path,
    store: FailingStore,
    embedder: CountingEmbedder,
    repository: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_in(tmp_path, store, embedder)
    monkeypatch.setattr(pipeline, "_WRITERS", 1)  # or no bulk need be in the ledger when the third is written
    await add(job, repository)
    store.dies_at = 3
    with pytest.raises(Killed):
        await job.sync("docs")
    report = await job.sync("docs")
    assert await store.held("docs") == await fresh(tmp_path, repository)
    assert len(embedder.texts) == len(set(embedder.texts))
    assert report.documents < 4
    await job.close()


async def test_a_store_that_is_down_ends_the_run_with_the_cursor_unmoved(
    job: SyncJob, store: FailingStore, repository: Repository, tmp_path: Path
) -> None:
    await add(job, repository)
    await job.sync("docs")
    before = (await job.status())[0].revision
    repository.commit({"docs/alpha.md": page("alpha", 5)})
    store.down = True
    with pytest.raises(Unavailable, match="the store is down"):
        await job.sync("docs")
    assert (await job.status())[0].revision == before
    store.down = False
    await job.sync("docs")
    assert await store.held("docs") == await fresh(tmp_path, repository)


async def test_refused_chunks_fail_their_document_only_and_are_tried_again(
    job: SyncJob, store: FailingStore, repository: Repository, tmp_path: Path
) -> None:
    await add(job, repository)
    refused = f"{document_id('docs', 'docs/beta.md')}-00001"
    store.refused = {refused}
    report = await job.sync("docs")
    assert [failure.path for failure in report.failures] == ["docs/beta.md"]
    assert refused in report.failures[0].reason
    assert report.documents == 3
    wanted = await fresh(tmp_path, repository)
    assert await store.held("docs") == {name: value for name, value in wanted.items() if name != refused}
    assert (await job.drift("docs")).outdated == ("docs/beta.md",)
    store.refused = set()
    report = await job.sync("docs")
    assert (report.documents, report.failures) == (1, ())
    assert await store.held("docs") == wanted


async def test_a_refused_delete_is_tried_again(job: SyncJob, store: FailingStore, repository: Repository) -> None:
    await add(job, repository)
    await job.sync("docs")
    store.refused = {f"{document_id('docs', 'docs/beta.md')}-00000"}
    repository.git("rm", "--quiet", "docs/beta.md")
    repository.commit()
    assert [failure.path for failure in (await job.sync("docs")).failures] == ["docs/beta.md"]
    store.refused = set()
    assert (await job.sync("docs")).deleted == 1
    assert not any(name.startswith(document_id("docs", "docs/beta.md")) for name in await store.held("docs"))


async def test_a_document_that_cannot_be_cut_keeps_its_old_chunks(
    job: SyncJob, store: FailingStore, repository: Repository
) -> None:
    good = 'openapi: 3.0.3\ninfo: {title: T, version: "1"}\npaths: {}\n'
    repository.commit({"api.yaml": good})
    await add(job, repository)
    await job.sync("docs")
    before = await store.held("docs")
    repository.commit({"api.yaml": f"{good}x: [1, 2", "docs/zeta.md": page("zeta")})
    report = await job.sync("docs")
    assert [failure.path for failure in report.failures] == ["api.yaml"]
    assert report.documents == 1
    assert before.items() <= (await store.held("docs")).items()
    assert (await job.status())[0].failures == report.failures
    assert (await job.sync("docs")).failures == ()
    assert [failure.path for failure in (await job.sync("docs", full=True)).failures] == ["api.yaml"]
    repository.commit({"api.yaml": good})
    assert (await job.sync("docs")).failures == ()
    assert (await job.status())[0].failures == ()


async def test_full_restores_what_the_index_lost_and_removes_what_nobody_knows(
    job: SyncJob, store: FailingStore, embedder: CountingEmbedder, repository: Repository
) -> None:
    await add(job, repository)
    await job.sync("docs")
    wanted = await store.held("docs")
    alpha = document_id("docs", "docs/alpha.md")
    version = store.versions[-1] + 1
    record = next(row.record for row in store._written.values() if row.record is not None)
    stray = replace(record, chunk=replace(record.chunk, chunk_id="stray-00000", doc_id="stray"))
    await store.write([stray], [name for name in wanted if name.startswith(alpha)], version)
    drift = await job.drift("docs")
    assert (drift.missing, drift.extra, drift.outdated) == (("docs/alpha.md",), ("document stray",), ())
    embedder.texts.clear()
    report = await job.sync("docs", full=True)
    assert await store.held("docs") == wanted
    assert (report.documents, embedder.texts) == (4, [])


async def test_another_index_is_filled_from_nothing_and_from_the_cache(
    tmp_path: Path, store: FailingStore, embedder: CountingEmbedder, repository: Repository
) -> None:
    job = job_in(tmp_path, store, embedder)
    await add(job, repository)
    await job.sync("docs")
    await job.close()
    embedder.texts.clear()
    other = FailingStore()
    second = job_in(tmp_path, other, embedder)
    report = await second.sync("docs")
    assert await other.held("docs") == await store.held("docs")
    assert (report.documents, embedder.texts) == (4, [])
    await second.close()


@pytest.mark.parametrize("change", ["model", "chunker", "acl"])
async def test_what_documents_were_made_with_is_part_of_the_cursor(
    tmp_path: Path, store: FailingStore, repository: Repository, change: str
) -> None:
    job = job_in(tmp_path, store, CountingEmbedder())
    await add(job, repository)
    await job.sync("docs")
    await job.close()
    embedder = CountingEmbedder(revision="2" if change == "model" else "1")
    second = job_in(tmp_path, store, embedder, chunk_tokens=32 if change == "chunker" else 60)
    if change == "acl":
        await second.add(Source("docs", "git", str(repository.path), Acl(False, ("staff",))))
    report = await second.sync("docs")
    assert report.documents == 4
    assert (report.embedded > 0) == (change == "model")
    assert (await second.sync("docs")).documents == 0
    await second.close()


async def test_a_source_syncs_once_at_a_time(job: SyncJob, repository: Repository) -> None:
    await add(job, repository)
    async with job.locks.hold("docs"):
        assert (await job.status())[0].syncing
        with pytest.raises(Overloaded):
            await job.sync("docs")


async def test_removing_a_source_leaves_nothing(
    job: SyncJob, store: FailingStore, repository: Repository, tmp_path: Path
) -> None:
    await add(job, repository)
    await job.sync("docs")
    await job.remove("docs")
    assert await store.held("docs") == {}
    assert await job.status() == []
    assert list((tmp_path / "state/mirrors").glob("*.git")) == []
    with pytest.raises(NotFound):
        await job.sync("docs")
    await add(job, repository)
    assert (await job.sync("docs")).documents == 4


async def test_a_folder_costs_what_changed_in_it(
    job: SyncJob, store: FailingStore, embedder: CountingEmbedder, tmp_path: Path
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.md").write_text(page(name))
    source = await job.configure(str(folder))
    assert (source.source_id, source.kind) == ("notes", "markdown")
    await job.sync("notes")
    embedder.texts.clear()
    (folder / "a.md").touch()
    (folder / "b.md").unlink()
    (folder / "c.md").write_text(page("c", 4))
    report = await job.sync("notes")
    assert (report.documents, report.deleted, len(embedder.texts)) == (1, 1, 1)
    drift = await job.drift("notes")
    assert (drift.documents, drift.missing, drift.extra, drift.outdated) == (2, (), (), ())
    (folder / "a.md").write_text(page("a", 1))
    (folder / "d.md").write_text(page("d"))
    (folder / "c.md").unlink()
    drift = await job.drift("notes")
    assert (drift.missing, drift.extra, drift.outdated) == (("d.md",), ("c.md",), ("a.md",))


def pushed(text: str, path: str = "note.md", source: str = "push") -> Document:
    return Document(
        *(document_id(source, path), source, path, f"https://example.org/{path}", "", text.encode()),
        *("text/markdown", "r1", datetime(2026, 1, 1, tzinfo=UTC)),
    )


async def test_pushed_documents_are_replaced_and_removed(job: SyncJob, store: FailingStore) -> None:
    report = await job.put(pushed(page("note", 5)))
    assert report.documents == 1
    many = await store.held("push")
    await job.put(pushed(page("note", 2)))
    assert set(await store.held("push")) < set(many)
    await job.put(pushed(page("other"), "other.md"))
    await job.delete(document_id("push", "note.md"))
    assert {name.rpartition("-")[0] for name in await store.held("push")} == {document_id("push", "other.md")}
    with pytest.raises(NotFound):
        await job.delete(document_id("push", "note.md"))


async def test_pushed_documents_cannot_touch_a_configured_source(job: SyncJob, repository: Repository) -> None:
    await add(job, repository)
    await job.sync("docs")
    with pytest.raises(Forbidden):
        await job.put(pushed("text", source="docs"))
    with pytest.raises(Forbidden):
        await job.delete(document_id("docs", "docs/alpha.md"))


async def test_a_bad_push_is_refused_and_changes_nothing(job: SyncJob, store: FailingStore) -> None:
    await job.put(pushed(page("note")))
    before = await store.held("push")
    bad = Document(
        *(document_id("push", "note.md"), "push", "note.md", "u", "", b"openapi: 3.0.3\nx: [1, 2"),
        *("application/vnd.oai.openapi", "r2", datetime(2026, 1, 2, tzinfo=UTC)),
    )
    with pytest.raises(InvalidInput):
        await job.put(bad)
    assert await store.held("push") == before


async def test_a_name_is_taken_once(job: SyncJob, repository: Repository, tmp_path: Path) -> None:
    first = await job.configure(str(repository.path))
    assert await job.configure(str(repository.path)) == first
    assert (first.source_id, first.kind) == ("repo", "git")
    (tmp_path / "elsewhere" / "repo").mkdir(parents=True)
    with pytest.raises(InvalidInput, match="already"):
        await job.configure(str(tmp_path / "elsewhere" / "repo"))
