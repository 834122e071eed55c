"""Workbook files: what a person sees of them, and what strangers may put into them."""

from __future__ import annotations

import base64
import zlib
from datetime import date, datetime, time
from typing import Any

import pytest
from openpyxl.comments import Comment
from openpyxl.worksheet.filters import FilterColumn, Filters
from sheet_makers import archive, area, book, cut_file, first_of, places, replaced, saved, texts

from ingest.chunkers import workbook_xlsx
from ingest.chunkers.sheet_grid import Grid
from ingest.chunkers.workbook_ods import read_ods
from ingest.chunkers.workbook_xls import read_xls
from ingest.chunkers.workbook_xlsx import read_xlsx
from shirabe.errors import InvalidInput


def grids(content: bytes) -> list[Grid]:
    return [Grid.of_plain(plain) for plain in read_xlsx(content)]


def shown(grid: Grid) -> dict[str, str]:
    return {f"{'ABCDEFG'[column - 1]}{row}": cell.text for (row, column), cell in grid.cells.items()}


def test_values_are_as_a_person_sees_them() -> None:
    made = book([1234, 0.5, datetime(2026, 11, 23), date(2026, 11, 23), time(9, 30), True, " 氏　　名 "])
    sheet = first_of(made)
    for cell, code in {"A1": '#,##0"円"', "B1": "0%", "C1": "yyyy/mm/dd"}.items():
        sheet[cell].number_format = code
    [grid] = grids(saved(made))
    assert list(shown(grid).values()) == ["1,234円", "50%", "2026/11/23", "2026-11-23", "9:30:00", "TRUE", "氏名"]
    assert [cell.typed for cell in grid.cells.values()] == [True] * 6 + [False]


def test_formulas_show_what_they_came_to_last() -> None:
    made = book(["計", "=1+2"])
    content = replaced(saved(made), "xl/worksheets/sheet1.xml", b"<v></v>", b"<v>3</v>")
    assert shown(grids(content)[0]) == {"A1": "計", "B1": "3"}


def test_links_and_comments_are_read() -> None:
    made = book(["品名", "額"], ["りんご", 100])
    sheet = first_of(made)
    sheet["A2"].hyperlink = "https://example.org/a"
    sheet["B2"].comment = Comment("山田:\n税抜", "山田")
    sheet["A1"].comment = Comment("[スレッド化されたコメント]\n\nお使いの Excel では…\n\nコメント:\n    返信", "tc=1")
    [grid] = grids(saved(made))
    assert grid.cells[2, 1].link == "https://example.org/a"
    assert grid.cells[2, 2].note == "税抜"
    assert grid.cells[1, 1].note == "返信"


def test_what_is_hidden_is_left_out_and_what_is_filtered_is_not() -> None:
    made = book(["名前", "値", "内訳"], ["a", 1, "x"], ["b", 2, "y"], ["c", 3, "z"], [None], ["d", 4, "w"])
    sheet = first_of(made)
    sheet.row_dimensions[6].hidden = True
    sheet.row_dimensions[3].hidden = True
    sheet.auto_filter.ref = "A1:C4"
    sheet.auto_filter.filterColumn.append(FilterColumn(colId=0, filters=Filters(filter=["a"])))
    sheet.column_dimensions["C"].hidden = True
    hidden = made.create_sheet("裏")
    hidden["A1"] = "秘密"
    hidden.sheet_state = "veryHidden"
    [grid] = grids(saved(made))
    assert "C1" not in shown(grid)
    assert [text for place, text in shown(grid).items() if place.startswith("A")] == ["名前", "a", "b", "c"]


def test_folded_rows_are_read() -> None:
    made = book(["名前"], ["a"])
    first_of(made).row_dimensions.group(2, 2, hidden=True)
    assert shown(grids(saved(made))[0]) == {"A1": "名前", "A2": "a"}


def test_colours_bold_and_narrow_columns_are_told() -> None:
    made = book(["a", *["b"] * 9], ["c"], bold="A1:B1")
    sheet = first_of(made)
    for column in "ABCDEFGHIJ":
        sheet.column_dimensions[column].width = 2.7
    [grid] = grids(saved(made))
    assert grid.squared
    assert grid.cells[1, 1].look == grid.cells[1, 2].look != 0
    assert grid.cells[1, 3].look == 0


def test_records_of_a_file_have_their_cells() -> None:
    made = book(["No.", "用語", "数"], [1, "受注", 3], [2, "出荷", 4], title="一覧!その1", bold="A1:C1", merged="B2:B2")
    found = cut_file("docs/terms.xlsx", saved(made))
    assert [(c.text, c.context, c.locator) for c in found] == [
        ("用語=受注\n数=3", "terms.xlsx › 一覧!その1", "docs/terms.xlsx#一覧!その1!A2:C2"),
        ("用語=出荷\n数=4", "terms.xlsx › 一覧!その1", "docs/terms.xlsx#一覧!その1!A3:C3"),
    ]
    assert found[0].meta["sheet"] == "一覧!その1"


def test_every_locator_opens_what_its_chunk_says() -> None:
    made = book(
        ["障害一覧"],
        [None],
        ["区分", "番号", "内容"],
        ["受注", "E1", "空\n二行目"],
        [None, "E2", "満"],
        ["※ 番号は再利用しない"],
        bold="A3:C3",
        merged="A4:A5",
    )
    content = saved(made)
    [grid] = grids(content)
    for chunk in cut_file("a.xlsx", content):
        sheet, _, cells = chunk.locator.removeprefix("a.xlsx#").rpartition("!")
        assert (sheet, cells) == (chunk.meta["sheet"], chunk.meta["cells"])
        opened = area(cells)
        values = [
            cell.text
            for row in range(opened.top, opened.bottom + 1)
            for column in range(opened.left, opened.right + 1)
            if (cell := grid.cell_at(row, column))
        ]
        names = [grid.cells[3, column].text for column in (1, 2, 3)]
        said = [f"{name}={value}" for name, value in zip(names, values, strict=False)]
        assert chunk.text in ("\n".join(said), "\n".join(values))


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04", b"PK not a zip", archive({"a": b"x"}), saved(book(["a", "b"]))[:-200]],
    ids=["a signature", "no zip", "another zip", "cut short"],
)
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        cut_file("docs/terms.xlsx", content)
    assert error.value.place == "docs/terms.xlsx"


def test_a_zip_bomb_is_refused_before_it_is_opened() -> None:
    with pytest.raises(InvalidInput, match="unpacks to"):
        cut_file("a.xlsx", archive({"bomb": b"\x00" * 50_000_000}))


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    content = saved(book(["a", "b"], ["c", "d"]))
    content = replaced(content, "xl/worksheets/sheet1.xml", b"<worksheet", bomb + b"<worksheet")
    with pytest.raises(InvalidInput, match="cannot be read"):
        cut_file("a.xlsx", content)


def test_the_number_of_cells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_xlsx, "MAX_CELLS", 5)
    with pytest.raises(InvalidInput, match="cells"):
        read_xlsx(saved(book(["a", "b"], ["c", "d"], ["e", "f"])))


def test_a_merged_sheet_and_a_lying_size_cost_nothing() -> None:
    content = saved(book(["題"], ["a", "b"], ["c", "d"], merged="A1:B1"))
    content = replaced(content, "xl/worksheets/sheet1.xml", b'ref="A1:B1"', b'ref="A1:XFD1048576"')
    content = replaced(
        content, "xl/worksheets/sheet1.xml", b'<dimension ref="A1:B3"', b'<dimension ref="A1:XFD1048576"'
    )
    assert texts(cut_file("a.xlsx", content))


def test_a_protected_workbook_says_so() -> None:
    with pytest.raises(InvalidInput, match="password"):
        cut_file("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)


ODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" xmlns:xlink="http://www.w3.org/1999/xlink">
<office:automatic-styles>
<style:style style:name="gone" style:family="table"><style:table-properties table:display="false"/></style:style>
<style:style style:name="head" style:family="table-cell"><style:table-cell-properties fo:background-color="#ddeeff"/>
<style:text-properties fo:font-weight="bold"/></style:style></office:automatic-styles>
<office:body><office:spreadsheet>
<table:table table:name="料金"><table:table-column table:number-columns-repeated="3"/>
<table:table-row><table:table-cell table:number-columns-spanned="3"><text:p>料金表</text:p></table:table-cell>
<table:covered-table-cell table:number-columns-repeated="2"/></table:table-row>
<table:table-row table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="16384"/>
</table:table-row>
<table:table-row><table:table-cell table:style-name="head"><text:p>品名</text:p></table:table-cell>
<table:table-cell table:style-name="head"><text:p>額</text:p></table:table-cell>
<table:table-cell table:style-name="head"><text:p>適用日</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell><office:annotation><text:p>旬</text:p></office:annotation>
<text:p><text:a xlink:href="https://example.org/">り<text:s text:c="1"/>んご</text:a></text:p></table:table-cell>
<table:table-cell office:value-type="currency" office:value="1234"><text:p>1,234円</text:p></table:table-cell>
<table:table-cell office:value-type="date" office:date-value="2026-11-23"><text:p>2026年11月23日</text:p>
</table:table-cell></table:table-row>
<table:table-row table:visibility="collapse"><table:table-cell><text:p>隠し</text:p></table:table-cell>
</table:table-row>
<table:table-row table:visibility="filter"><table:table-cell><text:p>みかん</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="80"/></table:table-row>
<table:table-row table:number-rows-repeated="1048570"><table:table-cell table:number-columns-repeated="16384"/>
</table:table-row></table:table>
<table:table table:name="裏" table:style-name="gone"><table:table-row><table:table-cell><text:p>秘密</text:p>
</table:table-cell></table:table-row></table:table>
</office:spreadsheet></office:body></office:document-content>"""


def test_ods_is_read_as_it_is_shown() -> None:
    found = cut_file("a.ods", archive({"content.xml": ODS}))
    assert texts(found) == [
        "品名=り んご <https://example.org/>\n品名 (note)=旬\n額=1,234円\n適用日=2026年11月23日",
        "品名=みかん\n額=80",
    ]
    assert [c.locator for c in found] == ["a.ods#料金!A5:C5", "a.ods#料金!A7:B7"]
    assert {c.context for c in found} == {"a.ods › 料金 › 料金表"}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("<office:body>", '<!DOCTYPE x [<!ENTITY a "b">]><office:body>', "cannot be read"),
        ("<table:table-row><table:table-cell table:style", "<table:table-row><x", "cannot be read"),
        (
            '<table:table-cell office:value-type="float" office:value="80"/>',
            '<table:table-cell table:number-columns-repeated="16000"><text:p>x</text:p></table:table-cell>',
            "",
        ),
        (
            'visibility="filter"><table:table-cell>',
            'number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="9000">',
            "more than 1000000 cells",
        ),
    ],
)
def test_hostile_ods(old: str, new: str, reason: str) -> None:
    content = archive({"content.xml": ODS.replace(old, new)})
    if not reason:
        assert cut_file("a.ods", content)
        return
    with pytest.raises(InvalidInput, match=reason) as error:
        cut_file("a.ods", content)
    assert error.value.place.startswith("a.ods")


def test_an_archive_without_content_is_no_ods() -> None:
    with pytest.raises(InvalidInput, match="it has no content"):
        read_ods(archive({"mimetype": "x"}))


# Two sheets, `料金` and a hidden one, written by xlwt.
XLS = (
    "c-rk)T}V_x6#nM^?5^U^?zRRRhzOaP;6@M;=$cptv8E>3AC%@oVrVS&U=L~8f&_sgL`Dw@_K=0uOFvYSFVRC_R!{_i7WU#(P|$;V"
    "J9F;6rM7_!DOmR#=FB-~=A8LEGxz7^sBgUgZq@`Apad#rjU>3{=mg~?TkwMF4MVba>7i^mSW!sw&_=p+JW74xmU}4odjbmXXd^^{"
    "kCYGL1S(rwB00;5G9E*{kYgwo8pWQ1tCZ7_$>Z`fJ<4<y)7#wkG1F4kTx42IZO6p{jD{);wpekzPs!!FG@=6c+2%cKHX;MhWgNG6"
    "3$v|`ZPBLs<14HpTT8(JXiF<1Es>~{({UZiz<xqeI9ya-K8^rw_W-^bIlx!@TtCfm^vkOkApQ6GdiNjn9@@l(`d&o?I$#_TGMHmX"
    "!A?!qD55Vi)+6Nsmy8TWT)R{koW^dx#AQ~&O^$Vu;nqE_8Y)I=Q){Uh>j__`+NSROQ<D*rXZFUbNxl&54b}#UX%FrqmMY%0Jv*2z"
    "-SIu*op+C<^65$;+K6=KeSF5eG>z#SUtWb9szQfZ)4|UU^9i$7P6r0gN((YhW39^yZlHiIHZVQMUe_?6#WX-|sLZR%u$Ud4+~z#j"
    "=21VJ7_UR?=J5H%$EK<uWXC>*))PNeF>yLD^fuIwTw16`vX`k7g`!Yg>63UEvP)szMIV@E{&p{U6fe&}hhaTN(=kIQQSf?54AUCP"
    "`_0EmV+%Eog~}GvmnkXMdYY0-lKNB9*pu127RQ&yzI3a-#=hhlKcU%Z>}#saP5kCJiZvpAftO)gC*2y6^r5p4x%p=lDM=q?G+32("
    "P$wUL+#DPnyw(4?bdpz0V{1EUC{g^lC#OTV_b)7UY}qv?U5T+}j(z^_O89u*ysC(|stz1DaNxj!gZ~xstw-Tc0a)*e=KGb~`mZxX"
    "dDi(&^3S3Mt&~pEC*^juP#HyALh-X2y0CqTMcUZ^3nl8P_b8gtz~g96IDYB<Sj?Tzq7A)&?+7K@|7;@TT;l$J04#$Y(E"
)


def test_xls_is_read() -> None:
    content = zlib.decompress(base64.b85decode(XLS))
    [plain] = read_xls(content)
    assert (plain["name"], sorted(plain["merged"])) == ("料金", [[2, 2, 2, 5], [5, 2, 6, 2]])
    found = cut_file("a.xls", content)
    assert texts(found) == [
        "区分=国内\n品名=りんご\n金額=1234.5\n適用日=2026/11/23",
        "区分=国内\n品名=みかん\n金額=80\n適用日=2026/11/23 09:30",
    ]
    assert places(found) == ["B5:E5", "B6:E6"]


@pytest.mark.parametrize("content", [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, b"PK\x03\x04"])
def test_what_is_no_xls_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput) as error:
        cut_file("a.xls", content)
    assert error.value.place.startswith("a.xls")


def test_plain_data_says_the_same_again() -> None:
    made = book(["a", 1], ["b", 2.5], bold="A1:B1", merged="A2:B2")
    [plain] = read_xlsx(saved(made))
    again: Any = Grid.of_plain(plain).plain()
    assert again == plain
