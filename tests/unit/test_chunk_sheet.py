import io
import zipfile
from datetime import datetime

import pytest
from fake_tokens import FakeTokens
from openpyxl import Workbook

from ingest.chunkers import workbook as workbook_reader
from ingest.chunkers.draft import Draft
from ingest.chunkers.sheet import chunk_csv, chunk_workbook
from ingest.chunkers.split import Splitter
from shirabe.errors import InvalidInput

TOKENS = FakeTokens()
Cell = str | int | float | bool | datetime | None


def book(*rows: list[Cell], merge: str = "", title: str = "用語") -> bytes:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = title
    for row in rows:
        sheet.append(row)
    if merge:
        sheet.merge_cells(merge)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def records(content: bytes, max_tokens: int = 320) -> tuple[Draft, ...]:
    return chunk_workbook("docs/terms.xlsx", content, Splitter(TOKENS, max_tokens)).chunks


def test_each_row_is_a_record_with_its_headers_and_cells() -> None:
    content = book(
        ["業務用語集"],
        [None],
        [None, "用語", "English", "数"],
        [None, "受注", "order", 3],
        [None, "出荷", "shipment", 2.5],
    )
    assert [(c.kind, c.text, c.context, c.locator, c.headings) for c in records(content)] == [
        (
            "record",
            "用語=受注\nEnglish=order\n数=3",
            "terms.xlsx › 用語 › 業務用語集",
            "docs/terms.xlsx#用語!B4:D4",
            ("用語",),
        ),
        (
            "record",
            "用語=出荷\nEnglish=shipment\n数=2.5",
            "terms.xlsx › 用語 › 業務用語集",
            "docs/terms.xlsx#用語!B5:D5",
            ("用語",),
        ),
    ]


def test_notes_above_a_table_are_kept_once() -> None:
    found = records(book(["エラー一覧"], ["版: 2"], ["コード", "意味"], ["E1", "空"]))
    assert [(c.text, c.context, c.locator.split("!")[1]) for c in found] == [
        ("エラー一覧\n版: 2", "terms.xlsx › 用語 › エラー一覧", "A1:A2"),
        ("コード=E1\n意味=空", "terms.xlsx › 用語 › エラー一覧", "A4:B4"),
    ]


def test_a_title_after_a_blank_row_begins_another_table() -> None:
    content = book(["名前", "値"], ["a", "b"], [None], ["第二表"], ["項目", "型"], ["c", "d"])
    assert [(c.text, c.context) for c in records(content)] == [
        ("名前=a\n値=b", "terms.xlsx › 用語"),
        ("項目=c\n型=d", "terms.xlsx › 用語 › 第二表"),
    ]


def test_cells_merged_downwards_belong_to_every_row() -> None:
    content = book(["区分", "項目"], ["受注", "番号"], [None, "日付"], ["出荷", "番号"], merge="A2:A3")
    assert [c.text for c in records(content)] == [
        "区分=受注\n項目=番号",
        "区分=受注\n項目=日付",
        "区分=出荷\n項目=番号",
    ]


def test_values_are_as_people_write_them() -> None:
    content = book(["日", "真偽", "数"], [datetime(2026, 4, 1), True, 10.0])
    assert [c.text for c in records(content)] == ["日=2026-04-01\n真偽=TRUE\n数=10"]


def test_without_a_header_columns_have_their_letters() -> None:
    assert [c.text for c in records(book([1, 2], [3, 4]))] == ["A=1\nB=2", "A=3\nB=4"]


def test_a_long_record_is_cut_and_keeps_its_name() -> None:
    found = records(book(["用語", "説明"], ["受注", "これは長い説明である。" * 20]), 60)
    assert len(found) > 2
    assert all(c.context.endswith("受注") for c in found[1:])
    assert {c.locator for c in found} == {"docs/terms.xlsx#用語!A2:B2"}
    assert all(TOKENS.count(f"{c.context}\n{c.text}") <= 60 for c in found)


def test_an_empty_sheet_gives_nothing_and_notes_are_kept() -> None:
    assert records(book()) == ()
    assert [c.text for c in records(book(["覚え書き"]))] == ["覚え書き"]


def archive(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in parts.items():
            made.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip", archive(a=b"x"), book(["a", "b"])[:-200]])
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        records(content)
    assert error.value.place == "docs/terms.xlsx"


def test_a_zip_bomb_is_refused_before_it_is_opened() -> None:
    with pytest.raises(InvalidInput, match="unpacks to"):
        records(archive(bomb=b"\x00" * 50_000_000))


def test_entities_are_refused() -> None:
    content = book(["a", "b"], ["c", "d"])
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.namelist():
            data = old.read(part)
            if part == "xl/worksheets/sheet1.xml":
                head = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>'
                data = head + data.split(b"?>", 1)[-1] if data.startswith(b"<?xml") else head + data
            new.writestr(part, data)
    with pytest.raises(InvalidInput, match="not a readable"):
        records(changed.getvalue())


def test_the_number_of_cells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_reader, "MAX_CELLS", 5)
    with pytest.raises(InvalidInput, match="cells"):
        records(book(["a", "b"], ["c", "d"], ["e", "f"]))


def test_csv_records_have_their_lines() -> None:
    text = 'term,meaning\norder,"受注\n注文"\n\nship,出荷\n'
    found = chunk_csv("terms.csv", text, Splitter(TOKENS, 320)).chunks
    assert [(c.text, c.locator) for c in found] == [
        ("term=order\nmeaning=受注\n注文", "terms.csv#L2-L3"),
        ("term=ship\nmeaning=出荷", "terms.csv#L5-L5"),
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "\t"), ("a.csv", "|")])
def test_delimiters(name: str, delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["a", "b"], ["1,5", "2"]))
    assert [c.text for c in chunk_csv(name, text, Splitter(TOKENS, 320)).chunks] == ["a=1,5\nb=2"]


def test_a_field_without_an_end_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidInput) as error:
        chunk_csv("a.csv", 'a,b\n"' + "x" * 1_100_000, Splitter(TOKENS, 320))
    assert error.value.place.startswith("a.csv:")
