import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import rerank
from api.rerank import ForeignTokens, LateWeights, combine, late_scores, min_max
from shirabe.types import Bytes, Floats, Halves

NAN = float("nan")


def floats(*values: float) -> Floats:
    return np.asarray(values, dtype=np.float32)


def naive(tokens: Halves, bits: Bytes) -> float:
    dim = tokens.shape[1]
    total = 0.0
    for token in tokens.astype(np.float64):
        best = -np.inf
        for row in bits:
            signs = [1.0 if row[place // 8] >> (7 - place % 8) & 1 else -1.0 for place in range(dim)]
            best = max(best, float(token @ np.asarray(signs)) / np.sqrt(dim))
        total += best
    return total / len(tokens)


def unit_rows(drawn: np.random.Generator, rows: int, dim: int) -> Halves:
    values = drawn.standard_normal((rows, dim))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), dtype=np.float16)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(1, 5))
def test_equals_a_naive_loop(seed: int, lengths: list[int], asked: int) -> None:
    drawn = np.random.default_rng(seed)
    tokens = unit_rows(drawn, asked, 16)
    passages = [np.packbits(drawn.standard_normal((rows, 16)) > 0, axis=1) for rows in lengths]
    scores = late_scores(tokens, passages)
    for score, bits in zip(scores, passages, strict=True):
        if len(bits):
            assert score == pytest.approx(naive(tokens, bits), abs=1e-4)
        else:
            assert np.isnan(score)


def test_blocks_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(1)
    tokens = unit_rows(drawn, 4, 32)
    passages = [np.packbits(drawn.standard_normal((rows, 32)) > 0, axis=1) for rows in (5, 40, 1, 7, 30)]
    whole = late_scores(tokens, passages)
    monkeypatch.setattr(rerank, "_BLOCK_TOKENS", 8)
    np.testing.assert_allclose(late_scores(tokens, passages), whole, atol=1e-6)


def test_a_passage_without_bits_has_no_score() -> None:
    tokens = unit_rows(np.random.default_rng(2), 3, 8)
    scores = late_scores(tokens, [None, np.packbits(tokens > 0, axis=1)])
    assert np.isnan(scores[0])
    assert 0 < scores[1] <= 1


def test_a_query_without_tokens_scores_nothing() -> None:
    assert np.isnan(late_scores(np.zeros((0, 8), dtype=np.float16), [np.zeros((2, 1), dtype=np.uint8)])).all()


def test_tokens_of_another_width_are_refused() -> None:
    tokens = unit_rows(np.random.default_rng(3), 2, 16)
    with pytest.raises(ForeignTokens, match="8 dimensions, the model 16"):
        late_scores(tokens, [np.zeros((2, 1), dtype=np.uint8)])


def test_a_long_query_is_cut() -> None:
    tokens = unit_rows(np.random.default_rng(4), rerank.MAX_QUERY_TOKENS + 50, 8)
    bits = np.packbits(np.random.default_rng(5).standard_normal((9, 8)) > 0, axis=1)
    assert late_scores(tokens, [bits])[0] == late_scores(tokens[: rerank.MAX_QUERY_TOKENS], [bits])[0]


def test_min_max() -> None:
    np.testing.assert_allclose(min_max(floats(1, 3, 2, NAN)), [0, 1, 0.5, 0])
    np.testing.assert_allclose(min_max(floats(2, 2, NAN)), [1, 1, 0])


def test_combine_weighs_and_leaves_out_what_nobody_has() -> None:
    late, lexical = floats(0.1, 0.9, 0.5), floats(3, 1, 2)
    none = floats(NAN, NAN, NAN)
    weights = LateWeights(late=3, dense=5, lexical=1, sparse=0)
    np.testing.assert_allclose(combine(late, none, lexical, floats(9, 9, 9), weights), [0.25, 0.75, 0.5], rtol=1e-6)
    assert combine(none, none, none, none, weights).tolist() == [0, 0, 0]
