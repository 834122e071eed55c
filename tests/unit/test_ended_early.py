"""What a run wrote before it ended too early is compared again, though no difference from the cursor names it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingest_fakes import CountingEmbedder, FailingStore, Killed, Repository, job_in

from shirabe.types import Acl, Source

STAYS, COMES, GOES, CHANGES = "stays.md", "comes.md", "goes.md", "changes.md"


async def shown(store: FailingStore) -> dict[str, str]:
    await store.refresh()
    return {record.document.path: record.chunk.text for record in store.visible.values()}


async def test_what_came_and_went_meanwhile_is_as_it_was(tmp_path: Path) -> None:
    repository, store, embedder = Repository(tmp_path / "repo"), FailingStore(), CountingEmbedder()
    pages = {name: f"# {name}\n\nfirst words\n" for name in (STAYS, GOES, CHANGES)}
    first = repository.commit(dict(pages))
    job = job_in(tmp_path, store, embedder)
    await job.add(Source("docs", "git", str(repository.path), Acl(public=True)))
    await job.sync("docs")
    before = await shown(store)
    assert before.keys() == {STAYS, GOES, CHANGES}

    (repository.path / GOES).unlink()
    repository.commit({COMES: "# comes\n\nnew\n", CHANGES: "# changes\n\nother words\n"})
    store.dies_at_end = True
    with pytest.raises(Killed):
        await job.sync("docs")
    store.dies_at_end = False
    await job.close()
    assert (await shown(store)).keys() == {STAYS, COMES, CHANGES}

    # The tip is what it was: nothing differs from the cursor.
    repository.git("reset", "--quiet", "--hard", first)
    job = job_in(tmp_path, store, embedder)
    report = await job.sync("docs")
    assert (report.documents, report.deleted) == (2, 1)
    assert await shown(store) == before
    drift = await job.drift("docs")
    assert (drift.missing, drift.extra, drift.outdated) == ((), (), ())

    texts = len(embedder.texts)
    again = await job.sync("docs")
    assert (again.documents, again.deleted, len(embedder.texts)) == (0, 0, texts)
    await job.close()


async def test_what_was_written_by_then_is_not_written_again(tmp_path: Path) -> None:
    repository, store = Repository(tmp_path / "repo"), FailingStore()
    repository.commit({STAYS: "# stays\n\nwords\n"})
    job = job_in(tmp_path, store, CountingEmbedder())
    await job.add(Source("docs", "git", str(repository.path), Acl(public=True)))
    await job.sync("docs")
    repository.commit({COMES: "# comes\n\nnew\n"})
    store.dies_at_end = True
    with pytest.raises(Killed):
        await job.sync("docs")
    store.dies_at_end = False
    report = await job.sync("docs")
    assert (report.documents, report.chunks) == (0, 0)
    assert (await shown(store)).keys() == {STAYS, COMES}
    await job.close()
