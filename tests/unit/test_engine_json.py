"""What the engine is sent and answers, as JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from opensearch.client import FastJson, asking
from shirabe.errors import InvalidInput, Unavailable


def test_what_is_written_is_read_back() -> None:
    value = {"query": '注文 \u2028 "x"', "vector": [0.1, -1e-30, 3.0], "size": 2**53, "none": None, "when": "t"}
    assert FastJson().loads(FastJson().dumps(value)) == value
    assert json.loads(FastJson().dumps(value)) == value


def test_a_float_of_one_model_is_the_same_float_in_the_engine() -> None:
    vector = np.random.default_rng(0).standard_normal(384).astype(np.float32)
    assert np.array_equal(np.asarray(json.loads(FastJson().dumps(vector.tolist())), np.float32), vector)


def test_values_of_numpy_and_of_time_are_written_as_plain_ones() -> None:
    sent = FastJson().dumps({"weight": np.float32(0.5), "at": datetime(2026, 1, 2, tzinfo=UTC), "count": np.int64(3)})
    assert json.loads(sent) == {"weight": 0.5, "at": "2026-01-02T00:00:00+00:00", "count": 3}


@pytest.mark.parametrize("body", ["{}\n", b"\x3a\x29\x0a"])
def test_a_body_that_is_written_already_stays_as_it_is(body: str | bytes) -> None:
    assert FastJson().dumps(body) is body


def test_text_that_is_not_unicode_is_refused_and_not_sent() -> None:
    with pytest.raises(InvalidInput, match="surrogates"), asking():
        FastJson().dumps({"query": "\ud800"})


def test_an_answer_that_is_not_json_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="not JSON"), asking():
        FastJson().loads("<html>")
