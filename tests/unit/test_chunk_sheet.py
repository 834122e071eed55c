"""Sheets into chunks: what a table, a form and a text are, told from where cells stand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sheet_makers import TOKENS, area, cut, cut_file, document, grid, places, texts

from ingest.chunkers import sheet as sheet_chunker
from ingest.chunkers import sheet_csv
from ingest.chunkers.sheet import chunk_sheet
from ingest.chunkers.sheet_grid import Area, Cell, Grid
from ingest.chunkers.split import Splitter
from ingest.chunkers.table import Table, units_of
from ingest.media_types import GRID
from shirabe.errors import InvalidInput


def test_each_row_is_a_record_with_its_headers_and_cells() -> None:
    found = cut(
        grid(
            ["業務用語集"],
            [None],
            [None, "用語", "English", "数"],
            [None, "受注", "order", 3],
            [None, "出荷", "shipment", 2.5],
        )
    )
    assert [(c.kind, c.text, c.context, c.locator, c.headings, c.meta["cells"]) for c in found] == [
        (
            "record",
            "用語=受注\nEnglish=order\n数=3",
            "台帳 › 表 › 業務用語集",
            "https://sheets.example.org/1&range=B4:D4",
            ("表",),
            "B4:D4",
        ),
        (
            "record",
            "用語=出荷\nEnglish=shipment\n数=2.5",
            "台帳 › 表 › 業務用語集",
            "https://sheets.example.org/1&range=B5:D5",
            ("表",),
            "B5:D5",
        ),
    ]


def test_text_above_a_table_is_kept_once() -> None:
    found = cut(grid(["エラー一覧"], ["版: 2"], ["コード", "意味"], ["E1", "空"]))
    assert [(c.kind, c.text, c.context, c.meta["cells"]) for c in found] == [
        ("text", "エラー一覧\n版: 2", "台帳 › 表 › エラー一覧", "A1:A2"),
        ("record", "コード=E1\n意味=空", "台帳 › 表 › エラー一覧", "A4:B4"),
    ]


def test_two_rows_of_headers_are_joined() -> None:
    merged = cut(
        grid(
            ["コード", "名称", "金額", None, "備考"],
            [None, None, "税抜", "税込", None],
            ["A1", "りんご", 100, 110, "旬"],
            merged="A1:A2 B1:B2 C1:D1 E1:E2",
        )
    )
    assert texts(merged) == ["コード=A1\n名称=りんご\n金額 / 税抜=100\n金額 / 税込=110\n備考=旬"]
    unmerged = cut(
        grid(
            ["コード", "金額", None, "数量", None],
            [None, "税抜", "税込", "計画", "実績"],
            ["A1", 100, 110, 5, 6],
            ["A2", 80, 88, 3, 3],
        )
    )
    assert texts(unmerged)[0] == "コード=A1\n金額 / 税抜=100\n金額 / 税込=110\n数量 / 計画=5\n数量 / 実績=6"


def test_three_rows_of_headers_are_joined() -> None:
    found = cut(
        grid(
            ["店", "2026年度", None, None, None],
            [None, "上期", None, "下期", None],
            [None, "計画", "実績", "計画", "実績"],
            ["東京", 1, 2, 3, 4],
            merged="A1:A3 B1:E1 B2:C2 D2:E2",
        )
    )
    assert texts(found) == [
        "店=東京\n2026年度 / 上期 / 計画=1\n2026年度 / 上期 / 実績=2\n"
        "2026年度 / 下期 / 計画=3\n2026年度 / 下期 / 実績=4"
    ]


def test_tables_side_by_side_are_apart_and_have_their_own_titles() -> None:
    found = cut(
        grid(
            ["マスタ一覧"],
            [None],
            ["受注", None, None, "出荷"],
            [None],
            ["コード", "名称", None, "コード", "名称"],
            ["10", "受付", None, "1", "準備中"],
            ["20", "確定", None, "2", "出荷済"],
            [None, None, None, "3", "配達済"],
        )
    )
    assert [(c.context.removeprefix("台帳 › 表 › "), c.text, c.meta["cells"]) for c in found] == [
        ("マスタ一覧 › 受注", "コード=10\n名称=受付", "A6:B6"),
        ("マスタ一覧 › 受注", "コード=20\n名称=確定", "A7:B7"),
        ("マスタ一覧 › 出荷", "コード=1\n名称=準備中", "D6:E6"),
        ("マスタ一覧 › 出荷", "コード=2\n名称=出荷済", "D7:E7"),
        ("マスタ一覧 › 出荷", "コード=3\n名称=配達済", "D8:E8"),
    ]


def test_a_title_begins_another_table_and_a_blank_row_alone_does_not() -> None:
    found = cut(grid(["名前", "値"], ["a", "b"], [None], ["c", "d"], [None], ["第二表"], ["項目", "型"], ["x", "文字"]))
    assert [(c.text, c.context) for c in found] == [
        ("名前=a\n値=b", "台帳 › 表"),
        ("名前=c\n値=d", "台帳 › 表"),
        ("項目=x\n型=文字", "台帳 › 表 › 第二表"),
    ]


def test_another_header_begins_another_table_where_headers_are_coloured() -> None:
    rows = (
        ["受注"],
        ["コード", "名称"],
        ["a", "x"],
        ["b", "y"],
        ["出荷"],
        ["便", "時刻"],
        ["朝", "早い"],
        ["夜", "遅い"],
    )
    found = cut(grid(*rows, bold="A2:B2 A6:B6"))
    assert [(c.context.removeprefix("台帳 › 表 › "), c.text) for c in found] == [
        ("受注", "コード=a\n名称=x"),
        ("受注", "コード=b\n名称=y"),
        ("出荷", "便=朝\n時刻=早い"),
        ("出荷", "便=夜\n時刻=遅い"),
    ]


def test_a_header_repeated_for_the_next_page_is_no_record() -> None:
    found = cut(grid(["コード", "名称"], ["a", "x"], ["コード", "名称"], ["b", "y"], bold="A1:B1 A3:B3"))
    assert texts(found) == ["コード=a\n名称=x", "コード=b\n名称=y"]


def test_remarks_under_a_table_are_text_under_its_title() -> None:
    found = cut(grid(["料金"], [None], ["品名", "額"], ["a", 1], ["b", 2], ["※ 税抜です"], [None], ["注1) 離島を除く"]))
    assert [(c.kind, c.text, c.context) for c in found if c.kind == "text"] == [
        ("text", "※ 税抜です", "台帳 › 表 › 料金"),
        ("text", "注1) 離島を除く", "台帳 › 表 › 料金"),
    ]


def test_numbers_that_only_count_rows_are_left_out_of_the_text() -> None:
    found = cut(grid(["No.", "品名", "額"], [1, "りんご", 100], [2, "みかん", 80], ["合計", None, 180]))
    assert [(c.text, c.meta.get("number")) for c in found] == [
        ("品名=りんご\n額=100", "1"),
        ("品名=みかん\n額=80", "2"),
        ("合計\n額=180", None),
    ]
    coded = cut(grid(["番号", "品名"], [1001, "りんご"], [1002, "みかん"]))
    assert texts(coded) == ["番号=1001\n品名=りんご", "番号=1002\n品名=みかん"]


def counted(items: list[tuple[str, int]]) -> Grid:
    rows = [(number, name, value) for number, (name, value) in enumerate(items, start=1)]
    return grid(["No.", "品名", "額"], *rows)


def test_a_row_put_in_changes_no_other_record() -> None:
    items = [(f"品目{name}", 10 * number) for number, name in enumerate("abcdef")]
    before = {(c.context, c.text) for c in cut(counted(items))}
    after = {(c.context, c.text) for c in cut(counted([*items[:2], ("新しい品目", 7), *items[2:]]))}
    assert len(after - before) == 1


def test_cells_merged_downwards_belong_to_every_row() -> None:
    found = cut(grid(["区分", "項目"], ["受注", "番号"], [None, "日付"], ["出荷", "番号"], merged="A2:A3"))
    assert texts(found) == ["区分=受注\n項目=番号", "区分=受注\n項目=日付", "区分=出荷\n項目=番号"]


def test_groups_written_once_belong_to_the_rows_below() -> None:
    found = cut(
        grid(
            ["大分類", "中分類", "項目", "担当"],
            ["受注", "登録", "番号", "山田"],
            [None, None, "日付", "〃"],
            [None, "取消", "理由", "佐藤"],
            ["出荷", None, "便", "佐藤"],
        )
    )
    assert texts(found)[1:] == [
        "大分類=受注\n中分類=登録\n項目=日付\n担当=山田",
        "大分類=受注\n中分類=取消\n項目=理由\n担当=佐藤",
        "大分類=出荷\n項目=便\n担当=佐藤",
    ]


def test_a_heading_within_a_table_is_the_context_of_its_rows() -> None:
    rows = (["コード", "名称", "備考"], ["■受注系"], ["E1", "空", "x"], ["■出荷系"], ["E2", "便", "y"])
    assert [c.context for c in cut(grid(*rows))] == ["台帳 › 表 › ■受注系", "台帳 › 表 › ■出荷系"]


def test_years_name_columns() -> None:
    assert texts(cut(grid(["区分", 2024, 2025], ["売上", 1, 2], ["利益", 3, 4]))) == [
        "区分=売上\n2024=1\n2025=2",
        "区分=利益\n2024=3\n2025=4",
    ]


def test_who_wrote_it_stands_above_the_header() -> None:
    found = cut(
        grid(
            ["受注テーブル定義", None, None, "作成者", "山田"],
            ["項番", "列名", "型", "必須", "説明"],
            [1, "order_id", "bigint", "○", "受注番号"],
            [2, "status", "varchar(20)", "○", "状態"],
            bold="A2:E2",
        )
    )
    assert [(c.kind, c.context) for c in found] == [
        ("text", "台帳 › 表 › 受注テーブル定義"),
        ("record", "台帳 › 表 › 受注テーブル定義"),
        ("record", "台帳 › 表 › 受注テーブル定義"),
    ]
    assert found[1].text == "列名=order_id\n型=bigint\n必須=○\n説明=受注番号"


def test_without_a_header_columns_have_their_letters() -> None:
    assert texts(cut(grid([1, 2], [3, 4]))) == ["A=1\nB=2", "A=3\nB=4"]


def test_a_form_with_coloured_names_is_one_record() -> None:
    found = cut(
        grid(
            ["障害報告書"],
            [None],
            ["報告日", "2026/11/23", "報告者", "山田"],
            ["概要", "与信が止まった。"],
            ["対処", None],
            [None],
            ["時刻", "出来事"],
            ["09:00", "検知"],
            bold="A3:A5 C3 A7:B7",
            merged="B4:D4",
        )
    )
    assert [(c.text, c.context, c.meta["cells"]) for c in found] == [
        ("報告日=2026/11/23\n報告者=山田\n概要=与信が止まった。\n対処=", "台帳 › 表 › 障害報告書", "A3:D5"),
        ("時刻=09:00\n出来事=検知", "台帳 › 表 › 障害報告書", "A8:B8"),
    ]


def test_a_form_on_squared_paper_needs_no_colours() -> None:
    merged = "B2:Z2 B4:F4 G4:O4 P4:S4 T4:Z4 B5:F5 G5:O5 B6:F6 G6:Z6 B8:C8 D8:L8 M8:Z8 B9:C9 D9:L9 M9:Z9"
    cells = {
        "B2": "変更申請書",
        "B4": "申請者",
        "G4": "山田 太郎",
        "P4": "部署",
        "T4": "基盤",
        "B5": "申請日",
        "G5": "2026/11/23",
        "B6": "変更内容",
        "G6": "時間切れを30秒に延ばす。",
        "B8": "No",
        "D8": "作業",
        "M8": "担当",
        "B9": "1",
        "D9": "停止",
        "M9": "佐藤",
    }
    sheet = Grid(
        "表",
        {(area(at).top, area(at).left): Cell(text) for at, text in cells.items()},
        tuple(area(one) for one in merged.split()),
    )
    assert [(c.text, c.meta["cells"]) for c in cut(sheet)] == [
        ("申請者=山田 太郎\n部署=基盤\n申請日=2026/11/23\n変更内容=時間切れを30秒に延ばす。", "B4:Z6"),
        ("作業=停止\n担当=佐藤", "B9:Z9"),
    ]


def test_a_form_on_squared_paper_needs_no_merged_cells() -> None:
    row = [None] * 4
    sheet = grid(
        ["番号", *row, "CR-12", *row, "日付", *row, "2026/4/1"],
        ["件名", *row, "在庫引当の見直し"],
        ["理由", *row, "二重に引き当てた"],
        at="B4",
        squared=True,
    )
    assert texts(cut(sheet)) == ["番号=CR-12\n日付=2026/4/1\n件名=在庫引当の見直し\n理由=二重に引き当てた"]


def test_names_of_a_form_may_be_in_two_levels() -> None:
    found = cut(
        grid(
            ["申請者", "氏名", "山田"],
            [None, "部署", "基盤"],
            ["住所", "東京都"],
            [None, "丸の内"],
            merged="A1:A2 A3:A4",
            bold="A1:A4 B1:B2",
        )
    )
    assert texts(found) == ["申請者 / 氏名=山田\n申請者 / 部署=基盤\n住所=東京都 丸の内"]


@pytest.mark.parametrize(
    "rows",
    [
        (["作成日：", "2026/11/23"], ["作成者：", "山田"]),
        (["日時", "2026/11/20 10:00"], ["場所", "会議室A"], ["出席者", "山田、佐藤"]),
        (["件数", 3], ["上限", 10]),
    ],
)
def test_names_and_values_are_a_form(rows: tuple[list[str | int | None], ...]) -> None:
    assert texts(cut(grid(*rows))) == ["\n".join(f"{str(name).rstrip('：')}={value}" for name, value in rows)]


def test_two_columns_of_words_are_a_table() -> None:
    assert texts(cut(grid(["質問", "回答"], ["期限は？", "30日です。"], ["送料は？", "一律です。"]))) == [
        "質問=期限は？\n回答=30日です。",
        "質問=送料は？\n回答=一律です。",
    ]


def test_a_blank_column_between_names_and_values_parts_nothing() -> None:
    assert texts(cut(grid(["キー", None, "値"], ["host", None, "db1"], ["port", None, "x"]))) == [
        "キー=host\n値=db1",
        "キー=port\n値=x",
    ]


def test_a_written_page_is_text() -> None:
    found = cut(
        grid(
            ["1. 概要"],
            [None, "受注APIの設計を述べる。"],
            ["2. 構成"],
            [None, "(1)", "API サーバー"],
            [None, "(2)", "バッチ"],
        )
    )
    assert [(c.kind, c.text, c.meta["cells"]) for c in found] == [
        ("text", "1. 概要\n受注APIの設計を述べる。\n2. 構成\n(1) API サーバー\n(2) バッチ", "A1:C5")
    ]


def test_what_is_laid_out_freely_is_text() -> None:
    found = cut(
        grid(
            ["（申請先）", None, None, "年月日"],
            [None, "X市長"],
            ["氏名", None, "被保険者番号"],
            [None, None, "個人番号", None, "印"],
            ["住所", "〒"],
            merged="A3:B3 A5:A6",
        )
    )
    assert [(c.kind, c.text) for c in found] == [
        ("text", "（申請先） 年月日\nX市長\n氏名 被保険者番号\n個人番号 印\n住所 〒")
    ]


def test_hidden_columns_and_rows_part_nothing() -> None:
    sheet = grid(
        ["名前", None, "値"],
        ["a", None, "x"],
        [None],
        ["b", None, "y"],
        hidden_columns=frozenset({2}),
        hidden_rows=frozenset({3}),
    )
    assert texts(cut(sheet)) == ["名前=a\n値=x", "名前=b\n値=y"]


def test_links_and_notes_of_cells_are_kept() -> None:
    cells = {
        (1, 1): Cell("品名"),
        (1, 2): Cell("額"),
        (2, 1): Cell("りんご", link="https://example.org/a"),
        (2, 2): Cell("100", True, note="税抜"),
    }
    assert texts(cut(Grid("表", cells))) == ["品名=りんご <https://example.org/a>\n額=100\n額 (note)=税抜"]


def test_a_long_record_is_cut_and_each_part_has_its_names() -> None:
    long = "これは長い説明である。" * 20
    found = cut(grid(["用語", "説明", "備考"], ["受注", long, "終わり"]), 60)
    assert len(found) > 3
    assert all(c.context.endswith("受注") for c in found[1:])
    assert set(places(found)) == {"A2:C2"}
    assert all(TOKENS.count(f"{c.context}\n{c.text}") <= 60 for c in found)
    lines = [line for c in found for line in c.text.split("\n")]
    assert all(re.match("(用語|説明|備考)=", line) for line in lines)
    assert "".join(line.removeprefix("説明=") for line in lines if line.startswith("説明=")) == long


def test_a_wide_matrix_of_numbers_is_told_by_its_names() -> None:
    days = [f"{day}日" for day in range(1, 101)]
    rows = [[f"品目番号{row}", *range(100)] for row in range(100)]
    found = cut(grid(["品目", *days], *rows))
    assert {c.kind for c in found} == {"table"}
    assert len(found) < 20
    assert "品目番号77" in "\n".join(texts(found))
    assert found[0].text.startswith("品目 | 1日 | 2日")


def test_marks_side_by_side_are_one_line() -> None:
    days = [f"{day}日" for day in range(1, 11)]
    found = cut(grid(["作業", *days], ["設計", *["■"] * 6], ["実装", *[None] * 6, *["■"] * 4]))
    assert texts(found) == ["作業=設計\n1日–6日=■", "作業=実装\n7日–10日=■"]
    roles = cut(grid(["操作", "営業", "管理者", "閲覧者", "監査"], ["取消", *["○"] * 4]))
    assert texts(roles) == ["操作=取消\n営業=○\n管理者=○\n閲覧者=○\n監査=○"]


def test_the_number_of_records_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_chunker, "MAX_RECORDS", 2)
    with pytest.raises(InvalidInput, match="more than 2 records"):
        cut(grid(["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]))


def test_an_empty_sheet_gives_nothing_and_a_lone_text_is_kept() -> None:
    assert cut(grid()) == ()
    assert texts(cut(grid(["覚え書き"]))) == ["覚え書き"]


def test_what_is_no_grid_is_refused() -> None:
    for content in (b"", b"[]", b'{"name": 1}', b'{"name":"a","cells":[[0,1,"x"]],"merged":[]}', b"[" * 100_000):
        with pytest.raises(InvalidInput, match="not the cells of a sheet"):
            chunk_sheet(document("s/1", content, GRID), Splitter(TOKENS, 320), None)


_TEXT = st.sampled_from(
    ["受注", "No.", "合計", "※ 注", "1", "2", "2026/11/23", "1.", "a b", "備考：", "〃", "長い文である。" * 9]
)
_CELLS = st.dictionaries(
    st.tuples(st.integers(1, 9), st.integers(1, 7)),
    st.builds(Cell, st.builds("{}#{}".format, _TEXT, st.integers(0, 99)) | _TEXT, st.booleans(), st.integers(0, 2)),
    max_size=40,
)
_AREAS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3)).map(
        lambda edges: Area(edges[0], edges[1], edges[0] + edges[2], edges[1] + edges[3])
    ),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(_CELLS, _AREAS)
def test_nothing_that_is_written_is_lost(cells: dict[tuple[int, int], Cell], merged: list[Area]) -> None:
    sheet = Grid("表", cells, tuple(merged))
    chunks = cut(sheet, 60)
    said = "\n".join(" ".join(f"{c.context} {c.text} {c.meta.get('number', '')}".split()) for c in chunks)
    covered = set(sheet.shown)
    tables = [unit for unit in units_of(sheet) if isinstance(unit, Table)]
    # The name of a column that holds nothing is in no record.
    headers = [Area(t.area.top, t.area.left, t.records[0].area.top - 1, t.area.right) for t in tables if t.records]
    for place, cell in cells.items():
        if any(header.covers(*place) for header in headers):
            continue
        hidden = place in covered and (sheet.shown[place].top, sheet.shown[place].left) != place
        if not hidden and cell.text != "〃" and len(cell.text) < 30 and chunks:
            assert cell.text.rstrip("：") in said, place
    for chunk in chunks:
        assert chunk.text.strip()
        assert TOKENS.count(f"{chunk.context}\n{chunk.text}") <= 60
        found = area(chunk.meta["cells"])
        assert any(found.covers(*place) for place in cells), chunk.meta


def test_csv_records_have_their_lines() -> None:
    text = 'term,meaning\norder,"受注\n注文"\n\nship,出荷\n'
    assert [(c.text, c.locator, c.meta["start_line"]) for c in cut_file("terms.csv", text.encode())] == [
        ("term=order\nmeaning=受注\n注文", "terms.csv#L2-L3", 2),
        ("term=ship\nmeaning=出荷", "terms.csv#L5-L5", 5),
    ]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp932", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_in_every_encoding_that_excel_writes(codec: str, newline: str) -> None:
    text = newline.join(["用語\t意味", "受注\t注文を受けること①", "出荷\t送り出すこと"])
    content = f"\ufeff{text}" if codec == "utf-16-le" else text
    assert texts(cut_file("a.csv", content.encode(codec))) == [
        "用語=受注\n意味=注文を受けること①",
        "用語=出荷\n意味=送り出すこと",
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "\t"), ("a.csv", "|")])
def test_delimiters(name: str, delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["a", "b"], ["1,5", "2"], ["x", '"y\n,z"']))
    assert texts(cut_file(name, text.encode())) == ["a=1,5\nb=2", "a=x\nb=y\n,z"]


def test_a_delimiter_that_is_declared_is_used_and_titles_do_not_mislead() -> None:
    assert texts(cut_file("a.csv", b"sep=;\na;b\n1,2;3\n")) == ["a=1,2\nb=3"]
    assert [c.locator for c in cut_file("a.csv", b"sep=;\na;b\n1,2;3\n")] == ["a.csv#L3-L3"]
    titled = cut_file("a.csv", "送料、地域、便\n\nzone;fee\na;1\nb;2\n".encode())
    assert [(c.context, c.text) for c in titled] == [
        ("a.csv › 送料、地域、便", "zone=a\nfee=1"),
        ("a.csv › 送料、地域、便", "zone=b\nfee=2"),
    ]


def test_a_field_without_an_end_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidInput) as error:
        cut_file("a.csv", b'a,b\n"' + b"x" * 1_100_000)
    assert error.value.place.startswith("a.csv:")


def test_the_cells_of_a_csv_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_csv, "MAX_CELLS", 5)
    with pytest.raises(InvalidInput, match="cells") as error:
        cut_file("a.csv", b"a,b\nc,d\ne,f\n")
    assert error.value.place == "a.csv:3"
