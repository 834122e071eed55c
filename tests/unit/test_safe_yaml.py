import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_plain_values_keep_what_authors_wrote() -> None:
    text = "200: ok\non: no\ndate: 2020-01-02\ncode: 010\ntime: 12:30:00\nn: -1\nx: 1.5\nnone: ~\nempty:\nyes: true\n"
    assert load_yaml(text, "f") == {
        "200": "ok",
        "on": "no",
        "date": "2020-01-02",
        "code": "010",
        "time": "12:30:00",
        "n": -1,
        "x": 1.5,
        "none": None,
        "empty": None,
        "yes": True,
    }


def test_aliases_and_merges_work() -> None:
    assert load_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n", "f") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": 2},
        "c": {"x": 1},
    }


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2", "f:2:1"),
        ("ok: 1\nx: !!python/object/apply:os.system ['true']", "f:2:4"),
        ("a: !secret b", "f:1:4"),
        ("a: *nobody", "f:1:4"),
        ("a: &a [*a]", "f:1:8"),
        ("a: &a {<<: *a}", "f:1:12"),
        ("? [a]\n: 1", "f:1:3"),
        ("a: !!int many", "f:1:4"),
        ("a: 1\n---\nb: 2", "f:2:1"),
        ('{"a": 1,,}', "f:1:9"),
        ("[" * 500, "f:1:101"),
        ('{"a": NaN}', "f"),
        pytest.param('{"a":' * 100_000, "f", id="deep"),
        ("a: \x01", "f"),
        ("a: 1e999", "f:1:4"),
    ],
)
def test_bad_documents_are_refused_with_the_place(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_yaml(text, "f")
    assert caught.value.place == place


def test_nested_aliases_are_counted_as_if_expanded() -> None:
    with pytest.raises(InvalidInput, match="aliases expanded"):
        load_yaml(BOMB, "f")


def test_nested_merges_are_counted_too() -> None:
    text = "a: &a {x: 1}\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} {{<<: [{', '.join([f'*{chr(97 + i)}'] * 9)}]}}\n" for i in range(9)
    )
    with pytest.raises(InvalidInput, match="aliases expanded"):
        load_yaml(text, "f")


def test_the_caps_are_exact() -> None:
    assert load_yaml("[1, 2, 3]", "f", max_nodes=4) == [1, 2, 3]
    with pytest.raises(InvalidInput):
        load_yaml("[1, 2, 3]", "f", max_nodes=3)


@given(JSON)
def test_json_is_read_as_json(value: object) -> None:
    assert load_yaml(json.dumps({"v": value}), "f") == {"v": value}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        load_yaml(text, "f")
    except InvalidInput as error:
        assert error.place.startswith("f")
