from collections.abc import Iterator

import pypdfium2
import pytest
from fake_tokens import FakeTokens
from made_pdfs import (
    GOTHIC,
    HEADING,
    MINCHO,
    TITLE,
    Mark,
    by_hand,
    columns,
    drawn,
    inflating,
    looping,
    next_frame,
    paragraph,
)
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from ingest import media_types
from ingest.chunkers.draft import Draft, Drafts
from ingest.chunkers.rendered import chunk_rendered
from ingest.chunkers.split import Splitter
from ingest.parsers.pdf import read_pdf
from ingest.parsers.pdf_text import readable
from ingest.sandbox import Limits, Sandbox
from shirabe.errors import InvalidInput


def chunk(content: bytes, max_tokens: int = 120) -> Drafts:
    return chunk_rendered("spec.pdf", "spec.pdf", content, media_types.PDF, Splitter(FakeTokens(), max_tokens))


def texts(content: bytes) -> list[str]:
    return [block["text"] for block in read_pdf(content)["blocks"]]


SENTENCE = "受注は注文を受けることであり、在庫を引き当ててから出荷する。"
ENGLISH = "The order service confirms an order when the stock has been allocated to it."


@pytest.fixture(scope="module")
def specification() -> bytes:
    """Three chapters over several pages, two columns, with an outline."""
    story = [paragraph("受注管理の設計書", TITLE), next_frame()]
    for chapter, name in enumerate(("受注の登録", "在庫の引当", "出荷"), start=1):
        story += [Mark(0, f"{chapter} {name}"), paragraph(f"{chapter} {name}", HEADING)]
        for part in range(1, 4):
            story += [Mark(1, f"{chapter}.{part} 手順"), paragraph(f"{chapter}.{part} 手順", HEADING)]
            story += [paragraph(f"第{chapter}章{part}節{n}。" + SENTENCE * 3 + ENGLISH) for n in range(6)]
    return columns(story, title="受注管理", head="社外秘 受注管理")


def test_sections_follow_the_outline_and_locators_the_pages(specification: bytes) -> None:
    found = chunk(specification)
    assert found.title == "受注管理"
    assert {c.context for c in found.chunks} >= {"受注管理 › 2 在庫の引当 › 2.3 手順", "受注管理 › 3 出荷 › 3.1 手順"}
    with pypdfium2.PdfDocument(specification) as document:
        pages = [_letters(page.get_textpage().get_text_range()) for page in document]
    assert len(pages) > 2
    for one in found.chunks:
        first, last = one.meta["start_page"], one.meta["end_page"]
        assert one.locator == f"spec.pdf#page={first}"
        for line in one.text.split("\n"):
            # Blanks within Latin words come and go with the reader; letters and their order do not.
            assert _letters(line)[:20] in _letters("".join(pages[first - 1 : last])), line
        assert _letters(one.text)[:10] in pages[first - 1]


def _letters(text: str) -> str:
    return "".join(char for char in text if not char.isspace() and char.isprintable())


def test_columns_are_read_one_after_the_other(specification: bytes) -> None:
    told = "".join(texts(specification))
    places = [
        told.index(f"第{chapter}章{part}節{n}。") for chapter in (1, 2, 3) for part in (1, 2, 3) for n in range(6)
    ]
    assert places == sorted(places)


def test_lines_of_a_paragraph_are_joined(specification: bytes) -> None:
    assert any(SENTENCE * 3 in text for text in texts(specification))


def test_running_heads_and_page_numbers_are_left_out(specification: bytes) -> None:
    lines = "\n".join(texts(specification)).split("\n")
    assert not [line for line in lines if "社外秘" in line or line.strip().isdecimal()]


def test_columns_that_are_drawn_row_by_row_are_told_apart() -> None:
    left = [f"left {n} the order is placed by a customer and" for n in range(12)]
    right = [f"right {n} the stock lies in a warehouse until" for n in range(12)]

    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(50, 790, "A title that stands above both of the columns of the page")
        canvas.setFont("Helvetica", 10)
        for row, (one, other) in enumerate(zip(left, right, strict=True)):
            canvas.drawString(50, 740 - 13 * row, one)
            canvas.drawString(310, 740 - 13 * row, other)

    told = " ".join(texts(drawn(draw)))
    places = [told.index(line) for line in (*left, *right)]
    assert places == sorted(places)
    assert told.startswith("A title")


def test_rows_of_a_table_stay_together() -> None:
    rows = [("品目", "単価", "在庫"), ("茶", "300", "12"), ("珈琲", "450", "3"), ("菓子", "500", "0")] * 3

    def draw(canvas: Canvas) -> None:
        canvas.setFont(MINCHO, 10)
        for number, row in enumerate(rows):
            for x, cell in zip((50, 250, 420), row, strict=True):
                canvas.drawString(x, 700 - 16 * number, cell)

    assert "\n".join(texts(drawn(draw))).split("\n") == [" ".join(row) for row in rows]


@pytest.mark.parametrize("char", ["茶", "ｱ", "a", "한", "㌔"])
def test_a_character_that_stands_alone_is_read_without_its_font(char: str) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont(MINCHO, 10)
        canvas.drawString(50, 700, char)
        canvas.drawString(50, 600, "受注は注文を受けること")

    assert " ".join(texts(drawn(draw))).startswith(char)


def test_headings_are_told_by_size_where_there_is_no_outline() -> None:
    story = [paragraph("受注管理の設計書", TITLE)]
    for chapter in range(1, 4):
        story += [paragraph(f"第{chapter}章 概要", HEADING), paragraph(SENTENCE * 8), paragraph(SENTENCE * 4)]
    found = chunk(columns(story, count=1))
    assert found.title == "受注管理の設計書"
    assert {c.headings for c in found.chunks} == {("受注管理の設計書", f"第{n}章 概要") for n in (1, 2, 3)}


def test_numbered_lines_in_another_font_are_headings() -> None:
    def draw(canvas: Canvas) -> None:
        for number in range(1, 4):
            canvas.setFont(GOTHIC, 10)
            canvas.drawString(50, 800 - 200 * number, f"{number}.1 手順")
            canvas.setFont(MINCHO, 10)
            for row in range(6):
                canvas.drawString(50, 780 - 200 * number - 14 * row, f"{row}番目に在庫を確認する。")

    blocks = read_pdf(drawn(draw))["blocks"]
    assert [b["text"] for b in blocks if b["kind"] == "heading"] == ["1.1 手順", "2.1 手順", "3.1 手順"]


@pytest.fixture
def vertical_font() -> Iterator[str]:
    pdfmetrics.registerFont(UnicodeCIDFont(MINCHO, isVertical=True))
    yield MINCHO
    pdfmetrics.registerFont(UnicodeCIDFont(MINCHO))


def test_vertical_lines_are_read_from_the_right(vertical_font: str) -> None:
    lines = ["吾輩は猫である。名前はまだ無い。", "どこで生れたか頓と見当がつかぬ。", "何でも薄暗い所で泣いて居た。"]

    def draw(canvas: Canvas) -> None:
        canvas.setFont(vertical_font, 14)
        for column, line in enumerate(lines):
            canvas.drawString(500 - 26 * column, 780, line)

    assert "".join(texts(drawn(draw))).replace("\n", "") == "".join(lines)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_pages_that_lie_on_their_side_are_read_and_stamps_are_not(angle: int) -> None:
    lines = [f"{row}行目の本文で{'も' * 3 * row}ある。" for row in range(5)]

    def draw(canvas: Canvas) -> None:
        canvas.translate(300, 400)
        canvas.saveState()
        canvas.rotate(angle)
        canvas.setFont(MINCHO, 10)
        for row, line in enumerate(lines):
            canvas.drawString(-150, 40 - 14 * row, line)
        canvas.restoreState()
        canvas.rotate(30)
        canvas.drawString(-100, 100, "DRAFT")

    assert "\n".join(texts(drawn(draw))).split("\n") == lines


def test_characters_that_fonts_disguise_are_mapped_back() -> None:
    assert readable("⼊⼒と⾒出し、ﬁle ﬂow") == "入力と見出し、file flow"


def test_a_protected_file_has_a_reason() -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption

    content = drawn(lambda canvas: canvas.drawString(50, 700, "Hello"), encrypt=StandardEncryption("secret"))
    with pytest.raises(InvalidInput, match=r"spec\.pdf: protected by a password"):
        chunk(content)


def test_a_file_of_images_has_a_reason() -> None:
    def draw(canvas: Canvas) -> None:
        for _ in range(2):
            canvas.rect(100, 100, 200, 200, fill=1)
            canvas.showPage()

    with pytest.raises(InvalidInput, match=r"no text in its 2 pages: .*OCR"):
        chunk(drawn(draw))


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n1 0 obj\n<< /Type", b"%PDF-" + bytes(5_000), by_hand([])])
def test_a_damaged_file_has_a_reason(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"spec\.pdf: "):
        chunk(content)


@pytest.mark.parametrize("name", looping())
def test_a_file_that_loops_ends(name: str) -> None:
    sandbox = Sandbox(Limits(memory_bytes=1 << 28, cpu_s=1, wall_s=20))
    try:
        found = sandbox.parse("ingest.parsers.pdf:read_pdf", looping()[name], place="spec.pdf")
        assert found["blocks"][-1]["text"] == "Hello"
    except InvalidInput as error:
        assert name == "a form", str(error)
    sandbox.close()


def test_a_file_that_inflates_is_refused() -> None:
    sandbox = Sandbox(Limits(memory_bytes=1 << 28, cpu_s=5, wall_s=20))
    with pytest.raises(InvalidInput, match=r"takes more than 256 MiB of memory"):
        sandbox.parse("ingest.parsers.pdf:read_pdf", inflating(), place="spec.pdf")
    sandbox.close()


def test_a_piece_of_the_chunks_is_never_over_budget(specification: bytes) -> None:
    found: tuple[Draft, ...] = chunk(specification, 40).chunks
    assert all(FakeTokens().count(f"{c.context}\n{c.text}") <= 40 for c in found)
