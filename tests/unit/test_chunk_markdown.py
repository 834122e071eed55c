from time import perf_counter

import pytest
from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunkers.draft import Draft
from ingest.chunkers.front_matter import read_front_matter
from ingest.chunkers.markdown import chunk_markdown
from ingest.chunkers.markdown_blocks import read_blocks
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter

TOKENS = FakeTokens()


def chunks(text: str, max_tokens: int = 320) -> tuple[Draft, ...]:
    return chunk_markdown("docs/guide.md", "guide.md", text, Splitter(TOKENS, max_tokens)).chunks


PAGE = """---
title: 受注管理
tags: [受注, order]
---

はじめに読むもの。

## 受注とは { #what-is-an-order }

受注は注文を受けることである。

## Install `shirabe`

### On Linux

Run it.

## Install `shirabe`

もう一度。
"""


def test_sections_have_paths_slugs_and_clean_contexts() -> None:
    assert [(c.locator, c.context, c.headings) for c in chunks(PAGE)] == [
        ("docs/guide.md", "受注管理\n受注, order", ()),
        ("docs/guide.md#what-is-an-order", "受注管理 › 受注とは", ("受注とは",)),
        ("docs/guide.md#on-linux", "受注管理 › Install shirabe › On Linux", ("Install shirabe", "On Linux")),
        ("docs/guide.md#install-shirabe-1", "受注管理 › Install shirabe", ("Install shirabe",)),
    ]


def test_a_heading_without_a_body_goes_to_the_section_that_follows() -> None:
    assert chunks(PAGE)[2].text == "## Install `shirabe`\n\n### On Linux\n\nRun it."


def test_each_section_has_its_language() -> None:
    assert [c.lang for c in chunks(PAGE)] == ["ja", "ja", "en", "ja"]
    assert [c.lang for c in chunks("# Guide\n\nRead this first.\n\n## 概要\n\n日本語の説明。")] == ["en", "ja"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: A\n---\n# B\n\nx", "A"),
        ("+++\ntitle = 'A'\n+++\n# B\n\nx", "A"),
        ("# B { #b }\n\nx", "B"),
        ("B\n=\n\nx", "B"),
        ("## C\n\nx", "guide.md"),
        ("---\ntitle: [\n---\n# B\n\nx", "B"),
        ("---\n\nnot metadata\n\n---\n# B\n\nx", "B"),
    ],
)
def test_title(text: str, title: str) -> None:
    assert chunk_markdown("guide.md", "guide.md", text, Splitter(TOKENS, 99)).title == title


@pytest.mark.parametrize("text", ["# Only a title", "---\ntitle: Only\n---\n", "# A\n\n## B\n"])
def test_a_page_of_titles_gives_one_chunk(text: str) -> None:
    assert len(chunks(text)) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "   \n\t\n"])
def test_an_empty_page_gives_none(text: str) -> None:
    assert chunks(text) == ()


def test_code_and_tables_stay_whole_where_they_fit() -> None:
    code = "```python\n" + "\n\n".join(f"value_{n} = {n}" for n in range(9)) + "\n```"
    found = chunks(f"# T\n\nwords of an introduction that take some room here\n\n{code}\n", 75)
    assert [c.kind for c in found] == ["section", "code_block"]
    assert found[1].text == code


def test_a_large_table_is_cut_between_rows_and_repeats_its_header() -> None:
    rows = "\n".join(f"| 項目{n} | 値{n} |" for n in range(40))
    found = chunks(f"# 表\n\n前置き。\n\n| 名前 | 値 |\n|---|---|\n{rows}\n\n後書き。\n", 80)
    tables = [c for c in found if c.kind == "table"]
    assert len(tables) > 3
    assert tables[0].context == "表"
    assert all(c.context == "表\n| 名前 | 値 |\n|---|---|" for c in tables[1:])
    assert [c.kind for c in found if c not in tables] == ["section", "section"]


def test_a_list_is_cut_between_items() -> None:
    found = chunks("# L\n\n" + "\n".join(f"- item {n} has some words" for n in range(30)), 60)
    assert len(found) > 3
    assert all(c.text.startswith(("- ", "# ")) for c in found)


def test_headings_in_code_and_quotes_are_not_sections() -> None:
    assert len(chunks("# A\n\n```sh\n# not a heading\n```\n\n> ## nor this\n")) == 1


CONTAINERS = {
    "mkdocs": ('!!! note "注意"', "    aa bb cc", "", "    ```sh", "    # dd", "    ```"),
    "collapsible": ("???+ tip", "", "    aa bb cc", "", "    dd ee ff"),
    "tabs": ('=== "Linux"', "", "    aa bb cc", "", "    dd ee ff"),
    "pymdownx": ("/// note | 注意", "", "aa bb cc", "", "dd ee ff", "", "///"),
    "nested": ("//// tab | Test", "", "/// tip", "aa bb cc", "///", "", "dd", "", "////"),
    "docusaurus": (":::tip[注意]", "", "aa bb cc", "", "dd ee ff", "", ":::"),
    "myst": ("::::{note}", "", ":::{tip}", "aa bb cc", ":::", "", "::::"),
    "github": ("> [!WARNING]", "> aa bb cc", ">", "> dd ee ff"),
    "hugo": ("{{% alert title='注意' %}}", "", "aa bb cc", "", "dd ee ff", "", "{{% /alert %}}"),
    "hugo tabs": ("{{< tab >}}", "", "aa bb cc", "", "dd ee ff", "", "{{< /tab >}}"),
    "highlight": ("{{< highlight sh >}}", "# aa bb cc", "", "dd ee ff", "{{< /highlight >}}"),
    "details": ("<details>", "<summary>aa</summary>", "", "dd ee ff", "", "</details>"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_stays_whole_where_it_fits(name: str) -> None:
    container = "\n".join(CONTAINERS[name])
    for words in range(2, 44):
        found = chunks(f"# T\n\n{'w ' * words}\n\n{container}\n\n{'v ' * words}\n", 48)
        [chunk] = [c for c in found if container in c.text]
        assert chunk.headings == ("T",)


def test_a_large_container_is_cut_between_its_blocks() -> None:
    paragraphs = [f"p{n} " + "w " * 12 for n in range(6)]
    inside = "\n\n".join(paragraphs)
    found = chunks(f"/// note\n\n{inside}\n\n///\n", 40)
    assert len(found) > 2
    assert all(any(c.text.startswith(("/// note", f"p{n} ")) for n in range(6)) for c in found)


@pytest.mark.parametrize(
    "text",
    [
        "::: package.module\n    options:\n      members: true\n\n## B\n\nw\n\n:::tip\n\nx\n\n:::\n",
        "/// note\n\n## B\n\nw\n\n///\n",
        "{{< param a >}}\n\n## B\n\nw\n",
        "~~~\n/// note\n~~~\n\n## B\n\n///\n",
    ],
    ids=["mkdocstrings", "heading inside", "alone", "in code"],
)
def test_what_only_looks_like_a_container_hides_no_heading(text: str) -> None:
    assert chunks(text)[-1].headings == ("B",)


def test_includes_stay_in_the_text_with_the_place_they_name() -> None:
    page = '# A\n\n{* ../../src/a.py hl[2] *}\n\n--8<-- "b.md"\n\n{{< readfile file="c.md" >}}\n\n{!d.md!}\n'
    assert chunks(page)[0].text == page.rstrip("\n")


def test_noise_of_site_generators_stays_in_the_text_only() -> None:
    [chunk] = chunks('# Use {{< param "name" >}} it { #use .big }\n\n{* ../a.py hl[2] *}\n')
    assert chunk.headings == ("Use it",)
    assert "{* ../a.py hl[2] *}" in chunk.text
    assert chunk.locator == "docs/guide.md#use"


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Hello, World!", "hello-world"),
        ("受注 API の `GET`", "受注-api-の-get"),
        ("a_b & [c](d)", "a_b--c"),
        ("!!!", ""),
    ],
)
def test_slugs_are_those_of_github(heading: str, anchor: str) -> None:
    [block] = read_blocks(f"# {heading}")
    assert block.heading is not None
    assert block.heading.anchor == anchor


MARKDOWN = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# A",
                "## B { #b }",
                "### C",
                "A\n===",
                "---",
                "```",
                "~~~",
                "| a | b |",
                "|---|---|",
                "- x",
                "  - y",
                "1. z",
                "> q",
                "    code",
                "",
                "",
                "<div>",
                "<!-- c",
                "-->",
                "[a]: b",
                "///",
                "::: note",
                ":::",
                "!!! note",
                "{{< tab >}}",
                "{{< /tab >}}",
                "<details>",
                "</details>",
                "$$",
                "+++",
            ]
        ),
        st.text(alphabet="ab 調べ。.!*_`[]()#|-\t\u3000", max_size=60),
    ),
    max_size=40,
).map("\n".join)


@given(MARKDOWN, st.integers(12, 80))
def test_every_line_is_in_one_chunk_and_every_chunk_within_the_budget(text: str, max_tokens: int) -> None:
    lines = clean_text(text).split("\n")
    matter = read_front_matter(clean_text(text), "").lines
    found = chunks(text, max_tokens)
    # A page of nothing but front matter is the one case where that is shown.
    shown = lines[matter:] if any(line.strip() for line in lines[matter:]) else lines[1 : matter - 1]
    assert "".join("".join(c.text.split()) for c in found) == "".join("".join(shown).split())
    for chunk in found:
        assert TOKENS.count(f"{chunk.context}\n{chunk.text}") <= max_tokens
        if "start_column" not in chunk.meta:
            assert chunk.text == "\n".join(lines[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]])


@pytest.mark.parametrize(
    "text",
    [
        "> " * 10000 + "a",
        "- " * 10000 + "a",
        "[" * 50000,
        "* a\n" * 20000,
        "| " * 20000,
        "#" * 10000,
        "`" * 50000,
        "# " + "*a" * 50000,
        "".join(" " * n + "- a\n" for n in range(400)),
        "<" * 50000,
        "&" * 50000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_pages_end_soon(text: str) -> None:
    started = perf_counter()
    chunks(text)
    assert perf_counter() - started < 10
