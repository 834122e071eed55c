import string
from itertools import pairwise
from time import perf_counter

import pytest
from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunkers.split import Boundaries, Splitter

TOKENS = FakeTokens()
TEXTS = st.text(alphabet=string.ascii_letters + " \n\t.,。、！調べ検索\r\u3000", max_size=600)


@given(TEXTS, st.integers(4, 40), st.text(alphabet="題名 a", max_size=8))
def test_pieces_cover_everything_once_in_order_within_the_budget(text: str, max_tokens: int, context: str) -> None:
    splitter = Splitter(TOKENS, max_tokens)
    context = splitter.shorten(context)
    source = splitter.read(text)
    blocks = [start for start in source.line_starts[1:] if source.text[start - 2 : start] == "\n\n"]
    pieces = splitter.pieces(source, source.lines_span(1, source.line_count), context, Boundaries(blocks))
    assert all(before.end <= after.start for before, after in pairwise(pieces))
    covered = "".join(source.slice(piece) for piece in pieces)
    assert "".join(covered.split()) == "".join(source.text.split())
    for piece in pieces:
        assert splitter.fits(context, source.slice(piece))


@given(TEXTS, st.integers(4, 40))
def test_a_place_gives_the_text_back(text: str, max_tokens: int) -> None:
    splitter = Splitter(TOKENS, max_tokens)
    source = splitter.read(text)
    lines = source.text.split("\n")
    for piece in splitter.pieces(source, source.lines_span(1, source.line_count), "", Boundaries()):
        place = source.place(piece)
        taken = lines[place["start_line"] - 1 : place["end_line"]]
        if "start_column" in place:
            taken[-1] = taken[-1][: place["end_column"]]
            taken[0] = taken[0][place["start_column"] - 1 :]
        assert source.slice(piece) == "\n".join(taken)


def test_japanese_is_cut_after_sentences() -> None:
    splitter = Splitter(TOKENS, 24)
    source = splitter.read("検索は調べることである。索引は速さのためにある。順位は点数で決まる。")
    pieces = splitter.pieces(source, source.lines_span(1, 1), "", Boundaries())
    assert [source.slice(piece)[-1] for piece in pieces] == ["。"] * len(pieces)
    assert len(pieces) == 2


def test_a_whole_block_moves_to_the_next_piece_rather_than_being_cut() -> None:
    splitter = Splitter(TOKENS, 10)
    source = splitter.read("aa bb cc\n\ndd ee ff gg\nhh ii jj kk")
    pieces = splitter.pieces(source, source.lines_span(1, 4), "", Boundaries([source.line_start(3)]))
    assert [source.slice(piece) for piece in pieces] == ["aa bb cc", "dd ee ff gg\nhh ii jj kk"]


def test_the_tail_is_not_a_crumb() -> None:
    splitter = Splitter(TOKENS, 37)
    source = splitter.read(" ".join(["word"] * 37))
    pieces = splitter.pieces(source, source.lines_span(1, 1), "", Boundaries())
    assert min(TOKENS.count(source.slice(piece)) for piece in pieces) >= 6


def test_a_long_context_leaves_room_for_the_text() -> None:
    splitter = Splitter(TOKENS, 30)
    short = splitter.shorten("見出し" * 100)
    assert TOKENS.count(short) <= 10
    assert short.endswith("…")


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "検索" * 300_000, " " * 1_000_000, "a, " * 300_000, "\n" * 1_000_000]
)
def test_one_huge_line_takes_linear_time(text: str) -> None:
    splitter = Splitter(TOKENS, 320)
    started = perf_counter()
    source = splitter.read(text)
    pieces = splitter.pieces(source, source.lines_span(1, source.line_count), "c", Boundaries())
    assert perf_counter() - started < 20
    assert "".join("".join(source.slice(p) for p in pieces).split()) == "".join(text.split())
