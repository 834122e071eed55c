"""Keeping sources true: file-system events, polling, webhooks, and what goes wrong meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in
from pydantic import SecretStr

import ingest.watch
from ingest.collectors import state_folders, take_webhook
from ingest.job import SyncJob
from ingest.sources import IngestSources
from ingest.watch import Outcome, Watch, watched_folder
from ingest.webhooks import require_authentic
from shirabe.errors import Forbidden, NotFound
from shirabe.types import Source, SourceKind

NEVER_S = 3_600.0
BODY = b'{"ref": "refs/heads/main"}'


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest_asyncio.fixture
async def job(tmp_path: Path, store: FailingStore) -> AsyncIterator[SyncJob]:
    job = job_in(tmp_path, store, CountingEmbedder())
    yield job
    await job.close()


class Watching:
    """A watch that runs, and its outcomes one after another."""

    def __init__(self, job: SyncJob, every_s: float, sources: list[Source]) -> None:
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self.stop = asyncio.Event()
        self._task = asyncio.create_task(Watch(job, every_s, self.outcomes.put_nowait).run(sources, self.stop))

    async def until(self, wanted: Callable[[Outcome], bool]) -> Outcome:
        async with asyncio.timeout(30):
            while not wanted(outcome := await self.outcomes.get()):
                pass
        return outcome

    async def end(self) -> None:
        self.stop.set()
        async with asyncio.timeout(30):
            await self._task


def wrote(outcome: Outcome) -> bool:
    return outcome.report is not None and outcome.report.documents > 0


async def touched_until(write: Callable[[], None], found: Awaitable[Outcome]) -> Outcome:
    """Write again and again until it is seen: the first writes may come before the system's watch is set up."""
    waiting = asyncio.ensure_future(found)
    while not waiting.done():
        write()
        await asyncio.wait([waiting], timeout=0.5)
    return waiting.result()


async def test_a_file_that_changes_is_indexed_long_before_it_is_due(tmp_path: Path, job: SyncJob) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nalpha\n", encoding="utf-8")
    source = Source("notes", "markdown", str(folder))
    await job.add(source)
    watching = Watching(job, NEVER_S, [source])
    await watching.until(wrote)
    number = iter(range(100))

    def write() -> None:
        (folder / "b.md").write_text(f"# B\n\nbeta {next(number)}\n", encoding="utf-8")

    outcome = await touched_until(write, watching.until(wrote))
    assert outcome.report is not None and outcome.report.documents == 1
    await watching.end()


async def test_a_commit_is_indexed_long_before_it_is_due(tmp_path: Path, job: SyncJob) -> None:
    repository = Repository(tmp_path / "repo")
    repository.commit({"a.md": "# A\n\nalpha\n"})
    source = Source("code", "git", str(repository.path))
    await job.add(source)
    watching = Watching(job, NEVER_S, [source])
    await watching.until(wrote)
    number = iter(range(100))

    def commit() -> None:
        repository.commit({"b.md": f"# B\n\nbeta {next(number)}\n"})

    outcome = await touched_until(commit, watching.until(wrote))
    assert outcome.report is not None and outcome.report.documents == 1
    await watching.end()


async def test_one_source_that_fails_does_not_hold_up_another(
    tmp_path: Path, job: SyncJob, store: FailingStore
) -> None:
    good, gone = tmp_path / "good", tmp_path / "gone"
    for folder in (good, gone):
        folder.mkdir()
        (folder / "a.md").write_text("# A\n\nalpha\n", encoding="utf-8")
    sources = [Source("gone", "markdown", str(gone)), Source("good", "markdown", str(good), poll_s=0.05)]
    for source in sources:
        await job.add(source)
    (gone / "a.md").unlink()
    gone.rmdir()
    watching = Watching(job, 0.05, sources)
    failed = await watching.until(lambda outcome: outcome.error is not None)
    assert (failed.source_id, type(failed.error)) == ("gone", NotFound)
    await watching.until(wrote)
    gone.mkdir()
    (gone / "a.md").write_text("# A\n\nback\n", encoding="utf-8")
    assert (await watching.until(wrote)).source_id == "gone"
    await watching.end()


async def test_everything_is_compared_when_it_is_due(
    tmp_path: Path, job: SyncJob, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nalpha\n", encoding="utf-8")
    source = Source("notes", "markdown", str(folder))
    await job.add(source)
    await job.sync("notes")
    first = await job.compared("notes")
    assert first is not None and first <= datetime.now(UTC)
    await job.sync("notes")
    assert await job.compared("notes") == first, "a look at changes compares nothing"
    monkeypatch.setattr(ingest.watch, "RECHECK_EVERY", timedelta(0))
    watching = Watching(job, 0.05, [source])
    await watching.until(lambda outcome: outcome.report is not None)
    await watching.end()
    later = await job.compared("notes")
    assert later is not None and later > first


def test_what_is_watched(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    bundle = tmp_path / "docs.bundle"
    bundle.touch()
    assert watched_folder(Source("a", "git", str(repository.path))) == repository.path / ".git"
    assert watched_folder(Source("a", "git", str(bundle))) == tmp_path
    assert watched_folder(Source("a", "markdown", str(tmp_path))) == tmp_path
    assert watched_folder(Source("a", "git", "https://git.example.com/a.git")) is None


def signed(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {"x-hub-signature-256": f"sha256={signed('s3cret')}", "x-hub-signature": "sha1=0000"},
        {"x-hub-signature": f"sha256={signed('s3cret')}"},
        {"x-gitea-signature": signed("s3cret"), "x-hub-signature-256": f"sha256={signed('s3cret')}"},
        {"x-gitlab-token": "s3cret"},
    ],
)
def test_a_call_that_knows_the_secret_is_believed(headers: dict[str, str]) -> None:
    require_authentic(headers, BODY, SecretStr("s3cret"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-hub-signature": "sha1=0000"},
        {"x-hub-signature-256": f"sha256={signed('other')}"},
        {"x-hub-signature-256": f"sha256={signed('s3cret', b'another body')}"},
        {"x-gitlab-token": "秘密"},
        {"x-gitlab-token": "s3cret", "x-gitea-signature": "0"},
    ],
)
def test_any_other_call_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden, match="not signed"):
        require_authentic(headers, BODY, SecretStr("s3cret"))


async def test_a_webhook_brings_its_source_up_to_date(
    tmp_path: Path, job: SyncJob, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    repository = Repository(tmp_path / "repo")
    repository.commit({"a.md": "# A\n\nalpha\n"})
    sources = IngestSources(job, ())
    await job.add(Source("code", "git", str(repository.path), options={"webhook_secret": {"env": "HOOK_SECRET"}}))
    await job.add(Source("deaf", "git", str(repository.path)))
    with pytest.raises(Forbidden, match="webhook_secret"):
        await sources.notify("deaf", {"x-gitlab-token": "s3cret"}, BODY)
    with pytest.raises(Forbidden, match="not signed"):
        await sources.notify("code", {"x-gitlab-token": "guess"}, BODY)
    with pytest.raises(NotFound):
        await sources.notify("nobody", {"x-gitlab-token": "s3cret"}, BODY)
    await sources.idle()
    assert await store.held("code") == {}
    for _ in range(3):
        await sources.notify("code", {"x-gitlab-token": "s3cret"}, BODY)
    await sources.idle()
    assert len(await store.held("code")) == 1
    await sources.close()


@pytest.mark.parametrize(
    ("kind", "location", "body"),
    [
        ("confluence", "https://wiki.example.com", b'{"event": "page_updated", "page": {"id": 7}}'),
        ("issues", "https://github.com/team/code", b'{"action": "edited", "issue": {"number": 7}}'),
    ],
)
def test_what_a_service_says_is_noted_for_the_next_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: SourceKind, location: str, body: bytes
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    source = Source("s", kind, location, options={"webhook_secret": {"env": "HOOK_SECRET"}})
    [folder] = [place for place in state_folders(source, tmp_path) if kind in place.parts]
    with pytest.raises(Forbidden):
        take_webhook(source, tmp_path, {"x-hub-signature": f"sha256={signed('other', body)}"}, body)
    assert not folder.exists()
    take_webhook(source, tmp_path, {"x-hub-signature": f"sha256={signed('s3cret', body)}"}, body)
    assert any(b"7" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
