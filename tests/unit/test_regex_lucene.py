"""Regular expressions of RE2 as the engine takes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_patterns import lines, patterns

from opensearch.regex_lucene import MAX_WRITTEN, lucene_regex
from shirabe.conditions import matcher
from shirabe.errors import InvalidInput

NO_WORD = "[\x00-/:-@\\[\\\\\\]\\^`{-\U0010ffff]"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("foo", ".*foo.*"),
        (r"def \w+_router", ".*def [0-9A-Z_a-z]+_router.*"),
        (r"^foo", "foo.*"),
        (r"foo$", ".*foo"),
        (r"^foo$", "(foo)\x00?"),
        (r"^(?:a|bc)$", "((a|bc))\x00?"),
        (r"(?P<name>a)+?b{2,}?", ".*a+b{2,}.*"),
        (r'a"b~c#d@e&f<g>', r".*a\"b\~c\#d\@e\&f\<g\>.*"),
        (r"->|:=", r".*(\-\>|\:\=).*"),
        (r"\\w", ".*[\\\\\x00]w.*"),
        ("😀", ".*[😀\x00].*"),
        (r"\x41\x{3042}\t\101", ".*Aあ\tA.*"),
        (r"\Qa.b\Ec", r".*a\.bc.*"),
        ("[[:digit:]x-]", r".*[\-0-9x].*"),
        (r"[+-a]", r".*[+-a].*"),
        (r"[\]-a^]", r".*[\]\^_-a].*"),
        (r"\bfoo", f"(.*{NO_WORD})?foo.*"),
        (r"foo\b", f".*foo({NO_WORD}.*)?"),
        (r"a\b b", ".*a b.*"),
        (r"{", r".*\{.*"),
    ],
)
def test_an_expression_is_written_for_a_whole_line(text: str, written: str) -> None:
    assert lucene_regex(text, literal=False, ignore_case=False) == written


@pytest.mark.parametrize("text", ["a^b", "a$b", r"a\bb", r"\B^a", "[^\\x00-\\x{10FFFF}]$^x"])
def test_what_no_line_matches_is_told(text: str) -> None:
    assert lucene_regex(text, literal=False, ignore_case=False) is None


def test_letters_stay_whole_where_case_is_ignored_so_that_the_engine_can_look_them_up() -> None:
    assert lucene_regex("getUser_1é", literal=False, ignore_case=True) == ".*getuser_1[Éé].*"
    assert lucene_regex("[a-c]x", literal=False, ignore_case=True) == ".*[A-Ca-c]x.*"


def test_a_text_that_stands_for_itself_is_escaped() -> None:
    assert lucene_regex("a.b*[c]", literal=True, ignore_case=False) == r".*a\.b\*\[c\].*"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"\p{Greek}", "ぁ-ん"),
        (r"(?s:a)", "flag"),
        (r"(\bfoo)+", "repeats"),
        (r"(a*)*\b", "may be nothing"),
        ("x" * (MAX_WRITTEN + 1), "too complex"),
        (r"(a$|b)" * 10, "cases"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        lucene_regex(text, literal=False, ignore_case=False)


@settings(max_examples=600)
@given(patterns(), st.lists(lines(), min_size=1, max_size=12), st.booleans())
@example(r"\b(?:|a)\B", ["a", "ab", "."], False)
@example(r"$\b", ["a", "."], False)
@example(r"(?:^|x)\b|é", ["É", "a", "xa", "x a"], True)
def test_the_written_expression_matches_the_lines_that_re2_does(text: str, held: list[str], ignore_case: bool) -> None:
    found = matcher(text, literal=False, ignore_case=ignore_case)
    try:
        written = lucene_regex(text, literal=False, ignore_case=ignore_case)
    except InvalidInput as refused:
        assert "cases" in refused.message or "complex" in refused.message or "repeats" in refused.message
        return
    # What is written for the engine means the same to Python: no optional operator of Lucene's is left unescaped.
    flags = re.DOTALL | (re.IGNORECASE | re.ASCII if ignore_case else re.NOFLAG)
    again = None if written is None else re.compile(written, flags)
    for line in held:
        assert (again is not None and again.fullmatch(line) is not None) == (found.search(line) is not None), (
            text,
            written,
            line,
        )


@pytest.mark.parametrize(
    "text",
    [
        r".?\b" * 60,
        r"(?:a*b*)?\b" * 20,
        r"\w*\b" * 50,
        r"((\b|a)|(\B|b))" * 15,
        r"(.?|.?.?)\b" * 20,
        "(" * 120 + "a" + ")" * 120,
    ],
)
def test_the_work_of_writing_is_bounded_whatever_is_asked(text: str) -> None:
    try:
        written = lucene_regex(text, literal=False, ignore_case=True)
    except InvalidInput as refused:
        assert "cases" in refused.message or "repeats" in refused.message
    else:
        assert written == ".*a.*"
