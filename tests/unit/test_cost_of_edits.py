"""What an edit costs: the embedder is asked for text that changed, and for nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in

from shirabe.types import Source

PAGES = 100


def handbook(changed: int | None = None) -> str:
    """A document of a hundred pages: a chapter each, of a few paragraphs in Japanese and English."""
    chapters = []
    for number in range(PAGES):
        word = "改訂" if number == changed else "初版"
        chapters.append(
            f"## Chapter {number}\n\n第{number}章の規則{number}を{word}とする。在庫は倉庫{number}で数える。\n\n"
            f"Rule {number} says how order {number} is shipped from warehouse {number}, and by whom it is signed.\n\n"
            f"Exceptions to rule {number} are listed in appendix {number}, which the owner of chapter {number} keeps.\n"
        )
    return "# Handbook\n\n" + "\n".join(chapters)


async def test_one_paragraph_of_a_hundred_pages_costs_at_most_two_chunks(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "handbook.md").write_text(handbook(), encoding="utf-8")
    embedder = CountingEmbedder()
    job = job_in(tmp_path, FailingStore(), embedder)
    await job.add(Source("docs", "markdown", str(folder)))
    assert (await job.sync("docs")).chunks >= PAGES
    for changed in (0, 57, PAGES - 1):
        embedder.texts.clear()
        (folder / "handbook.md").write_text(handbook(changed), encoding="utf-8")
        report = await job.sync("docs")
        assert report.documents == 1
        assert len(embedder.texts) == report.embedded <= 2
    await job.close()


FIVE_KINDS = (
    ("md", "# Page {0}\n\nWhat {0} says.\n"),
    ("py", "def f{0}():\n    return {0}\n\n\nX = {0}\n"),
    ("go", "package p\n\nfunc F{0}() int {{ return {0} }}\n"),
    ("yaml", "apiVersion: v1\nkind: Service\nmetadata: {{name: s{0}}}\n"),
    ("csv", "番号,名称\n{0},品目{0}\n"),
)


async def test_renaming_a_folder_of_five_hundred_files_embeds_nothing(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    repository.commit(
        {f"old/{number:03d}.{suffix}": text.format(number) for number in range(100) for suffix, text in FIVE_KINDS}
    )
    embedder, store = CountingEmbedder(), FailingStore()
    job = job_in(tmp_path, store, embedder)
    await job.add(Source("docs", "git", str(repository.path)))
    await job.sync("docs")
    before = await store.held("docs")
    embedder.texts.clear()
    repository.git("mv", "old", "new")
    repository.commit()
    report = await job.sync("docs")
    assert (report.documents, report.deleted, report.embedded) == (500, 500, 0)
    assert embedder.texts == []
    after = await store.held("docs")
    assert sorted(after.values()) == sorted(before.values())
    assert not after.keys() & before.keys()
    await job.close()


async def test_a_file_of_two_gigabytes_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nalpha\n", encoding="utf-8")
    for name in ("huge.md", "huge.xlsx", "huge.pdf", "huge.yaml"):
        with (folder / name).open("wb") as file:
            os.truncate(file.fileno(), 2 * 1024**3)
    job = job_in(tmp_path, FailingStore(), CountingEmbedder())
    await job.add(Source("docs", "markdown", str(folder)))
    report = await job.sync("docs")
    assert (report.documents, report.skipped, report.failures) == (1, 4, ())
    await job.close()
