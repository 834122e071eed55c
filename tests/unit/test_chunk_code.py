from typing import Any

import pytest
from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunkers.code import chunk_code
from ingest.chunkers.draft import Draft
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter

TOKENS = FakeTokens()


def chunks(text: str, language: str = "python", max_tokens: int = 320) -> tuple[Draft, ...]:
    return chunk_code("api/search.py", text, language, Splitter(TOKENS, max_tokens)).chunks


PYTHON = '''"""Search."""
import os

LIMIT = 3


# How a search is done.
@route("/search")
def search(query: str) -> list[str]:
    """Return hits."""
    return [query]


class Index:
    """An index."""

    size: int = 0

    def add(self, text: str) -> None:
        self.size += 1

    @property
    def name(self) -> str:
        return "index"


if __name__ == "__main__":
    search("a")
'''

GO = """package api

import "fmt"

// Search finds orders.
func Search(q string) string {
	return q
}

// Index holds them.
type Index struct {
	Size int
}

func (i *Index) Add(text string) error {
	return fmt.Errorf(text)
}
"""


def test_python_definitions_are_units_with_their_comments_and_decorators() -> None:
    assert [(c.kind, c.headings, c.locator) for c in chunks(PYTHON)] == [
        ("module", (), "api/search.py#L1-L4"),
        ("function", ("search",), "api/search.py#L7-L11"),
        ("class", ("Index",), "api/search.py#L14-L24"),
        ("module", (), "api/search.py#L27-L28"),
    ]
    assert chunks(PYTHON)[1].text.startswith("# How a search is done.\n@route")


def test_a_class_too_large_is_its_header_and_its_methods() -> None:
    found = [(c.kind, c.context) for c in chunks(PYTHON, max_tokens=40) if c.headings and c.headings[0] == "Index"]
    assert found == [
        ("class", "search.py › Index"),
        ("method", "search.py › Index › add"),
        ("method", "search.py › Index › name"),
    ]


def test_go_methods_stand_under_their_receiver() -> None:
    assert [(c.kind, c.headings, c.text.split("\n")[0]) for c in chunks(GO, "go")] == [
        ("module", (), "package api"),
        ("function", ("Search",), "// Search finds orders."),
        ("class", ("Index",), "// Index holds them."),
        ("method", ("Index", "Add"), "func (i *Index) Add(text string) error {"),
    ]


def test_a_long_function_is_cut_between_statements_and_repeats_its_signature() -> None:
    body = "\n".join(f"    total_{n} = compute(\n        {n},\n    )" for n in range(12))
    found = chunks(f"def run(start: int) -> int:\n{body}\n", max_tokens=70)
    assert len(found) > 2
    assert all(c.text.lstrip().startswith(("def run", "total_")) for c in found)
    assert all(c.context == "search.py › run\ndef run(start: int) -> int:" for c in found[1:])
    assert found[0].context == "search.py › run"
    assert {c.headings for c in found} == {("run",)}


def test_broken_code_still_gives_what_can_be_found() -> None:
    found = chunks("def good():\n    return 1\n\n\ndef bad(:\n    return (\n")
    assert found[0].headings == ("good",)
    assert "def bad(" in "".join(c.text for c in found)


def test_nested_classes_and_lines_with_two_definitions() -> None:
    assert [c.headings for c in chunks("class A: x = 1; y = 2\nclass B:\n    class C:\n        pass\n")] == [
        ("A",),
        ("B",),
    ]
    assert len(chunks("package a\nfunc a() {}; func b() {}\n", "go")) == 2


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "def f(a):",
                "    return 1",
                "class A:",
                "    def m(self):",
                "        pass",
                "@deco",
                "# 注釈",
                "",
                "import os",
                "}",
                "func F() {",
                "func (a *A) M() {}",
                "type T struct {",
                "\tx int",
                '"""',
                "x = (",
                ")",
                "async def g(): pass",
                "\\",
            ]
        ),
        st.text(alphabet="ab():=\t \"'{}調", max_size=30),
    ),
    max_size=40,
).map("\n".join)


@given(LINES, st.sampled_from(["python", "go"]), st.integers(16, 60))
def test_every_line_is_in_one_chunk_within_the_budget(text: str, language: str, max_tokens: int) -> None:
    lines = clean_text(text).split("\n")
    found = chunks(text, language, max_tokens)
    assert "".join("".join(c.text.split()) for c in found) == "".join(clean_text(text).split())
    for chunk in found:
        assert TOKENS.count(f"{chunk.context}\n{chunk.text}") <= max_tokens
        if "start_column" not in chunk.meta:
            assert chunk.text == "\n".join(lines[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]])


def defined(text: str, language: str = "python", max_tokens: int = 320) -> list[list[list[Any]]]:
    return [chunk.meta["symbols"] for chunk in chunks(text, language, max_tokens)]


def test_a_chunk_lists_what_it_defines_by_the_line_of_the_name() -> None:
    whole = [each for listed in defined(PYTHON) for each in listed]
    assert whole == [
        [9, "search"],
        [14, "Index"],
        [19, "Index", "add"],
        [23, "Index", "name"],
    ]
    lines = PYTHON.split("\n")
    assert all(scope[-1] in lines[line - 1] for line, *scope in whole)


@pytest.mark.parametrize("max_tokens", [24, 48, 96, 320])
def test_every_definition_is_listed_once_however_a_file_is_cut(max_tokens: int) -> None:
    for text, language in ((PYTHON, "python"), (GO, "go")):
        cut = chunks(text, language, max_tokens)
        listed = [tuple(each) for chunk in cut for each in chunk.meta["symbols"]]
        assert listed == [tuple(each) for chunk in chunks(text, language) for each in chunk.meta["symbols"]]
        for chunk in cut:
            first, last = chunk.meta["start_line"], chunk.meta["end_line"]
            assert all(first <= line <= last for line, *_ in chunk.meta["symbols"])


def test_a_group_of_types_defines_each_of_them() -> None:
    text = "package a\n\ntype (\n\tA struct{}\n\tB interface{}\n)\n"
    assert [scope for listed in defined(text, "go") for _, *scope in listed] == [["A"], ["B"]]
