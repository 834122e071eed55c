from time import perf_counter

import pytest
from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest import media_types
from ingest.chunkers.asciidoc_blocks import read_asciidoc_blocks
from ingest.chunkers.draft import Drafts
from ingest.chunkers.markup import chunk_markup
from ingest.chunkers.rst_blocks import read_rst_blocks
from ingest.chunkers.source import clean_text
from ingest.chunkers.split import Splitter

TOKENS = FakeTokens()


def chunk(text: str, media_type: str, max_tokens: int = 320) -> Drafts:
    return chunk_markup("guide.txt", "guide.txt", text, media_type, Splitter(TOKENS, max_tokens))


RST = """
.. _start:

============
 受注ガイド
============

はじめに ``code`` を読む。

.. note::

   注意の中身。

   == も見出しではない

Install :ref:`shirabe <x>`
--------------------------

::

    Literal
    -------

- one

- two

受注とは
--------

受注は注文を受けること\\*である。

.. include:: ../common.rst
"""

ADOC = """= 受注ガイド: {product}
:product: Shirabe

はじめに読む。

[[start]]
== Install {product}

[source,sh]
----
== not a heading

run
----

[NOTE]
====
Careful.

=== neither this
====

== 受注とは ==
受注は注文を受けることである。

include::common.adoc[]

=== Details [[deep]]
Text.

== Install {product}
Again.

Old Style
~~~~~~~~~
x
"""


def test_rst_sections() -> None:
    found = chunk(RST, media_types.RST)
    assert found.title == "受注ガイド"
    assert [(c.locator, c.context) for c in found.chunks] == [
        ("guide.txt#start", "受注ガイド"),
        ("guide.txt#install-shirabe", "受注ガイド › Install shirabe"),
        ("guide.txt#L28-L33", "受注ガイド › 受注とは"),
    ]
    assert found.chunks[2].text.endswith("受注は注文を受けること\\*である。\n\n.. include:: ../common.rst")


def test_asciidoc_sections() -> None:
    found = chunk(ADOC, media_types.ASCIIDOC)
    assert found.title == "受注ガイド: Shirabe"
    assert [(c.locator, c.headings[1:]) for c in found.chunks] == [
        ("guide.txt#L1-L4", ()),
        ("guide.txt#start", ("Install Shirabe",)),
        ("guide.txt#_受注とは", ("受注とは",)),
        ("guide.txt#deep", ("受注とは", "Details")),
        ("guide.txt#_install_shirabe", ("Install Shirabe",)),
        ("guide.txt#_old_style", ("Install Shirabe", "Old Style")),
    ]
    assert "include::common.adoc[]" in found.chunks[2].text


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("A\n=\n\nB\n-\n\nC\n=\n", [(1, "A"), (2, "B"), (1, "C")]),
        ("=====\nTitle\n=====\n\nA\n===\n", [(1, "Title"), (2, "A")]),
        ("見出し\n======\n", [(1, "見出し")]),
        ("Some long text\n---\n", []),
        ("word\n\n----\n\nword\n", []),
        ("====  ====\nA     B\n====  ====\n1     2\n====  ====\n", []),
        ("   Indented\n   --------\n", []),
        (
            "a google.auth\\_x **bold** `role <t>`_\n=====================================\n",
            [(1, "a google.auth_x bold role")],
        ),
    ],
)
def test_rst_headings(text: str, headings: list[tuple[int, str]]) -> None:
    found = [block.heading for block in read_rst_blocks(text) if block.heading]
    assert [(heading.level, heading.text) for heading in found] == headings


def test_rst_sections_of_one_name_have_one_anchor() -> None:
    found = chunk("A\n=\n\nx\n\nA\n=\n\ny\n", media_types.RST)
    assert [c.locator for c in found.chunks] == ["guide.txt#a", "guide.txt#L6-L9"]


ROWS = range(60)
TABLES = {
    "grid": (
        media_types.RST,
        "+------+------+\n| name | size |\n+======+======+\n",
        [f"| n{n:03} | v{n:03} |\n+------+------+\n" for n in ROWS],
        "",
    ),
    "simple": (
        media_types.RST,
        "=====  =====\nname   size\n=====  =====\n",
        [f"n{n}     v{n}\n" for n in ROWS],
        "=====  =====\n",
    ),
    "list": (
        media_types.RST,
        ".. list-table:: T\n   :header-rows: 1\n\n   * - name\n     - size\n",
        [f"   * - n{n}\n     - v{n}\n" for n in ROWS],
        "",
    ),
    "csv": (
        media_types.RST,
        '.. csv-table:: T\n   :header: "name", "size"\n\n',
        [f"   n{n}, v{n}\n" for n in ROWS],
        "",
    ),
    "asciidoc": (media_types.ASCIIDOC, "[cols=2]\n|===\n|name |size\n", [f"\n|n{n}\n|v{n}\n" for n in ROWS], "|===\n"),
    "named": (media_types.ASCIIDOC, "[%header]\n|===\n|name |size\n", [f"|n{n} |v{n}\n" for n in ROWS], "|===\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_large_table_is_cut_between_rows_and_repeats_its_header(name: str) -> None:
    media_type, head, rows, end = TABLES[name]
    found = chunk(f"before\n\n{head}{''.join(rows)}{end}\nafter\n", media_type, 100)
    tables = [c for c in found.chunks if c.kind == "table"]
    assert len(tables) > 2
    assert tables[0].text.startswith(head.rstrip("\n"))
    if name != "csv":
        assert all(c.context == f"guide.txt\n{head}".rstrip("\n") for c in tables[1:])
    first_lines = {row.strip("\n").split("\n")[0] for row in rows}
    assert all(c.text.split("\n")[0] in first_lines for c in tables[1:])


@pytest.mark.parametrize(
    ("media_type", "block"),
    [
        (media_types.RST, ".. code-block:: python\n\n   a = 1\n\n   b = 2"),
        (media_types.ASCIIDOC, "[source,python]\n.Example\n----\na = 1\n\nb = 2\n----"),
        (media_types.ASCIIDOC, "```python\na = 1\n\n== b\n```"),
    ],
)
def test_code_stays_whole_where_it_fits(media_type: str, block: str) -> None:
    for words in range(2, 24):
        found = chunk(f"{'w ' * words}\n\n{block}\n\n{'v ' * words}\n", media_type, 40).chunks
        assert any(block in c.text for c in found)


def test_an_asciidoc_item_keeps_the_block_that_is_attached_to_it() -> None:
    [item, after] = read_asciidoc_blocks("* one\n+\n----\nx\n\ny\n----\n\nz\n")
    assert (item.first, item.last, after.first) == (1, 7, 9)


LINES = [
    *(
        "A",
        "===",
        "---",
        "-----",
        "~~~~",
        "= T",
        "== B",
        "=== C [[c]]",
        "[[x]]",
        "[#y]",
        ".. _t:",
        ".. note::",
        "   a",
        "    b",
    ),
    *(
        "|===",
        "|a |b",
        "----",
        "====",
        "--",
        "+",
        "* a",
        "- b",
        "1. c",
        "::",
        "+---+",
        "| a |",
        "+===+",
        "==  ==",
        "a   b",
    ),
    *(":k: v", ".Title", "[source]", "////", "include::x[]", "", "", "", "{k} と {j}", "```"),
]
PAGES = st.lists(
    st.one_of(st.sampled_from(LINES), st.text(alphabet="ab 調。.*`_[]|-=~\t\u3000", max_size=40)), max_size=40
).map("\n".join)


@given(PAGES, st.sampled_from([media_types.RST, media_types.ASCIIDOC]), st.integers(12, 80))
def test_every_line_is_in_one_chunk_and_every_chunk_within_the_budget(
    text: str, media_type: str, max_tokens: int
) -> None:
    lines = clean_text(text).split("\n")
    found = chunk(text, media_type, max_tokens).chunks
    assert "".join("".join(c.text.split()) for c in found) == "".join("".join(lines).split())
    for one in found:
        assert TOKENS.count(f"{one.context}\n{one.text}") <= max_tokens
        if "start_column" not in one.meta:
            assert one.text == "\n".join(lines[one.meta["start_line"] - 1 : one.meta["end_line"]])


@given(PAGES)
def test_blocks_are_in_order_and_do_not_overlap(text: str) -> None:
    for read in (read_rst_blocks, read_asciidoc_blocks):
        end = 0
        for block in read(text):
            assert end < block.first <= block.last
            assert all(block.first < part <= block.last for part in block.parts)
            assert block.head <= block.last - block.first + 1
            end = block.last


@pytest.mark.parametrize(
    "text",
    [
        *("=\n" * 20_000, "----\n" * 20_000, "|===\n" * 20_000, "[[" * 50_000, "`" * 50_000 + "\n====", "+-" * 50_000),
        *(
            "* " * 50_000,
            "{a}" * 20_000,
            ":a: {a}{a}\n== {a}\n",
            "\n \n" * 20_000,
            ".. _a:\n" * 20_000,
            "== a\n" * 20_000,
        ),
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.parametrize("media_type", [media_types.RST, media_types.ASCIIDOC])
def test_hostile_pages_end_soon(text: str, media_type: str) -> None:
    started = perf_counter()
    chunk(text, media_type)
    assert perf_counter() - started < 10
