"""`sources.yaml`: what it says, what it may not say, and what becomes of the sources when it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingest_fakes import CountingEmbedder, FailingStore, job_in

from ingest.sources_file import read_sources
from shirabe.errors import InvalidInput, NotFound
from shirabe.types import Acl, Source


def written(folder: Path, text: str) -> Path:
    path = folder / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nalpha\n", encoding="utf-8")
    (folder / "b.md").write_text("# B\n\nbeta\n", encoding="utf-8")
    return folder


def test_says_what_a_source_is_and_guesses_the_rest(tmp_path: Path, notes: Path) -> None:
    text = """
sources:
  notes: {location: notes}
  code:
    kind: git
    location: https://git.example.com/code.git
    acl: {principals: [staff]}
    options: {include: ["*.py"], token: {env: CODE_TOKEN}}
    every: 5m
"""
    plain, code = read_sources(written(tmp_path, text))
    assert plain == Source("notes", "markdown", str(notes), declared=True)
    assert code == Source(
        "code",
        "git",
        "https://git.example.com/code.git",
        Acl(public=False, principals=("staff",)),
        {"include": ["*.py"], "token": {"env": "CODE_TOKEN"}},
        poll_s=300.0,
        declared=True,
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("sources: {a: {location: notes, colour: red}}", "sources.a.colour"),
        ("sources: {a: {location: notes, kind: wiki}}", "sources.a.kind"),
        ("sources: {a: {location: notes, every: soon}}", "sources.a.every"),
        ("sources: {a: {location: notes, every: 0s}}", "sources.a.every"),
        ("sources: {a: {location: notes, every: 5}}", "sources.a.every"),
        ("sources: {a: {location: nowhere}}", "sources.a"),
        ("sources: {../a: {location: notes}}", "sources.../a"),
        ("sources: {a: {kind: git}}", "sources.a.location"),
        ("sauces: {}", "sources.yaml: sources"),
        ("sources: [", "sources.yaml"),
        ("- a list", "sources.yaml"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, notes: Path, text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_sources(written(tmp_path, text))
    assert place in raised.value.place or place in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"sources\.yaml"):
        read_sources(tmp_path / "sources.yaml")


async def test_what_leaves_the_file_leaves_the_index_and_what_was_added_by_hand_stays(
    tmp_path: Path, notes: Path
) -> None:
    store = FailingStore()
    job = job_in(tmp_path, store, CountingEmbedder())
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.md").write_text("# C\n\ngamma\n", encoding="utf-8")
    await job.add(Source("mine", "markdown", str(other)))
    file = written(tmp_path, "sources: {one: {location: notes}, two: {location: other}}")
    declared = await job.declare(read_sources(file))
    assert (declared.added, declared.changed, declared.removed) == (("one", "two"), (), ())
    assert await job.declare(read_sources(file)) == type(declared)()
    for name in ("mine", "one", "two"):
        await job.sync(name)
    assert len(await store.held("two")) == 1
    written(tmp_path, "sources: {one: {location: notes, every: 1h}}")
    foreseen = await job.declare(read_sources(file), dry_run=True)
    assert (foreseen.changed, foreseen.removed) == (("one",), ("two",))
    assert len(await store.held("two")) == 1
    assert await job.declare(read_sources(file)) == foreseen
    assert await store.held("two") == {}
    assert {status.source.source_id for status in await job.status()} == {"mine", "one"}
    assert len(await store.held("mine")) == 1
    await job.close()


async def test_nothing_is_touched_when_one_source_cannot_be_opened(tmp_path: Path, notes: Path) -> None:
    job = job_in(tmp_path, FailingStore(), CountingEmbedder())
    good = Source("good", "markdown", str(notes), declared=True)
    bad = Source("bad", "markdown", str(notes), options={"include": 7}, declared=True)
    with pytest.raises(InvalidInput, match="globs"):
        await job.declare([good, bad])
    assert await job.status() == []
    await job.close()


async def test_a_preview_says_what_a_sync_then_does(tmp_path: Path, notes: Path) -> None:
    store = FailingStore()
    job = job_in(tmp_path, store, CountingEmbedder())
    await job.add(Source("notes", "markdown", str(notes)))
    foreseen = await job.preview("notes")
    assert (foreseen.write, foreseen.delete) == (("a.md", "b.md"), ())
    assert await store.held("notes") == {}
    await job.sync("notes")
    assert (await job.preview("notes")).write == ()
    (notes / "a.md").unlink()
    (notes / "b.md").write_text("# B\n\nbeta, again\n", encoding="utf-8")
    (notes / "c.md").write_bytes(b"\x00\x01binary")
    foreseen = await job.preview("notes")
    assert (foreseen.write, foreseen.delete, [skip.path for skip in foreseen.skipped]) == (
        ("b.md",),
        ("a.md",),
        ["c.md"],
    )
    report = await job.sync("notes")
    assert (report.documents, report.deleted, report.skipped) == (1, 1, 1)
    assert (await job.preview("notes", full=True)).write == ("b.md",)
    await job.close()
