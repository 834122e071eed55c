"""API descriptions in sources: gathered over files, out of folders and commits, and what is wrong with them told."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fake_tokens import FakeTokens
from ingest_fakes import CountingEmbedder, FailingStore, Repository, job_in

from ingest.chunkers import StructureChunker
from ingest.collectors import FolderCollector, GitCollector
from ingest.collectors.openapi import OpenApiCollector
from ingest.collectors.selection import content_digest
from ingest.media_types import API_FILES, OPENAPI
from shirabe.protocols import Collector
from shirabe.types import Change, Chunk, Cursor, Failure, Source, Upsert

HEAD = 'openapi: 3.0.3\ninfo: {title: T, version: "1"}\n'
ROOT = HEAD + "paths: {/a: {get: {responses: {'200': {$ref: 'parts/ok.yaml#/ok'}}}}}\n"
PART = "ok: {description: ok, content: {application/json: {schema: {$ref: item.yaml}}}}\n"
ITEM = "type: object\nproperties: {size: {type: string}}\n"
FILES: dict[str, str | bytes] = {"api/api.yaml": ROOT, "api/parts/ok.yaml": PART, "api/parts/item.yaml": ITEM}


async def listed(changes: AsyncIterator[Change]) -> dict[str, Change]:
    return {change.document.path if isinstance(change, Upsert) else change.path: change async for change in changes}


async def everything(collector: Collector, since: Cursor | None = None) -> dict[str, Change]:
    return await listed(collector.changes(since, await collector.head()))


async def cut(change: Change) -> list[Chunk]:
    assert isinstance(change, Upsert), change
    [chunks] = await StructureChunker(FakeTokens(), 320).chunk([change.document])
    return chunks


def write(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture(params=["openapi", "folder", "git"])
def collector(request: pytest.FixtureRequest, tmp_path: Path) -> Collector:
    root = tmp_path / "source"
    if request.param == "git":
        Repository(root).commit(FILES)
        return GitCollector(Source("s", "git", str(root)), tmp_path / "state", 100_000)
    write(root, FILES)
    if request.param == "folder":
        return FolderCollector(Source("s", "markdown", str(root)), 100_000)
    return OpenApiCollector(Source("s", "openapi", str(root)), 100_000)


async def test_every_source_reads_a_description_with_its_files(collector: Collector) -> None:
    found = await everything(collector)
    change = found["api/api.yaml"]
    chunks = await cut(change)
    assert isinstance(change, Upsert)
    assert change.document.media_type == API_FILES
    assert [(chunk.kind, chunk.locator) for chunk in chunks] == [
        ("overview", "api/api.yaml#/info"),
        ("operation", "api/api.yaml#/paths/~1a/get"),
        ("schema", "api/parts/item.yaml"),
    ]
    assert "Response 200 application/json (item): ok\n- size (string)" in chunks[1].text
    head = await collector.head()
    assert (await collector.paths(head))["api/api.yaml"] == content_digest(change.document.content)
    assert await collector.get("api/api.yaml", head) == change


async def test_a_change_of_a_file_that_it_refers_to_is_a_change_of_the_description(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "source")
    repository.commit({**FILES, "other.yaml": "a: 1\n", "alone.yaml": HEAD + "paths: {}\n", "main.py": "a = 1\n"})
    collector = GitCollector(Source("s", "git", str(repository.path)), tmp_path / "state", 100_000)
    first = await collector.head()
    repository.commit({"api/parts/item.yaml": ITEM.replace("size", "weight")})
    changes = await everything(collector, first)
    assert set(changes) == {"api/api.yaml", "api/parts/item.yaml"}
    assert "- weight (string)" in (await cut(changes["api/api.yaml"]))[2].text
    assert await collector.count(first, await collector.head()) == 2
    second = await collector.head()
    repository.commit({"main.py": "a = 2\n"})
    assert set(await everything(collector, second)) == {"main.py"}


@pytest.mark.parametrize("kind", ["openapi", "folder", "git"])
async def test_references_stay_inside_and_are_never_links(kind: str, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("leaked: {description: leaked}\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "deep.yaml").write_text("leaked: {description: leaked}\n")
    root = tmp_path / "source"
    targets = ("../secret.yaml", "link.yaml", "dir/deep.yaml", str(tmp_path / "secret.yaml"), "%2e%2e/secret.yaml")
    responses = ", ".join(f"'20{n}': {{$ref: '{target}#/leaked'}}" for n, target in enumerate(targets))
    files: dict[str, str | bytes] = {
        "api.yaml": f"{HEAD}paths: {{/a: {{get: {{summary: A, responses: {{{responses}}}}}}}}}\n"
    }
    repository = Repository(root) if kind == "git" else None
    write(root, files)
    os.symlink(tmp_path / "secret.yaml", root / "link.yaml")
    os.symlink(tmp_path / "outside", root / "dir")
    if repository is not None:
        repository.commit()
    source = Source("s", "openapi", str(root))
    collector: Collector = OpenApiCollector(source, 100_000)
    if kind != "openapi":
        collector = FolderCollector(source, 100_000)
    if repository is not None:
        collector = GitCollector(source, tmp_path / "state", 100_000)
    chunks = await cut((await everything(collector))["api.yaml"])
    assert "leaked" not in "".join(chunk.text.replace("(leaked)", "").replace(": leaked", "") for chunk in chunks)
    assert any(chunk.kind == "operation" for chunk in chunks)
    assert len(chunks[0].meta["errors"]) == len(targets)


async def test_one_file_of_a_folder_may_refer_to_the_others(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    collector = OpenApiCollector(Source("s", "openapi", str(tmp_path / "api" / "api.yaml")), 100_000)
    found = await everything(collector)
    assert list(found) == ["api.yaml"]
    assert [chunk.locator for chunk in await cut(found["api.yaml"])][-1] == "parts/item.yaml"
    head = await collector.head()
    (tmp_path / "api" / "parts" / "item.yaml").write_text(ITEM.replace("size", "weight"))
    assert await collector.head() != head


@pytest.mark.parametrize("globs", [{"include": ["api/api.yaml"]}, {"exclude": ["api/parts"]}])
@pytest.mark.parametrize("kind", ["openapi", "folder", "git"])
async def test_parts_that_are_no_documents_are_read_and_watched_all_the_same(
    kind: str, globs: dict[str, list[str]], tmp_path: Path
) -> None:
    root = tmp_path / "source"
    repository = Repository(root) if kind == "git" else None
    write(root, FILES)
    collector: Collector
    if repository is not None:
        repository.commit()
        collector = GitCollector(Source("s", "git", str(root), options=globs), tmp_path / "state", 100_000)
    elif kind == "folder":
        collector = FolderCollector(Source("s", "markdown", str(root), options=globs), 100_000)
    else:
        collector = OpenApiCollector(Source("s", "openapi", str(root), options=globs), 100_000)
    assert list(await everything(collector)) == ["api/api.yaml"]
    first = await collector.head()
    write(root, {"api/parts/item.yaml": ITEM.replace("size", "weight")})
    if repository is not None:
        repository.commit()
    changes = await everything(collector, first)
    assert list(changes) == ["api/api.yaml"]
    assert "- weight (string)" in (await cut(changes["api/api.yaml"]))[2].text


async def test_a_folder_of_many_documents(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "bad.yaml": "openapi: 3.0.3\n" + "x: [",
            "good.yaml": HEAD + "paths: {}\n",
            "deep/old.json": '{"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {}}',
            "events.yaml": "asyncapi: 2.6.0\ninfo: {title: t, version: '1'}\nchannels: {}\n",
            "part.yaml": "type: object\n",
            "README.md": "# r\n",
        },
    )
    found = await everything(OpenApiCollector(Source("s", "openapi", str(tmp_path)), 10_000))
    assert list(found) == ["bad.yaml", "deep/old.json", "events.yaml", "good.yaml"]
    assert isinstance(found["good.yaml"], Upsert)
    assert found["good.yaml"].document.content == (HEAD + "paths: {}\n").encode()
    assert found["good.yaml"].document.media_type == OPENAPI


async def test_what_is_too_large_together_is_a_failure_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {**FILES, "good.yaml": HEAD + "paths: {}\n"})
    monkeypatch.setattr("ingest.openapi_files.MAX_FILES", 2)
    found = await everything(OpenApiCollector(Source("s", "openapi", str(tmp_path)), 10_000))
    assert isinstance(found["api/api.yaml"], Failure)
    assert isinstance(found["good.yaml"], Upsert)


async def test_a_description_that_breaks_its_standard_is_indexed_and_told_once(tmp_path: Path) -> None:
    write(
        tmp_path / "source",
        {
            "bad.yaml": HEAD + "paths: 7\n",
            "part.yaml": HEAD
            + "paths: {/a: {get: {summary: A}}}\ncomponents: {schemas: {S: {type: integer, default: x}}}\n",
        },
    )
    store = FailingStore()
    job = job_in(tmp_path, store, CountingEmbedder())
    source = await job.configure(str(tmp_path / "source"), kind="openapi")
    report = await job.sync(source.source_id)
    assert report.documents == 1
    assert [(failure.path, failure.reason) for failure in report.failures] == [
        ("bad.yaml", "bad.yaml:3:1#/paths: paths must be a mapping"),
        ("part.yaml", "indexed in part: part.yaml:3:14#/paths/~1a/get: 'responses' is a required property"),
    ]
    assert [(warning.path, warning.reason) for warning in report.warnings] == [
        ("part.yaml", "part.yaml:4:43#/components/schemas/S/default: default 'x' does not fit its schema")
    ]
    assert len(await store.held(source.source_id)) == 3
    bulks = store.bulks
    again = await job.sync(source.source_id, full=False)
    assert (again.documents, again.failures, store.bulks) == (0, (), bulks)
    [status] = await job.status()
    assert [failure.path for failure in status.failures] == ["bad.yaml", "part.yaml"]
    drift = await job.drift(source.source_id)
    assert (drift.missing, drift.extra, drift.outdated) == (("bad.yaml",), (), ())
    (tmp_path / "source" / "part.yaml").write_text(
        HEAD + "paths: {/a: {get: {summary: A, responses: {'200': {description: ok}}}}}\n"
    )
    mended = await job.sync(source.source_id)
    assert (mended.documents, mended.warnings) == (1, ())
    [status] = await job.status()
    assert [failure.path for failure in status.failures] == ["bad.yaml"]
    await job.close()
