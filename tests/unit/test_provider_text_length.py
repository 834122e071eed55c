from __future__ import annotations

import random
from itertools import pairwise

import pytest

from ray_app.providers.text_length import cut, cut_bytes, estimated_tokens, split

ALPHABETS = ["abc XYZ_019", "在庫を引き当てる注文", "🙂𠮟", "é~～か\u3099"]


def _texts(count: int, longest: int) -> list[str]:
    rng = random.Random(7)
    return ["".join(rng.choices(rng.choice(ALPHABETS), k=rng.randrange(longest))) for _ in range(count)]


def test_an_estimate_is_at_least_one() -> None:
    assert estimated_tokens("") == 1
    assert estimated_tokens("a") == 1


def test_what_is_cut_fits_and_is_the_longest_that_does() -> None:
    for text in _texts(300, 400):
        head = cut(text, 50)
        assert text.startswith(head)
        assert estimated_tokens(head) <= 50
        if head != text:
            assert estimated_tokens(text[: len(head) + 1]) > 50


def test_bytes_are_cut_between_characters() -> None:
    assert cut_bytes("在庫", 5) == "在"
    assert cut_bytes("在庫", 6) == "在庫"
    assert cut_bytes("ab", 6) == "ab"


def test_parts_keep_order_and_limits() -> None:
    texts = [text or "x" for text in _texts(500, 200)]
    parts = list(split(texts, 7, 1000))
    assert [text for part in parts for text in part.texts] == texts
    for part in parts:
        assert 1 <= len(part.texts) <= 7
        assert sum(len(text.encode()) for text in part.texts) <= 1000 or len(part.texts) == 1
        assert part.tokens == sum(map(estimated_tokens, part.texts))
    for one, after in pairwise(parts):
        size = sum(len(text.encode()) for text in one.texts) + len(after.texts[0].encode())
        assert len(one.texts) == 7 or size > 1000


def test_no_text_is_no_part() -> None:
    assert list(split([], 7, 100)) == []


@pytest.mark.parametrize("text", ["a\ud800b", "\x00"])
def test_odd_characters_are_counted(text: str) -> None:
    assert estimated_tokens(text) >= 1
    assert cut(text, 100) == text
