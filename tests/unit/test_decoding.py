import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoding import decode_text

JAPANESE = "これは日本語の文章です。カタカナと ABC、①も。\n"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
def test_japanese_is_read_in_each_encoding_that_teams_use(codec: str) -> None:
    decoded = decode_text(JAPANESE.encode(codec))
    assert (decoded.text, decoded.lossy) == (JAPANESE, False)


@pytest.mark.parametrize("codec", ["euc_jp", "iso2022_jp"])
def test_old_japanese_encodings_are_told_apart(codec: str) -> None:
    text = JAPANESE.replace("①", "一")
    assert decode_text(text.encode(codec)).text == text
    assert decode_text(text.encode(codec)).encoding == codec


def test_half_width_katakana_in_cp932_is_kept() -> None:
    text = "品名: ﾃｽﾄ用のケーブル"
    assert decode_text(text.encode("cp932")).text == text


def test_a_broken_byte_in_utf8_costs_one_character() -> None:
    decoded = decode_text("日本語の長い文章がここにあります".encode() + b"\xff" + "終わり".encode())
    assert (decoded.encoding, decoded.lossy) == ("utf-8", True)
    assert decoded.text == "日本語の長い文章がここにあります\ufffd終わり"


def test_a_broken_byte_in_ascii_does_not_make_it_japanese() -> None:
    assert decode_text(b"hello \xff world").text == "hello \ufffd world"


@given(st.binary(max_size=300))
def test_any_bytes_become_text(content: bytes) -> None:
    decoded = decode_text(content)
    assert isinstance(decoded.text, str)
    assert decoded.lossy or "\ufffd" not in decoded.text or "\ufffd".encode() in content


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_utf8_is_read_as_it_was_written(text: str) -> None:
    content = text.encode()
    if b"\x1b" not in content and not content.startswith(b"\xef\xbb\xbf"):
        assert decode_text(content).text == text
