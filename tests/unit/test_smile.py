"""The binary form of documents: what is written is what is read, and a bulk's separator is nowhere inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smile_reader import read

from opensearch.smile import SEPARATOR, encode, encoded_weights
from shirabe.errors import InvalidInput

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=6))
def test_what_is_written_is_what_is_read(document: dict[str, object]) -> None:
    data = encode(document)
    assert read(data) == document
    assert SEPARATOR not in data


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=40))
def test_vectors_keep_every_bit(values: list[float]) -> None:
    data = encode({"dense": np.asarray(values, np.float32)})
    assert read(data) == {"dense": values}
    assert SEPARATOR not in data


@given(st.dictionaries(TEXTS, st.floats(width=32, allow_nan=False), min_size=1, max_size=20), TEXTS)
def test_features_keep_every_bit(features: dict[str, float], text: str) -> None:
    written = {name: np.float32(weight) for name, weight in features.items()}
    [alone, again] = encoded_weights([written, dict(reversed(written.items()))])
    assert read(encode({"sparse": alone, "again": again})) == {"sparse": features, "again": features}
    mixed = {**written, "": text}
    assert read(encode({"mixed": mixed})) == {"mixed": {**features, "": text}}


def test_the_specification_s_examples() -> None:
    # "tiny" tokens of the specification: a short name, an ASCII value, an integer and its zigzag.
    assert encode({"a": "b"}) == b":)\n\x00\xfa\x80a\x40b\xfb"
    assert encode({"a": -1}) == b":)\n\x00\xfa\x80a\x24\x81\xfb"


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert read(encode({"text": "a\ud800b"})) == {"text": "a?b"}


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_an_integer_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(InvalidInput, match="64 bits"):
        encode({"n": number})


def test_what_is_no_json_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="bytes"):
        encode({"n": b"x"})
