import io

import docx
import pptx
import pytest
from docx.document import Document
from docx.table import Table
from fake_tokens import FakeTokens
from made_office import W, archive, docx_of, odf_of, relations, written_docx, written_pptx
from pptx.presentation import Presentation
from pptx.util import Inches

from ingest import media_types
from ingest.chunkers.draft import Drafts
from ingest.chunkers.rendered import chunk_rendered
from ingest.chunkers.split import Splitter
from ingest.parsers.docx import read_docx
from ingest.parsers.odf import read_odp, read_odt
from ingest.parsers.pptx import read_pptx
from shirabe.errors import InvalidInput


def chunk(content: bytes, media_type: str, max_tokens: int = 80) -> Drafts:
    return chunk_rendered("a.office", "a.office", content, media_type, Splitter(FakeTokens(), max_tokens))


def write_specification(document: Document) -> None:
    document.core_properties.title = ""
    document.add_heading("受注管理 設計書", 0)
    document.add_heading("1. 概要", 1)
    document.add_paragraph("受注は注文を受けることである。")
    document.add_heading("1.1 手順", 2)
    for step in ("在庫を確認する", "在庫を引き当てる"):
        document.add_paragraph(step, style="List Bullet")
    table = document.add_table(rows=1, cols=3)
    for cell, name in zip(table.rows[0].cells, ("分類", "項目", "備考"), strict=True):
        cell.text = name
    for number in range(12):
        for cell, value in zip(table.add_row().cells, ("", f"項目{number}", f"備考{number}"), strict=True):
            cell.text = value
    table.cell(1, 0).merge(table.cell(12, 0)).text = "必須"
    document.add_heading("2. English", 1)
    document.add_paragraph("An order is confirmed when its stock has been allocated.")
    document.add_table(rows=1, cols=1).cell(0, 0).text = "枠の中の注意"


def test_word_sections_follow_the_headings() -> None:
    found = chunk(written_docx(write_specification), media_types.DOCX)
    assert found.title == "受注管理 設計書"
    assert [c.context for c in found.chunks if c.kind == "section"] == [
        "受注管理 設計書 › 1. 概要",
        "受注管理 設計書 › 1. 概要 › 1.1 手順",
        "受注管理 設計書 › 2. English",
    ]
    assert found.chunks[0].text == "受注管理 設計書\n\n1. 概要\n\n受注は注文を受けることである。"
    assert found.chunks[1].text == "1.1 手順\n\n- 在庫を確認する\n- 在庫を引き当てる"


def test_word_tables_are_cut_between_rows_with_merged_cells_filled() -> None:
    tables = [c for c in chunk(written_docx(write_specification), media_types.DOCX).chunks if c.kind == "table"]
    assert len(tables) > 1
    assert tables[0].text.startswith("分類 | 項目 | 備考\n必須 | 項目0 | 備考0\n")
    assert all(c.context.endswith("\n分類 | 項目 | 備考") for c in tables[1:])
    rows = [row for c in tables for row in c.text.split("\n")]
    assert rows[1:] == [f"必須 | 項目{n} | 備考{n}" for n in range(12)]


def test_word_locators_count_the_blocks_of_the_body() -> None:
    content = written_docx(write_specification)
    blocks = list(docx.Document(io.BytesIO(content)).iter_inner_content())
    for one in chunk(content, media_types.DOCX).chunks:
        first, last = one.meta["start_paragraph"], one.meta["end_paragraph"]
        assert one.locator == f"a.office#paragraph={first}"
        words = "".join(
            "".join(cell.text for row in block.rows for cell in row.cells) if isinstance(block, Table) else block.text
            for block in blocks[first - 1 : last]
        )
        for word in one.text.replace("- ", "").replace(" | ", "\n").split("\n"):
            assert word in words


def test_word_text_is_what_is_shown() -> None:
    body = """
    <w:p><w:pPr><w:pStyle w:val="TOC1"/></w:pPr><w:r><w:t>目次の行</w:t></w:r></w:p>
    <w:sdt><w:sdtContent><w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr><w:r><w:t>見出し</w:t></w:r></w:p></w:sdtContent>
      </w:sdt>
    <w:p><w:r><w:t xml:space="preserve">残る </w:t></w:r><w:del><w:r><w:delText>消えた</w:delText></w:r></w:del>
      <w:ins><w:r><w:t>加えた</w:t></w:r></w:ins><w:r><w:footnoteReference w:id="2"/></w:r>
      <w:r><w:ruby><w:rt><w:r><w:t>よみ</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>漢字</w:t></w:r></w:rubyBase></w:ruby></w:r>
      <w:r><w:instrText>PAGE</w:instrText><w:tab/><w:t>後</w:t><w:br/><w:t>次の行</w:t></w:r></w:p>
    <w:p><w:r><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
      <mc:Choice><w:txbxContent><w:p><w:r><w:t>箱の中</w:t></w:r></w:p></w:txbxContent></mc:Choice>
      <mc:Fallback><w:txbxContent><w:p><w:r><w:t>箱の中</w:t></w:r></w:p></w:txbxContent></mc:Fallback>
    </mc:AlternateContent></w:r></w:p>
    <w:p><w:pPr><w:pStyle w:val="Child"/></w:pPr><w:r><w:t>派生の見出し</w:t></w:r></w:p>
    <w:p><w:pPr><w:pStyle w:val="Source"/></w:pPr><w:r><w:t xml:space="preserve">if a:</w:t></w:r></w:p>
    <w:p><w:pPr><w:pStyle w:val="Source"/></w:pPr><w:r><w:t xml:space="preserve">    b()</w:t></w:r></w:p>
    """
    styles = f"""<w:styles {W}>
    <w:style w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>
    <w:style w:styleId="H"><w:name w:val="heading 2"/></w:style>
    <w:style w:styleId="Child"><w:name w:val="独自"/><w:basedOn w:val="H"/></w:style>
    <w:style w:styleId="Source"><w:name w:val="Source Code"/></w:style></w:styles>"""
    notes = f'<w:footnotes {W}><w:footnote w:id="2"><w:p><w:r><w:t>脚注</w:t></w:r></w:p></w:footnote></w:footnotes>'
    found = read_docx(docx_of(body, styles=styles, footnotes=notes))
    assert [(b["kind"], b["text"], b.get("level")) for b in found["blocks"]] == [
        ("heading", "見出し", 1),
        ("text", "残る 加えた [脚注]漢字 後\n次の行", None),
        ("text", "箱の中", None),
        ("heading", "派生の見出し", 2),
        ("code_block", "if a:\n    b()", None),
    ]


def write_deck(deck: Presentation) -> None:
    first = deck.slides.add_slide(deck.slide_layouts[0])
    first.shapes.title.text = "受注管理の紹介"
    first.placeholders[1].text = "設計部"
    flow = deck.slides.add_slide(deck.slide_layouts[1])
    flow.shapes.title.text = "注文の流れ"
    frame = flow.placeholders[1].text_frame
    frame.text = "受注する"
    below = frame.add_paragraph()
    below.text, below.level = "在庫を確認", 1
    flow.notes_slide.notes_text_frame.text = "ここで実演する。"
    free = deck.slides.add_slide(deck.slide_layouts[6])
    for text, top in (("下の文", 4), ("上の文", 1)):
        free.shapes.add_textbox(Inches(1), Inches(top), Inches(3), Inches(1)).text_frame.text = text
    grouped = free.shapes.add_group_shape().shapes.add_textbox(Inches(1), Inches(2), Inches(2), Inches(1))
    grouped.text_frame.text = "群の中"
    table = free.shapes.add_table(2, 2, Inches(1), Inches(5), Inches(4), Inches(1)).table
    for row in range(2):
        for column in range(2):
            table.cell(row, column).text = f"r{row}c{column}"
    hidden = deck.slides.add_slide(deck.slide_layouts[5])
    hidden.shapes.title.text = "隠したスライド"
    hidden._element.set("show", "0")
    deck.slides.add_slide(deck.slide_layouts[6])
    last = deck.slides.add_slide(deck.slide_layouts[5])
    last.shapes.title.text = "まとめ"


def test_slides_are_sections_with_their_notes() -> None:
    content = written_pptx(write_deck)
    found = chunk(content, media_types.PPTX)
    assert found.title == "受注管理の紹介"
    assert [(c.locator, c.context, c.text) for c in found.chunks] == [
        ("a.office#slide=1", "受注管理の紹介", "受注管理の紹介\n\n設計部"),
        (
            "a.office#slide=2",
            "受注管理の紹介 › 注文の流れ",
            "注文の流れ\n\n受注する\n- 在庫を確認\n\nNotes: ここで実演する。",
        ),
        (
            "a.office#slide=3",
            "受注管理の紹介 › 上の文",
            "上の文\n\n群の中\n\n下の文\n\nr0c0 | r0c1\nr1c0 | r1c1\n\nまとめ",
        ),
    ]


def test_slide_locators_count_every_slide() -> None:
    content = written_pptx(write_deck)
    slides = list(pptx.Presentation(io.BytesIO(content)).slides)
    for one in chunk(content, media_types.PPTX).chunks:
        slide = slides[one.meta["start_slide"] - 1]
        words = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
        assert one.text.split("\n")[0] in words


def test_opendocument_texts() -> None:
    body = """
    <text:tracked-changes><text:p>消えた</text:p></text:tracked-changes>
    <text:p text:style-name="P1">受注管理</text:p>
    <text:table-of-content><text:p>目次の行</text:p></text:table-of-content>
    <text:section><text:h text:outline-level="1">概要</text:h></text:section>
    <text:p>受注は<text:s text:c="2"/>注文<text:note><text:note-citation>1</text:note-citation><text:note-body>
      <text:p>脚注</text:p></text:note-body></text:note>である。<text:line-break/>次の行
      <draw:frame><draw:text-box><text:p>箱の中</text:p></draw:text-box></draw:frame></text:p>
    <text:list><text:list-item><text:p>一</text:p><text:list><text:list-item><text:p>二</text:p></text:list-item></text:list>
      </text:list-item></text:list>
    <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>名</text:p></table:table-cell>
      <table:table-cell><text:p>値</text:p></table:table-cell></table:table-row></table:table-header-rows>
      <table:table-row><table:table-cell table:number-rows-spanned="2"><text:p>群</text:p></table:table-cell>
      <table:table-cell><text:p>1</text:p></table:table-cell></table:table-row>
      <table:table-row><table:covered-table-cell/><table:table-cell><text:p>2</text:p></table:table-cell>
      <table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>
    """
    styles = '<style:style style:name="P1" style:parent-style-name="Title"/>'
    found = read_odt(odf_of("text", body, styles))
    assert found["title"] == "受注管理"
    assert [(b["kind"], b["text"]) for b in found["blocks"]] == [
        ("heading", "受注管理"),
        ("heading", "概要"),
        ("text", "受注は 注文 [脚注]である。\n次の行"),
        ("text", "箱の中"),
        ("text", "- 一\n- 二"),
        ("table", "名 | 値\n群 | 1\n群 | 2"),
    ]
    assert found["blocks"][-1]["head"] == 1


def test_opendocument_slides() -> None:
    body = """
    <draw:page><draw:frame svg:y="9cm"><draw:text-box><text:p>下</text:p></draw:text-box></draw:frame>
      <draw:frame svg:y="3cm"><draw:text-box><text:p>上</text:p></draw:text-box></draw:frame>
      <draw:frame presentation:class="title" svg:y="1cm"><draw:text-box><text:p>題名</text:p></draw:text-box>
      </draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>口上</text:p></draw:text-box></draw:frame></presentation:notes>
    </draw:page><draw:page/>
    """
    found = read_odp(odf_of("presentation", body))
    assert [(b["place"], b["text"]) for b in found["blocks"]] == [
        (1, "題名"),
        (1, "上"),
        (1, "下"),
        (1, "Notes: 口上"),
    ]


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
READERS = {
    media_types.DOCX: read_docx,
    media_types.PPTX: read_pptx,
    media_types.ODT: read_odt,
    media_types.ODP: read_odp,
}


@pytest.mark.parametrize("media_type", READERS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04", "not a proper archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "protected by a password, or of an Office before 2007"),
        (archive({"readme.txt": "hello"}), "not an (Office|OpenDocument)"),
        (archive({"_rels/.rels": BOMB, "content.xml": BOMB}), "declares entities"),
        (archive({"_rels/.rels": bytes(20_000_000), "content.xml": b""}), "unpacks to 20000000 bytes"),
        (archive({"_rels/.rels": "<a>", "content.xml": "<a>"}), "not proper XML"),
        (archive({"_rels/.rels": relations({"officeDocument": "../../etc/passwd"}), "content.xml": "<a/>"}), "not a"),
    ],
    ids=["damaged", "old", "other", "entities", "inflating", "no XML", "path traversal"],
)
def test_hostile_files_have_a_reason(media_type: str, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        chunk(content, media_type)
    assert refused.value.place == "a.office"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (docx_of("<w:p/>"), media_types.DOCX),
        (odf_of("presentation", ""), media_types.ODP),
        (written_pptx(lambda deck: deck.slides.add_slide(deck.slide_layouts[6])), media_types.PPTX),
    ],
    ids=["docx", "odp", "pptx"],
)
def test_a_file_without_text_has_a_reason(content: bytes, media_type: str) -> None:
    with pytest.raises(InvalidInput, match=r"a\.office: no text in it"):
        chunk(content, media_type)


def test_deep_nesting_has_a_reason() -> None:
    depth = 20_000
    with pytest.raises(InvalidInput, match=r"a\.office: "):
        chunk(docx_of("<w:sdt>" * depth + "</w:sdt>" * depth), media_types.DOCX)
