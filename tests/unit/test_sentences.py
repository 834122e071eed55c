import pytest

from ingest.chunkers.sentences import ends_sentence, last_outside_brackets, sentence_ends


def sentences(text: str) -> list[str]:
    ends = [0, *sentence_ends(text, 0, len(text))]
    return [text[start:end] for start, end in zip(ends, [*ends[1:], len(text)], strict=True) if text[start:end]]


@pytest.mark.parametrize(
    "expected",
    [
        ["受注を登録する。", "在庫を引き当てる。", "出荷する。"],
        ["「在庫がない。」", "そう表示される。"],
        ["担当者は「はい。」と答えた。", "次へ進む。"],
        ["詳細（第3章を参照。）を読む。", "終わり。"],
        ["登録する（必須。）。", "省略はできない。"],
        ["本当ですか？！", "はい。", "なぜ？と聞く。"],
        ["本当ですか?", "はい!", "次へ。"],
        ["値は３．５である．", "次は4.2である．", "『完了．』", "以上"],
        ["ﾃｽﾄ｡", "完了｡"],
        ["**太字。**", "次の文。"],
        ["Read it. ", "Then run e.g. this one. ", "Use version 3.12 (or newer.) ", "Done"],
        ["See Fig. 3 and No. 5 vs. 6. ", "Ready? ", "Go!"],
        ["URLはhttps://example.com/a.htmlです。", "以上"],
    ],
)
def test_sentences_end_where_a_reader_ends_them(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


def test_what_follows_beyond_the_end_is_seen() -> None:
    text = "「はい。」と答えた。"
    assert sentence_ends(text, 0, 4) == []
    assert sentence_ends(text, 0, 5) == []
    assert sentence_ends("はい。次", 0, 3) == [3]


def test_the_last_end_outside_of_brackets_is_taken() -> None:
    text = "説明する。（第一に速い。第二に正しい。"
    ends = sentence_ends(text, 0, len(text))
    assert last_outside_brackets(text, 0, ends) == len("説明する。")
    assert last_outside_brackets(text, text.index("（"), [ends[-1]]) == len(text)
    closed = text + "）以上。"
    assert last_outside_brackets(closed, 0, sentence_ends(closed, 0, len(closed))) == len(closed)


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("終わる。", True),
        ("「終わる。」 ", True),
        ("（続く", False),
        ("It ends.", True),
        ("it goes on,", False),
        ("", False),
    ],
)
def test_lines(line: str, ends: bool) -> None:
    assert ends_sentence(line, len(line)) is ends
