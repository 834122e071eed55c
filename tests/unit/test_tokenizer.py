"""Frames of special tokens, and cutting, with a vocabulary of a few words."""

from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

from ray_app.tokenizer import CheckpointTokenizer
from shirabe.errors import InvalidInput, NotFound

BOS, PAD, EOS, UNK, A, B = range(6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vocabulary = {"<s>": BOS, "<pad>": PAD, "</s>": EOS, "<unk>": UNK, "a": A, "b": B}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", BOS), ("</s>", EOS)]
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("<s>", "<pad>", "</s>", "<unk>")])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def _single(folder: Path, text: str, most: int) -> list[int]:
    (ids,) = CheckpointTokenizer(folder, most).encode([text])
    return list(ids)


def test_a_text_stands_in_its_frame(folder: Path) -> None:
    assert _single(folder, "a b", 8) == [BOS, A, B, EOS]
    assert _single(folder, "", 8) == [BOS, EOS]
    assert _single(folder, "a b a b", 4) == [BOS, A, B, EOS]


def test_a_batch_is_as_its_texts_alone(folder: Path) -> None:
    texts = ["a", "", "b b b b b b", "x"]
    together = CheckpointTokenizer(folder, 5).encode(texts)
    assert [list(ids) for ids in together] == [_single(folder, text, 5) for text in texts]


def test_a_pair_stands_in_its_frame(folder: Path) -> None:
    tokenizer = CheckpointTokenizer(folder, 12)
    pairs = tokenizer.encode_pairs("a", ["b", "", "b b b b b b b b b b"])
    assert [list(pair) for pair in pairs] == [
        [BOS, A, EOS, EOS, B, EOS],
        [BOS, A, EOS, EOS, EOS],
        [BOS, A, EOS, EOS, *[B] * 7, EOS],
    ]


def test_a_long_query_leaves_a_quarter_to_the_passage(folder: Path) -> None:
    (pair,) = CheckpointTokenizer(folder, 20).encode_pairs("a " * 50, ["b " * 50])
    assert list(pair) == [BOS, *[A] * 15, EOS, EOS, B, EOS]


@pytest.mark.parametrize("blanks", ["", " " * 5000])
def test_only_what_has_lost_tokens_was_cut(folder: Path, blanks: str) -> None:
    texts = [blanks + " ".join("a" * count) for count in (5, 6, 7, 1, 5000)]
    tokenised = CheckpointTokenizer(folder, 8).encode(texts)
    assert [len(ids) for ids in tokenised] == [7, 8, 8, 3, 8]
    assert list(tokenised.cut) == [2, 4]


def test_only_pairs_that_have_lost_tokens_were_cut(folder: Path) -> None:
    tokenizer = CheckpointTokenizer(folder, 12)
    pairs = tokenizer.encode_pairs("a", ["b " * count for count in (6, 7, 8, 0)])
    assert [len(pair) for pair in pairs] == [11, 12, 12, 5]
    assert list(pairs.cut) == [2]
    # Three quarters of the tokens are the query's: one more is cut with any passage, though there is room.
    assert list(CheckpointTokenizer(folder, 40).encode_pairs("a " * 30, ["", "b"]).cut) == []
    assert list(CheckpointTokenizer(folder, 40).encode_pairs("a " * 31, ["", "b"]).cut) == [0, 1]


def test_where_the_query_leaves_no_room_every_passage_was_cut(folder: Path) -> None:
    tokenizer = CheckpointTokenizer(folder, 16)
    pairs = tokenizer.encode_pairs("a " * 12, ["b", "", " " * 500 + "b"])
    assert [len(pair) for pair in pairs] == [16, 16, 16]
    assert list(pairs.cut) == [0, 2]


def test_blanks_do_not_hide_what_follows_them(folder: Path) -> None:
    assert _single(folder, "a" + " " * 5000 + "b", 8) == [BOS, A, B, EOS]


@pytest.mark.parametrize("texts", [["\ud800"], ["a", "b\udfff"]])
def test_a_lone_surrogate_is_refused(folder: Path, texts: list[str]) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        CheckpointTokenizer(folder, 8).encode(texts)


def test_a_bad_tokenizer_is_named(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="lacks the special token <none>"):
        CheckpointTokenizer(folder, 8, ("<none>",))
    (folder / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(InvalidInput, match="not a tokenizer"):
        CheckpointTokenizer(folder, 8)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(NotFound):
        CheckpointTokenizer(folder, 8)
