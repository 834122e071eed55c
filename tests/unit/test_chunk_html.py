from html.parser import HTMLParser

import pytest
from fake_tokens import FakeTokens
from hypothesis import given
from hypothesis import strategies as st

from ingest import media_types
from ingest.chunkers.draft import Drafts
from ingest.chunkers.rendered import chunk_rendered
from ingest.chunkers.split import Splitter
from ingest.parsers.html import read_html


def chunk(page: str, max_tokens: int = 60) -> Drafts:
    return chunk_rendered("p.html", "p.html", page.encode(), media_types.HTML, Splitter(FakeTokens(), max_tokens))


def blocks(page: str) -> list[tuple[str, str]]:
    return [(block["kind"], block["text"]) for block in read_html(page.encode())["blocks"]]


PAGE = """<html><head><title>受注 &amp; 出荷 | 設計書</title><style>p{}</style></head><body>
<header><nav><ul><li><a href="/">入口</a></ul></nav></header>
<main><h1 id="top">受注 &amp; 出荷<a class="headerlink" href="#top">¶</a></h1>
<p>受注は<b>注文</b>です。<ruby>漢字<rt>かんじ</rt></ruby>。</p><script>alert(1)</script>
<section id="details"><h2>詳細</h2><ul><li>一<ul><li>二</ul><li><p>三</p></ul></section>
<p style="display:none">隠れた</p></main><footer>著作権</footer></body>"""


def test_sections_of_the_main_content_with_anchors() -> None:
    found = chunk(PAGE)
    assert found.title == "受注 & 出荷"
    assert [(c.text, c.locator, c.headings) for c in found.chunks] == [
        ("受注 & 出荷\n\n受注は注文です。漢字。", "p.html#top", ("受注 & 出荷",)),
        ("詳細\n\n- 一\n- 二\n- 三", "p.html#details", ("受注 & 出荷", "詳細")),
    ]


def test_anchors_are_ids_of_the_page() -> None:
    ids: set[str] = set()

    class Ids(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            ids.update(value or "" for name, value in attrs if name == "id")

    Ids().feed(PAGE)
    assert {c.locator.partition("#")[2] for c in chunk(PAGE).chunks} <= ids


def test_a_page_without_main_content_is_read_without_its_edges() -> None:
    assert blocks("<nav>menu</nav><h1>A</h1><p>text</p><aside>links</aside>") == [("heading", "A"), ("text", "text")]
    assert blocks("<nav>nothing but a menu</nav>") == [("text", "nothing but a menu")]


def test_code_keeps_its_blanks() -> None:
    page = "<p>Run</p><pre><code>def f():\n    return <b>1</b>\n\nf()\n</code></pre><p>and see.</p>"
    assert blocks(page)[1] == ("code_block", "def f():\n    return 1\n\nf()")


@pytest.mark.parametrize(
    ("table", "text", "head"),
    [
        ("<tr><th>a<th>b<tr><td>1<td>2", "a | b\n1 | 2", 1),
        ("<thead><tr><td>a</td><td>b</td></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody>", "a | b\n1 | 2", 1),
        ("<tr><td>a<td>b<tr><td>1<td>2", "a | b\n1 | 2", 0),
        ("<tr><th>a<td>1<tr><th>b<td>2", "a | 1\nb | 2", 0),
        ("<tr><th>a<th>b<th>c<tr><td rowspan=2>1<td colspan=2>2<tr><td>3<td>4", "a | b | c\n1 | 2\n1 | 3 | 4", 1),
        ("<tr><th>a<th>b<tr><td><table><tr><td>x<td>y</table><td>2", "a | b\nx y | 2", 1),
        ("<tr><th>a<th>b<tr><td><ul><li>x<li>y</ul><td><pre>p\n  q</pre>", "a | b\n- x - y | p q", 1),
    ],
)
def test_tables(table: str, text: str, head: int) -> None:
    [block] = read_html(f"<table>{table}</table>".encode())["blocks"]
    assert (block["kind"], block["text"], block["head"]) == ("table", text, head)


def test_a_table_for_the_layout_is_none() -> None:
    assert blocks("<table><tr><td>menu<td><h1>A</h1><p>text<h2>B</h2><table><tr><td>1<td>2</table>end</table>") == [
        ("text", "menu"),
        ("heading", "A"),
        ("text", "text"),
        ("heading", "B"),
        ("table", "1 | 2"),
        ("text", "end"),
    ]


def test_a_large_table_repeats_its_header() -> None:
    rows = "".join(f"<tr><td>項目{n}<td>値{n}" for n in range(40))
    found = chunk(f"<h1>表</h1><table><caption>一覧</caption><tr><th>名前<th>値{rows}</table>").chunks
    tables = [c for c in found if c.kind == "table"]
    assert len(tables) > 3
    assert all(c.context == "表\n名前 | 値" for c in tables[1:])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<meta charset="Shift_JIS"><p>受注～①'.encode("cp932"), "受注～①"),
        ('<meta charset="EUC-JP"><p>受注の一覧'.encode("euc_jp"), "受注の一覧"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-1"><p>café'.encode("latin-1"), "café"),
        ('<meta charset="nonsense"><p>受注'.encode(), "受注"),
    ],
)
def test_the_declared_encoding_is_used(content: bytes, text: str) -> None:
    assert read_html(content)["blocks"][0]["text"] == text


TAGS = ["p", "div", "h1", "h2", "ul", "li", "table", "tr", "td", "th", "pre", "a", "nav", "main", "section", "b", "br"]
TAGS += ["img", "title", "script", "dl", "dt", "caption", "thead"]
MARKUP = st.lists(
    st.one_of(
        st.sampled_from([f"<{tag}>" for tag in TAGS] + [f"</{tag}>" for tag in TAGS]),
        st.sampled_from(
            ['<a id="x">', "<td rowspan=3 colspan=2>", "<p hidden>", "<!--", "-->", "<", "&amp;", "<![CDATA["]
        ),
        st.text(alphabet="ab 調。\n\t", max_size=12),
    ),
    max_size=40,
).map("".join)


@given(MARKUP)
def test_any_markup_is_read(page: str) -> None:
    for block in read_html(page.encode())["blocks"]:
        assert block["text"].strip()


def test_words_outside_of_what_is_hidden_are_kept() -> None:
    found = " ".join(text for _, text in blocks("a<p>b<div>c<table><tr><td>d<ul><li>e</table>f<h2>g</h2>h<pre>i"))
    assert [char for char in found if char.isalpha()] == list("abcdefghi")
