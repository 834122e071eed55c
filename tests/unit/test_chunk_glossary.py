"""Glossaries into terms: tables of terms, one term a page, spreadsheets, and terms that are pushed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_store import InMemoryStore
from fake_tokens import FakeTokens
from ingest_fakes import CountingEmbedder, Repository, job_in
from sheet_makers import book, cut, cut_file, grid, saved

from ingest.chunkers import StructureChunker
from ingest.collectors import open_collector
from ingest.glossary import META, TermColumns, term_columns, term_of, terms_of_json
from ingest.media_types import MARKDOWN, TERMS
from opensearch.documents import document_of, stored_of
from shirabe.errors import InvalidInput
from shirabe.settings import load_settings
from shirabe.types import Acl, Chunk, Document, Embedding, Record, Source, Term, Upsert

SAMPLE = Path(__file__).resolve().parents[2] / "samples/glossary/glossary.md"
ORDER = Term(
    ja="受注",
    en="sales order",
    reading="じゅちゅう",
    abbreviations=("SO",),
    definition="得意先からの注文を受け付けて受注番号を振ったもの",
    forbidden=("オーダー",),
)
PAGE = """---
title: 継続的デリバリー(CD)
category: 方法論
tags: [アプリケーション]
---

変更をいつでも配備できるようにする実践を指す。
[継続的インテグレーション](/ja/ci/)の次に来る。

手で配備しない。

## 解決する問題

配備が怖い。
"""


async def chunks(text: str, *, path: str = "g.md", media_type: str = MARKDOWN, **more: Any) -> list[Chunk]:
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    document = Document("d", "s", path, "file:///g", "", text.encode(), media_type, "1", moment, **more)
    [found] = await StructureChunker(FakeTokens(), 320).chunk([document])
    return found


def terms(found: Sequence[Chunk]) -> list[Term]:
    return [Term.of_meta(chunk.meta["term"]) for chunk in found if "term" in chunk.meta]


async def test_the_sample_is_a_glossary_wherever_it_lies() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    found = await chunks(text)
    rows = [line for line in text.split("\n") if line.startswith("| ") and "用語 |" not in line]
    assert len(terms(found)) == len(rows) > 40
    assert terms(found)[0] == ORDER
    first = found[0]
    assert (first.kind, first.lang) == ("term", "ja")
    assert first.text.split("\n") == [
        "受注（じゅちゅう） / sales order / SO",
        "使わない表記 (do not use): オーダー",
        "得意先からの注文を受け付けて受注番号を振ったもの",
    ]
    assert first.context == "Akane 用語集 / Akane glossary › 用語集 › 受注"
    assert [chunk.kind for chunk in found if chunk.kind != "term"] == ["section"]
    assert "左の表記を使う" in found[-1].text


async def test_the_locator_of_a_term_opens_its_row() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    lines = text.split("\n")
    for chunk in await chunks(text, path="docs/g.md"):
        if chunk.kind == "term":
            row = lines[chunk.meta["start_line"] - 1]
            assert chunk.locator == f"docs/g.md#L{chunk.meta['start_line']}-L{chunk.meta['end_line']}"
            [term] = terms([chunk])
            assert all(part in row for part in (term.ja, term.en, term.reading, term.definition, *term.forbidden))


async def test_a_page_of_its_own_is_a_term() -> None:
    found = await chunks(PAGE, path="ja/continuous-delivery.md", meta={META: {}})
    assert [(chunk.kind, chunk.locator) for chunk in found] == [
        ("term", "ja/continuous-delivery.md#L7-L8"),
        ("section", "ja/continuous-delivery.md"),
        ("section", "ja/continuous-delivery.md#解決する問題"),
    ]
    definition = "変更をいつでも配備できるようにする実践を指す。\n[継続的インテグレーション](/ja/ci/)の次に来る。"
    assert terms(found) == [
        Term(ja="継続的デリバリー", en="continuous delivery", abbreviations=("CD",), definition=definition)
    ]
    assert definition == "\n".join(PAGE.split("\n")[6:8])
    assert "手で配備しない。" in found[1].text
    assert definition not in found[1].text


async def test_a_page_is_a_term_only_in_a_glossary() -> None:
    assert terms(await chunks(PAGE)) == []
    assert terms(await chunks(PAGE, path="ja/_index.md", meta={META: {}})) == []
    assert terms(await chunks("---\ntitle: 空\n---\n", path="a.md", meta={META: {}})) == []


async def test_front_matter_may_hold_the_fields_of_a_term() -> None:
    text = (
        "---\nja: 取消\nen: cancellation\nreading: とりけし\nabbreviations: [CXL]\nforbidden: [削除, キャンセル]\n"
        "synonyms: 取り消し\nscope: 受注\n---\n# 取消\n\n受注をやめること\n"
    )
    [chunk, *_] = await chunks(text, meta={META: {}})
    [term] = terms([chunk])
    assert term == Term(
        "取消", "cancellation", "とりけし", ("CXL",), "受注をやめること", ("削除", "キャンセル"), "受注", ("取り消し",)
    )
    assert chunk.text.split("\n") == [
        "取消（とりけし） / cancellation / CXL",
        "同義語 (synonyms): 取り消し",
        "使わない表記 (do not use): 削除、キャンセル",
        "受注をやめること",
        "範囲 (scope): 受注",
    ]


async def test_the_columns_of_a_page_are_those_it_names() -> None:
    table = "| 名 | 訳 | 解 |\n|---|---|---|\n| 受注 | **order** | [注文](a.md)を受ける<br>こと |\n| | | |\n"
    text = f"---\nkind: glossary\ncolumns: {{term_ja: 名, en: 訳, definition: 解}}\n---\n{table}"
    assert terms(await chunks(text)) == [Term(ja="受注", en="order", definition="注文を受ける\nこと")]
    with pytest.raises(InvalidInput, match="no field 'colour'"):
        await chunks(text.replace("term_ja", "colour"))


async def test_other_tables_of_a_glossary_stay_tables() -> None:
    text = "---\nkind: glossary\n---\n| 版 | 変更 |\n|---|---|\n| 1 | 初版 |\n"
    assert [chunk.kind for chunk in await chunks(text)] == ["table"]


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (["用語", "読み", "英語", "略語", "定義", "使用禁止用語"], "term reading en abbreviation definition forbidden"),
        (["日本語名称", "英語名称", "説明", "適用範囲", "同義語"], "ja en definition scope synonyms"),
        (["Term", "Meaning", "Abbreviation", "Do not use"], "term definition abbreviation forbidden"),
        (["項番", "用語 / 和名", "用語 / 英名", "意味"], " ja en definition"),
        (["コード", "金額"], ""),
        (["用語"], ""),
    ],
)
def test_columns_are_told_from_their_names(names: list[str], fields: str) -> None:
    found = TermColumns({}).fields(names)
    assert [found.get(name, "") for name in names] == (fields.split(" ") if fields else [""] * len(names))


def test_columns_that_are_given_go_before_those_that_are_told() -> None:
    columns = term_columns({"ja": "画面での呼び名", "definition": "定義"}, "options.columns")
    names = ["用語", "画面での呼び名", "定義 / Definition"]
    assert columns.fields(names) == {"画面での呼び名": "ja", "定義 / Definition": "definition", "用語": "term"}


@pytest.mark.parametrize("value", ["用語", ["ja"], {"ja": 1}, {"colour": "色"}])
def test_columns_that_are_no_columns_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as error:
        term_columns(value, "options.columns")
    assert error.value.place == "options.columns"


def test_values_are_split_and_blanks_are_nothing() -> None:
    term = term_of(
        {"term": "取消", "forbidden": "キャンセル（画面、帳票を除く）、削除", "abbreviation": "－", "en": "なし"}
    )
    assert term == Term(ja="取消", forbidden=("キャンセル（画面、帳票を除く）", "削除"))
    assert term is not None
    assert term.names == ("取消", "キャンセル", "削除")
    assert term_of({"term": "cache", "definition": "x"}) == Term(en="cache", definition="x")
    assert term_of({"definition": "x"}) is None


def test_rows_of_a_spreadsheet_are_terms() -> None:
    made = book(
        ["用語集"],
        [None],
        ["No.", "区分", "用語", "English", "定義", "使わない表記", "備考"],
        [1, "受注", "受注", "order", "注文を受けたもの", "オーダー", "2章"],
        [2, None, "取消", "cancellation", "やめること", None, None],
        [3, None, None, None, None, None, "空き"],
        bold="A3:G3",
    )
    found = cut_file("terms.xlsx", saved(made), terms=TermColumns({}))
    assert [(chunk.kind, chunk.text, chunk.locator) for chunk in found] == [
        (
            "term",
            "受注 / order\n使わない表記 (do not use): オーダー\n注文を受けたもの\n範囲 (scope): 受注\n備考=2章",
            "terms.xlsx#用語!A4:G4",
        ),
        ("term", "取消 / cancellation\nやめること\n範囲 (scope): 受注", "terms.xlsx#用語!A5:E5"),
        ("record", "区分=受注\n備考=空き", "terms.xlsx#用語!A6:G6"),
    ]
    assert found[1].meta["term"] == {"ja": "取消", "en": "cancellation", "definition": "やめること", "scope": "受注"}


def test_a_mapping_names_the_columns_of_a_sheet() -> None:
    sheet = grid(["甲", "乙", "丙"], ["受注", "order", "注文"])
    columns = term_columns({"ja": "甲", "en": "乙", "definition": "丙"}, "options.columns")
    assert [chunk.kind for chunk in cut(sheet, terms=TermColumns({}))] == ["record"]
    [chunk] = cut(sheet, terms=columns)
    assert chunk.meta["term"] == {"ja": "受注", "en": "order", "definition": "注文"}


def test_a_long_definition_keeps_the_names_and_the_fields_come_once() -> None:
    found = cut(grid(["用語", "定義"], ["受注", "とても長い定義である。" * 30]), 60, TermColumns({}))
    assert len(found) > 3
    assert all("受注" in chunk.text or chunk.context.endswith("受注") for chunk in found)
    assert ["term" in chunk.meta for chunk in found] == [True, *[False] * (len(found) - 1)]


async def test_pushed_terms_have_pointers() -> None:
    pushed: dict[str, list[dict[str, Any]]] = {
        "terms": [
            {"ja": "受注", "en": "order", "abbreviations": ["SO"], "forbidden": ["オーダー", "受け付け"]},
            {"term": "ledger", "definition": "What was indexed"},
        ]
    }
    found = await chunks(json.dumps(pushed), path="terms/1", media_type=TERMS)
    assert [(chunk.kind, chunk.locator, chunk.lang) for chunk in found] == [
        ("term", "terms/1#/terms/0", "ja"),
        ("term", "terms/1#/terms/1", "en"),
    ]
    assert terms(found)[0] == Term(ja="受注", en="order", abbreviations=("SO",), forbidden=("オーダー", "受け付け"))
    for number, (chunk, term) in enumerate(zip(found, terms(found), strict=True)):
        assert chunk.meta["pointer"] == f"/terms/{number}"
        assert (term.ja or term.en) in pushed["terms"][number].values()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("nonsense", "g.json"),
        ('{"words": []}', "g.json"),
        ('{"terms": ["x"]}', "g.json#/terms/0"),
        ('{"terms": [{"ja": "x"}, {"definition": "y"}]}', "g.json#/terms/1"),
        ('[{"ja": "x", "colour": "y"}]', "g.json#/0"),
        ('[{"ja": ["x"]}]', "g.json#/0/ja"),
        ('[{"ja": 1}]', "g.json#/0/ja"),
        ('[{"ja": "' + "x" * 30_000 + '"}]', "g.json#/0/ja"),
        ("[" * 100_000, "g.json"),
    ],
)
async def test_what_is_no_term_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as error:
        await chunks(text, path="g.json", media_type=TERMS)
    assert error.value.place == place


async def test_the_index_holds_a_term_and_gives_it_back() -> None:
    [chunk] = await chunks('[{"ja": "受注", "forbidden": ["オーダー"]}]', media_type=TERMS)
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    document = Document("d", "s", "g.md", "", "", b"", TERMS, "1", moment)
    body = document_of(Record(document, chunk, Embedding()))
    again = stored_of({"_source": json.loads(json.dumps(body))}, 8).chunk
    assert Term.of_meta(again.meta["term"]) == terms_of_json([{"ja": "受注", "forbidden": ["オーダー"]}], "")[0]


@pytest.mark.parametrize("kind", ["glossary", "sheet"])
async def test_a_source_with_columns_is_a_glossary(tmp_path: Path, kind: Any) -> None:
    folder = tmp_path / "terms"
    folder.mkdir()
    (folder / "a.csv").write_text("甲,乙\n受注,order\n", encoding="utf-8")
    columns = {"ja": "甲", "en": "乙"}
    source = Source("s", kind, str(folder), Acl(True), {"columns": columns})
    collector = open_collector(source, load_settings(state_dir=tmp_path))
    head = await collector.head()
    [change] = [change async for change in collector.changes(None, head)]
    assert isinstance(change, Upsert)
    assert change == await collector.get("a.csv", head)
    assert change.document.meta[META] == {"columns": columns}
    assert await collector.knows(head)
    assert await collector.count(None, head) == len(await collector.paths(head)) == 1
    with pytest.raises(InvalidInput, match="no field"):
        open_collector(Source("s", kind, str(folder), options={"columns": {"x": "y"}}), load_settings())


async def test_a_repository_may_be_a_glossary(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.commit({"ja/ci.md": PAGE})
    bundle = tmp_path / "terms.bundle"
    repository.git("bundle", "create", str(bundle), "--all")
    collector = open_collector(Source("s", "glossary", str(bundle)), load_settings(state_dir=tmp_path / "state"))
    [change] = [change async for change in collector.changes(None, await collector.head())]
    assert isinstance(change, Upsert)
    assert (change.document.path, META in change.document.meta) == ("ja/ci.md", True)


async def test_other_columns_are_another_glossary(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("甲,乙\n受注,order\n", encoding="utf-8")
    store, embedder = InMemoryStore(), CountingEmbedder()
    job = job_in(tmp_path / "job", store, embedder)
    try:
        location = str(tmp_path / "a.csv")
        await job.add(Source("s", "glossary", location))
        await job.sync("s")
        assert [text.rpartition("\n")[2] for text in embedder.texts] == ["乙=order"]
        await job.add(Source("s", "glossary", location, options={"columns": {"ja": "甲", "en": "乙"}}))
        await job.sync("s")
        assert embedder.texts[-1].endswith("受注 / order")
    finally:
        await job.close()
