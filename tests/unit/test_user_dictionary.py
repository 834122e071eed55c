"""A user dictionary of kuromoji is read as Lucene would read it, and refused where Lucene would."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensearch.shape import shape_of
from opensearch.user_dictionary import MAX_BYTES, read_user_dictionary
from shirabe.errors import InvalidInput, NotFound
from shirabe.settings import OpenSearchSettings

AIRPORT = "関西国際空港,関西 国際 空港,カンサイ コクサイ クウコウ,カスタム名詞"


def written(folder: Path, text: str) -> Path:
    path = folder / "words.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_words_are_read_in_nfkc_and_remarks_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, f"\ufeff# 固有名詞\n\n{AIRPORT}\nＡＫＡＮＥ便, AKANE便 ,アカネビン,固有名詞\n")
    assert read_user_dictionary(path) == (AIRPORT, "AKANE便,AKANE便,アカネビン,固有名詞")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("関西国際空港", "four fields"),
        ("関西国際空港,関西 国際 空港,,名詞", "four fields"),
        ("関西国際空港,関西 空港,カンサイ クウコウ,名詞", "do not make the word"),
        ("関西国際空港,関西 国際 空港,カンサイ クウコウ,名詞", "as many readings"),
        ('"a,b","a,b",エー,名詞', "comma"),
        (AIRPORT, "stands twice"),
    ],
)
def test_what_lucene_would_refuse_is_refused_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, f"{AIRPORT}\n{line}\n")
    with pytest.raises(InvalidInput, match=said) as refused:
        read_user_dictionary(path)
    assert refused.value.place == f"{path}:2"


def test_a_file_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such user dictionary"):
        read_user_dictionary(tmp_path / "none.csv")
    with pytest.raises(InvalidInput, match="more than"):
        read_user_dictionary(written(tmp_path, "#" * (MAX_BYTES + 1)))
    (tmp_path / "sjis.csv").write_bytes(AIRPORT.encode("cp932"))
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_user_dictionary(tmp_path / "sjis.csv")


def test_a_generation_records_which_words_it_knows(tmp_path: Path) -> None:
    plain = shape_of(OpenSearchSettings())
    told = shape_of(OpenSearchSettings(user_dictionary=written(tmp_path, AIRPORT)))
    other = shape_of(OpenSearchSettings(user_dictionary=written(tmp_path, AIRPORT.replace("カスタム", ""))))
    assert plain.meta == {"compression": "1x", "user_dictionary": "", "japanese": "kuromoji"}
    assert len({told.meta["user_dictionary"], other.meta["user_dictionary"], ""}) == 3
