"""What is written of a document beside its content decides too whether it changed; it costs no embedding."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_tokens import FakeTokens
from ingest_fakes import CountingEmbedder, FailingStore, job_in

from ingest.chunkers import StructureChunker
from ingest.collectors.selection import content_digest
from shirabe.settings import Settings
from shirabe.types import ABOVE, Acl, Change, Cursor, Delete, Document, Source, Upsert, document_id

STAFF = Acl(principals=("staff", "ops"))
TEXT = "# 概要\n\n注文を受ける。\n\n# 詳細\n\n在庫を引き当てる。\n"
PAGE = Document(
    *(document_id("s", "page/1"), "s", "page/1", "https://wiki.example.org/r1/page", "設計", TEXT.encode()),
    *("text/markdown", "r1", datetime(2026, 1, 1, tzinfo=UTC), STAFF, {ABOVE: ("開発", "注文サービス")}),
)


class OnePage:
    """A collector of one document that changes at every look."""

    def __init__(self) -> None:
        self.document = PAGE
        self.looks = 0

    def __call__(self, source: Source, settings: Settings) -> OnePage:
        return self

    async def head(self) -> Cursor:
        self.looks += 1
        return Cursor(str(self.looks))

    async def knows(self, cursor: Cursor) -> bool:
        return True

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        return 1

    async def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        yield Upsert(self.document)

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        return {self.document.path: content_digest(self.document.content)}

    async def get(self, path: str, at: Cursor) -> Change:
        return Upsert(self.document) if path == self.document.path else Delete(path)


@pytest.mark.parametrize(
    ("change", "written", "embedded"),
    [
        ({}, 0, 0),
        ({"acl": Acl(principals=("ops", "staff"))}, 0, 0),
        (
            {
                "revision": "r2",
                "uri": "https://wiki.example.org/r2/page",
                "updated_at": datetime(2026, 2, 2, tzinfo=UTC),
            },
            0,
            0,
        ),
        ({"acl": Acl(principals=("staff",))}, 1, 0),
        ({"acl": Acl(public=True, principals=("staff", "ops"))}, 1, 0),
        ({"uri": "https://wiki.example.org/moved"}, 1, 0),
        ({"title": "設計書"}, 1, 0),
        ({"meta": {ABOVE: ("開発", "受注サービス")}}, 1, 2),
        ({"meta": {ABOVE: ("開発",)}}, 1, 2),
        ({"content": TEXT.replace("引き当てる", "確保する").encode()}, 1, 1),
    ],
)
async def test_what_is_written_decides_and_what_is_embedded_costs(
    tmp_path: Path, change: dict[str, Any], written: int, embedded: int
) -> None:
    collector, store, embedder = OnePage(), FailingStore(), CountingEmbedder()
    job = job_in(tmp_path, store, embedder, open_source=collector)
    await job.add(Source("s", "confluence", "https://wiki.example.org"))
    assert (await job.sync("s")).documents == 1
    bulks = store.bulks
    collector.document = replace(PAGE, **change)
    report = await job.sync("s")
    assert (report.documents, report.embedded, store.bulks - bulks) == (written, embedded, written)
    if written:
        assert {row.record.document.acl for row in store._written.values() if row.record} == {collector.document.acl}
    assert (await job.sync("s")).documents == 0
    await job.close()


async def test_what_a_document_lies_under_is_in_the_context_of_its_chunks() -> None:
    tokens = FakeTokens()
    [chunks] = await StructureChunker(tokens, 60).chunk([PAGE])
    assert [chunk.context for chunk in chunks] == [
        "開発 › 注文サービス › 概要",
        "開発 › 注文サービス › 概要 › 詳細",
    ]
    assert [chunk.headings for chunk in chunks] == [("開発", "注文サービス", "概要"), ("開発", "注文サービス", "詳細")]


async def test_a_long_way_down_leaves_room_for_the_text() -> None:
    tokens = FakeTokens()
    way = tuple(f"第{number}階層のとても長い名前の頁" for number in range(30))
    long = replace(PAGE, content=("あいうえお。" * 400).encode(), meta={ABOVE: way})
    [chunks] = await StructureChunker(tokens, 60).chunk([long])
    assert "".join(chunk.text for chunk in chunks) == "あいうえお。" * 400
    assert all(tokens.count(chunk.embedded_text) <= 60 for chunk in chunks)
    assert all(chunk.headings == way for chunk in chunks)
    assert all(chunk.context.startswith("第") for chunk in chunks)
