"""What developers type among words, and what only looks like it."""

from __future__ import annotations

import pytest

from api.operators import MAX_CONDITIONS, MAX_PATTERN_CHARS, asked
from ingest.media_types import _LANGUAGES
from shirabe.errors import InvalidInput
from shirabe.languages import CODE_LANGUAGES
from shirabe.types import Condition, Mode, Query


def read(text: str, mode: Mode = "hybrid") -> tuple[str, tuple[Condition, ...]]:
    query = asked(Query(text, mode=mode))
    return query.text, query.conditions


@pytest.mark.parametrize(
    "text",
    [
        "注文のキャンセル",
        "error: file: not found",
        "http://host/lang:x?sym:y",
        "std::vector<int>",
        "lang: python",
        "sym:",
        "file:///etc/hosts",
        "see(sym:x)",
        "-file",
        "Sym:x",
        'say "file:x y"',
        "/v1/orders/{id}/",
        '"exact text"',
    ],
)
def test_what_only_looks_like_an_operator_stays_as_it_was_written(text: str) -> None:
    assert read(text) == (text, ())


@pytest.mark.parametrize(
    "text", ["/v1/orders", "// what it does/", "/* a */", 'a"b"c', '"unclosed', '""', "a/b/ c", "//"]
)
def test_in_mode_code_too(text: str) -> None:
    assert read(text, "code") == (text, ())


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("sym:include_router", Condition("symbol", "include_router", True, True)),
        ("sym:APIRouter", Condition("symbol", "APIRouter", True, False)),
        ("sym:order.cancel", Condition("qualified", "order.cancel", True, True)),
        ("sym:Order::cancel", Condition("qualified", "Order.cancel", True, False)),
        ("sym:Order#cancel", Condition("qualified", "Order.cancel", True, False)),
        ('sym:"operator()"', Condition("symbol", "operator()", True, True)),
        (r'sym:"say \"hi\""', Condition("symbol", 'say "hi"', True, True)),
        ("sym:^get.*Id$", Condition("symbol", "^get.*Id$", False, False)),
        (r"sym:^\S+\W$", Condition("symbol", r"^\S+\W$", False, True)),
        (r"sym:/order\.c.*/", Condition("qualified", r"order\.c.*", False, True)),
        ("sym:(?i)HTTP.*", Condition("symbol", "HTTP.*", False, True)),
        ("sym:$scope", Condition("symbol", "$scope", True, True)),
        ("-sym:test_", Condition("symbol", "test_", True, True, True)),
        ("sym:取消", Condition("symbol", "取消", True, True)),
        ("file:src/routing.py", Condition("path", "src/routing.py", True, True)),
        ("file:/src/", Condition("path", "/src/", True, True)),
        (r"file:\.py$", Condition("path", r"\.py$", False, True)),
        (r"file:/_test\.go$/", Condition("path", r"_test\.go$", False, True)),
        ("-file:test", Condition("path", "test", True, True, True)),
        ('file:"My Docs/"', Condition("path", "My Docs/", True, False)),
        ("lang:ts", Condition("lang", "ts", values=("typescript",))),
        ("lang:C++", Condition("lang", "C++", values=("cpp",))),
        ("-lang:py", Condition("lang", "py", negated=True, values=("python",))),
        ("lang:ja", Condition("lang", "ja", values=("ja",))),
        ("lang:Go", Condition("lang", "Go", values=("go",))),
    ],
)
def test_an_operator_in_every_mode(text: str, condition: Condition) -> None:
    for mode in ("hybrid", "code", "lexical"):
        assert read(text, mode) == ("", (condition,))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (r"/def \w+_router/", Condition("line", r"def \w+_router", False, True)),
        (r"-/^\s*#/", Condition("line", r"^\s*#", False, True, True)),
        (r"/a\/b/", Condition("line", r"a\/b", False, True)),
        ("/a/b/", Condition("line", "a/b", False, True)),
        ('"response_model: bool"', Condition("line", "response_model: bool", True, True)),
        (r'"a\n \"b\""', Condition("line", r'a\n "b"', True, True)),
        ('-"TODO"', Condition("line", "TODO", True, False, True)),
        ('"->"', Condition("line", "->", True, True)),
    ],
)
def test_an_operator_on_lines_in_mode_code_only(text: str, condition: Condition) -> None:
    assert read(text, "code") == ("", (condition,))
    assert read(text) == (text, ())


def test_words_beside_operators_stay_the_question() -> None:
    text, conditions = read("where are　sym:router -file:test routes   added lang:py", "code")
    assert text == "where are routes added"
    assert [each.target for each in conditions] == ["symbol", "path", "lang"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x sym:foo(", r"sym:foo( at character 3: not a regular expression that RE2 takes: missing )"),
        ("file:*.py", r"for all files of a suffix: file:\.py$"),
        ("lang:klingon", "unknown language; there are c, clojure, cpp"),
        ('sym:"foo', "a quote without its end"),
        ("sym:" + "x" * (MAX_PATTERN_CHARS + 1), f"{MAX_PATTERN_CHARS + 1} characters"),
        (r"sym:/(?=a)/", "invalid perl operator"),
        (r"sym:(a)\1", "invalid escape sequence"),
        ("sym:" + "(" * 40 + "x{1000}" + "){1000}" * 40, "characters"),
        ("sym:((a{100}){100}){100}", "RE2"),
        ("sym:x " * (MAX_CONDITIONS + 1), f"at most {MAX_CONDITIONS}"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    assert told in refused.value.message
    assert refused.value.place == "query"


def test_every_language_that_is_told_from_a_suffix_can_be_asked_for() -> None:
    assert set(_LANGUAGES.values()) | {"python", "go"} == set(CODE_LANGUAGES)
