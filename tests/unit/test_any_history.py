"""Whatever happens to a source and to its syncs, the index ends as a first ingest of its last state would leave it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ingest_fakes import CountingEmbedder, FailingStore, Killed, Repository, job_in

from ingest.job import SyncJob
from shirabe.types import Acl, Source

NAMES = st.sampled_from(["a.md", "docs/b.md", "docs/deep/c.md", "src/d.py", "日本/手順.md"])
WORDS = st.sampled_from(["alpha", "beta", "受注", "gamma"])
FOLDERS = st.sampled_from(["docs", "src", "moved", "日本", "api"])
PARTS = st.sampled_from(["parts/order.yaml", "parts/stock.yaml"])
DESCRIPTION = """openapi: 3.0.3
info: {title: Orders, version: "1"}
paths: {/orders: {get: {summary: List, responses: {'200': {$ref: '%s#/ok'}}}}}
"""
PART = "ok: {description: %s, content: {application/json: {schema: {type: string}}}}\n"


@dataclass(frozen=True)
class Seen:
    """What an index shows of one chunk."""

    content_hash: str
    path: str
    public: bool
    principals: tuple[str, ...]


async def shown(store: FailingStore) -> dict[str, Seen]:
    await store.refresh()
    return {
        name: Seen(
            record.chunk.content_hash, record.document.path, record.document.acl.public, record.document.acl.principals
        )
        for name, record in store.visible.items()
    }


class Histories(RuleBasedStateMachine):
    """One repository that is changed at random, and one job over it that is killed at random."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.repository = Repository(self.folder / "repo")
        self.commits = [self.repository.commit({"a.md": "# A\n\nalpha\n"})]
        self.store = FailingStore()
        self.acl = Acl(public=True)
        self.loop = asyncio.new_event_loop()
        self.job: SyncJob | None = None

    def opened(self) -> SyncJob:
        if self.job is None:
            self.job = job_in(self.folder, self.store, CountingEmbedder())
            self.configure(self.job)
        return self.job

    def configure(self, job: SyncJob) -> None:
        self.loop.run_until_complete(job.add(Source("docs", "git", str(self.repository.path), self.acl)))

    def commit(self) -> None:
        self.commits.append(self.repository.commit())

    @rule(name=NAMES, word=WORDS, sections=st.integers(1, 5))
    def write(self, name: str, word: str, sections: int) -> None:
        parts = [f"## Part {number}\n\n{word}{number} says this and nothing else.\n" for number in range(sections)]
        text = "\n".join(parts) if name.endswith(".md") else f"def {name[0]}():\n    return {word!r}\n"
        self.repository.write({name: text})
        self.commit()

    @rule(part=PARTS)
    def describe(self, part: str) -> None:
        self.repository.write({"api/api.yaml": DESCRIPTION % part})
        self.commit()

    @rule(part=PARTS, word=WORDS)
    def write_part(self, part: str, word: str) -> None:
        self.repository.write({f"api/{part}": PART % word})
        self.commit()

    @rule(name=st.sampled_from(["api/api.yaml", "api/parts/order.yaml"]) | NAMES)
    def delete(self, name: str) -> None:
        (self.repository.path / name).unlink(missing_ok=True)
        self.commit()

    @rule(old=FOLDERS, new=FOLDERS)
    def rename(self, old: str, new: str) -> None:
        source, target = self.repository.path / old, self.repository.path / new
        if source.is_dir() and not target.exists():
            source.rename(target)
            self.commit()

    @rule(data=st.data())
    def force_push(self, data: st.DataObject) -> None:
        kept = data.draw(st.integers(1, len(self.commits)))
        self.repository.git("reset", "--quiet", "--hard", self.commits[kept - 1])
        self.commits = self.commits[:kept]
        if data.draw(st.booleans()):
            self.repository.write({"a.md": f"# Rewritten\n\n{kept}\n"})
            self.commit()

    @rule(acl=st.sampled_from([Acl(public=True), Acl(principals=("staff",)), Acl()]))
    def restrict(self, acl: Acl) -> None:
        self.acl = acl
        self.configure(self.opened())

    @rule(at=st.integers(1, 4))
    def sync_and_be_killed(self, at: int) -> None:
        job = self.opened()
        self.store.dies_at = self.store.bulks + at
        try:
            self.loop.run_until_complete(job.sync("docs"))
        except Killed:
            # What a killed process leaves is the files; the next run opens them anew.
            self.restart()
        self.store.dies_at = 0

    @rule()
    def sync_and_be_killed_at_the_end(self) -> None:
        self.store.dies_at_end = True
        try:
            self.loop.run_until_complete(self.opened().sync("docs"))
        except Killed:
            self.restart()
        self.store.dies_at_end = False

    @rule()
    def restart(self) -> None:
        if self.job is not None:
            self.loop.run_until_complete(self.job.close())
            self.job = None

    @rule(refused=st.integers(0, 3))
    def sync_with_refusals(self, refused: int) -> None:
        self.store.refused = set(sorted(self.store.visible)[:refused])
        self.loop.run_until_complete(self.opened().sync("docs"))
        self.store.refused = set()

    @rule(full=st.booleans(), recheck=st.booleans())
    def sync(self, full: bool, recheck: bool) -> None:
        report = self.loop.run_until_complete(self.opened().sync("docs", full=full, recheck=recheck))
        # A description whose part is not there says so, and is indexed.
        assert all("there is no such file" in failure.reason for failure in report.failures)
        self.compare()

    def compare(self) -> None:
        async def compared() -> None:
            fresh = FailingStore()
            job = job_in(Path(folder), fresh, CountingEmbedder())
            await job.add(Source("docs", "git", str(self.repository.path), self.acl))
            await job.sync("docs")
            await job.close()
            assert await shown(self.store) == await shown(fresh)

        with tempfile.TemporaryDirectory() as folder:
            self.loop.run_until_complete(compared())

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        self.sync(full=False, recheck=False)
        self.sync(full=False, recheck=False)
        self.restart()
        self.loop.close()
        shutil.rmtree(self.folder)


Histories.TestCase.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestHistories = Histories.TestCase
