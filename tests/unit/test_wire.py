"""Embeddings as bytes."""

import numpy as np
import pytest

from ray_app.wire import Row, pack, unpack
from shirabe.errors import Unavailable
from shirabe.types import Output

ALL: tuple[Output, ...] = ("dense", "sparse", "tokens", "bits")


def _row(seed: int, rows: int, features: int) -> Row:
    generator = np.random.default_rng(seed)
    return Row(
        dense=generator.standard_normal(16).astype(np.float32),
        sparse_ids=np.sort(generator.choice(250_002, features, replace=False)).astype(np.int32),
        sparse_weights=generator.random(features).astype(np.float32),
        tokens=generator.standard_normal((rows, 16)).astype(np.float16),
        bits=generator.integers(0, 256, (rows, 2)).astype(np.uint8),
    )


ROWS = [_row(0, 5, 3), _row(1, 1, 0), _row(2, 9, 7)]


def test_what_is_packed_comes_back() -> None:
    embeddings = unpack(pack(ROWS, ALL), 3, ALL)
    for row, embedding in zip(ROWS, embeddings, strict=True):
        np.testing.assert_array_equal(embedding.dense, row.dense)
        np.testing.assert_array_equal(embedding.tokens, row.tokens)
        np.testing.assert_array_equal(embedding.bits, row.bits)
        assert row.sparse_ids is not None
        assert row.sparse_weights is not None
        assert embedding.sparse == dict(zip(row.sparse_ids.tolist(), row.sparse_weights.tolist(), strict=True))


@pytest.mark.parametrize("output", ALL)
def test_only_what_was_asked_for_is_sent(output: Output) -> None:
    embedding = unpack(pack(ROWS, [output]), 3, [output])[2]
    assert {name for name in ALL if getattr(embedding, name) is not None} == {output}


def test_texts_without_any_feature() -> None:
    empty = [_row(3, 1, 0), _row(4, 1, 0)]
    assert [one.sparse for one in unpack(pack(empty, ["sparse"]), 2, ["sparse"])] == [{}, {}]


def test_an_output_that_was_not_computed_is_an_error() -> None:
    with pytest.raises(ValueError, match="not computed"):
        pack([Row(dense=np.zeros(8, np.float32))], ["bits"])


def test_bytes_of_something_else_are_refused() -> None:
    with pytest.raises(Unavailable):
        unpack(b"<html>busy</html>", 1, ["dense"])


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(Unavailable):
        unpack(pack(ROWS, ["dense"]), 3, ["dense", "sparse"])


def test_another_number_of_texts_is_refused() -> None:
    with pytest.raises(Unavailable, match="3"):
        unpack(pack(ROWS, ALL), 2, ALL)
