import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import rerank
from api.rerank import ForeignTokens, LateWeights, combine, combine_apart, late_scores
from shirabe.types import Bytes, Floats, Halves

NAN = float("nan")


def floats(*values: float) -> Floats:
    return np.asarray(values, dtype=np.float32)


def naive_matches(tokens: Halves, bits: Bytes) -> list[float]:
    dim = tokens.shape[1]
    found = []
    for token in tokens.astype(np.float64):
        best = -np.inf
        for row in bits:
            signs = [1.0 if row[place // 8] >> (7 - place % 8) & 1 else -1.0 for place in range(dim)]
            best = max(best, float(token @ np.asarray(signs)) / np.sqrt(dim))
        found.append(best)
    return found


def naive(tokens: Halves, passages: list[Bytes]) -> list[float]:
    matches = [naive_matches(tokens, bits) for bits in passages if len(bits)]
    spread = [statistics.pstdev(token) for token in zip(*matches, strict=True)]
    weights = spread if sum(spread) > 0 else [1.0] * len(spread)
    scores = iter(sum(w * m for w, m in zip(weights, one, strict=True)) / sum(weights) for one in matches)
    return [next(scores) if len(bits) else NAN for bits in passages]


def unit_rows(drawn: np.random.Generator, rows: int, dim: int) -> Halves:
    values = drawn.standard_normal((rows, dim))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), dtype=np.float16)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(1, 5))
def test_equals_a_naive_loop(seed: int, lengths: list[int], asked: int) -> None:
    drawn = np.random.default_rng(seed)
    tokens = unit_rows(drawn, asked, 16)
    passages = [np.packbits(drawn.standard_normal((rows, 16)) > 0, axis=1) for rows in lengths]
    np.testing.assert_allclose(late_scores(tokens, passages), naive(tokens, passages), atol=1e-3)


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


def test_a_token_that_fits_every_passage_alike_does_not_count() -> None:
    telling, common = np.eye(2, 16, dtype=np.float16)
    only_telling, only_common = [[1] + [0] * 15], [[0, 1] + [0] * 14]
    passages = [np.packbits(only_telling + only_common, axis=1), np.packbits(only_common, axis=1)]

    both = late_scores(np.stack([telling, common]), passages)

    np.testing.assert_allclose(both, late_scores(telling[None], passages))
    assert both[0] > both[1]


def test_scores_are_standardised_weighed_and_scaled() -> None:
    late, lexical = floats(0.1, 0.9, 0.5), floats(30, 10, 20)
    none, equal = floats(NAN, NAN, NAN), floats(9, 9, 9)

    np.testing.assert_allclose(combine(late, none, lexical, equal, LateWeights(3, 5, 1, 4)), [0, 1, 0.5], atol=1e-6)
    np.testing.assert_allclose(combine(late, none, lexical, none, LateWeights(1, 5, 3, 0)), [1, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(combine(late, none, none, none, LateWeights(0, 1, 1, 1)), [1, 1, 1])


def test_what_a_score_lacks_counts_as_its_worst() -> None:
    none = floats(NAN, NAN, NAN)

    scores = combine(floats(0.2, NAN, 0.4), none, none, none, LateWeights())

    np.testing.assert_allclose(scores, [0, 0, 1], atol=1e-6)


def test_no_candidate_has_no_score() -> None:
    assert combine(floats(), floats(), floats(), floats(), LateWeights()).tolist() == []


APART = np.asarray([False, False, False, True, True, True])


def test_what_stands_out_among_its_own_counts_whatever_the_level_of_its_model() -> None:
    none, words = floats(*[NAN] * 6), floats(*[1] * 6)
    for dense in (floats(0.1, 0.2, 0.9, 71, 72, 79), floats(10, 20, 90, 0.01, 0.02, 0.09)):
        scores = combine_apart(none, dense, words, none, APART, LateWeights())
        np.testing.assert_allclose(scores[:3], [0, 1 / 8, 1], atol=1e-5)
        apart = (scores[3:] - scores[3]) / (scores[5] - scores[3])
        np.testing.assert_allclose(apart, [0, 1 / 8, 1], atol=1e-5)
        assert scores[5] - scores[3] == pytest.approx(rerank.APART_SPREAD, abs=1e-5)


def test_a_model_of_fewer_scores_is_heard_as_much_and_words_decide_between_both() -> None:
    late, dense = floats(1, 2, 3, NAN, NAN, NAN), floats(1, 2, 3, 1, 2, 3)
    sparse, none = floats(1, 2, 3, 0, 0, 0), floats(*[NAN] * 6)

    alike = combine_apart(late, dense, none, sparse, APART, LateWeights())
    assert (alike[4], alike[5] - alike[3]) == pytest.approx((0.5, rerank.APART_SPREAD), abs=1e-6)
    said = combine_apart(late, dense, floats(0, 0, 0, 5, 5, 5), sparse, APART, LateWeights())
    assert said.argmax() == 5


def test_a_model_that_said_nothing_leaves_its_own_to_their_words() -> None:
    dense, none = floats(1, 2, 3, NAN, NAN, NAN), floats(*[NAN] * 6)

    scores = combine_apart(none, dense, floats(0, 0, 0, 0, 9, 0), none, APART, LateWeights())
    assert scores[4] == scores.max() and scores[3] == scores[5]
    assert combine_apart(floats(), floats(), floats(), floats(), APART[:0], LateWeights()).tolist() == []
