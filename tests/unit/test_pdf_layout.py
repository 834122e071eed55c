from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest.parsers.pdf_layout import Fragment, Line, lines_in_order, paragraphs


def fragment(text: str, left: float, bottom: float, width: float, size: float = 10, vertical: bool = False) -> Fragment:
    return Fragment(text, left, bottom, left + width, bottom + size, size, "", vertical)


@st.composite
def pages(draw: st.DrawFn) -> list[Fragment]:
    """Fragments on a coarse grid, so that columns, bands and overlaps come up."""
    found = []
    for number in range(draw(st.integers(0, 60))):
        left, bottom = draw(st.integers(0, 30)) * 20, draw(st.integers(0, 40)) * 15
        width = draw(st.sampled_from([0, 5, 80, 220, 240, 500]))
        found.append(
            fragment(f"f{number}", left, bottom, width, draw(st.sampled_from([8, 10, 10, 14])), draw(st.booleans()))
        )
    return found


@given(pages())
def test_every_fragment_is_on_one_line(page: list[Fragment]) -> None:
    lines = lines_in_order(page)
    assert Counter(one.text for line in lines for one in line.fragments) == Counter(one.text for one in page)


@given(pages())
def test_paragraphs_keep_every_line(page: list[Fragment]) -> None:
    lines = lines_in_order(page)
    assert "".join("".join(paragraphs(lines)).split()) == "".join("".join(line.text for line in lines).split())


def lines_of(*rows: tuple[str, float, float]) -> list[Line]:
    """Lines of (text, left, width), 15 points apart, in a column from 50 to 450."""
    return [
        Line((fragment(text, left, 700 - 15 * number, width),), 50, 450)
        for number, (text, left, width) in enumerate(rows)
    ]


def test_hyphens_go_and_words_are_joined_as_their_script_asks() -> None:
    lines = lines_of(("an inter\x02", 50, 400), ("national order and 受注", 50, 400), ("は注文である。", 50, 60))
    assert list(paragraphs(lines)) == ["an international order and 受注は注文である。"]


def test_an_indented_line_and_a_bullet_begin_a_paragraph() -> None:
    lines = lines_of(
        ("長い行である", 50, 400),
        ("字下げした行", 60, 390),
        ("・箇条の一", 50, 400),
        ("その続き", 60, 40),
        ("・二", 50, 20),
    )
    assert list(paragraphs(lines)) == ["長い行である\n字下げした行\n・箇条の一その続き\n・二"]


def test_a_short_line_ends_a_paragraph() -> None:
    lines = lines_of(("短い行である。", 50, 200), ("次の段落", 50, 200))
    assert list(paragraphs(lines)) == ["短い行である。\n次の段落"]


def test_a_wide_gap_ends_a_block() -> None:
    [first, second] = lines_of(("終わり。", 50, 100), ("始まり", 50, 100))
    far = Line((fragment("遠く", 50, 400, 100),), 50, 450)
    assert list(paragraphs([first, second, far])) == ["終わり。\n始まり", "遠く"]
