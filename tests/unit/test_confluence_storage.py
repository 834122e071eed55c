"""Storage format into Markdown, on pages as teams write them."""

from __future__ import annotations

import pytest

from ingest.collectors.confluence.storage import render_storage
from shirabe.errors import InvalidInput

USERS = {"5b10:a1": "山田太郎"}


def shown(storage: str) -> str:
    return render_storage(storage, "page/1", USERS).text


def macro(name: str, body: str = "", **parameters: str) -> str:
    given = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1">{given}{body}</ac:structured-macro>'


def rich(body: str) -> str:
    return f"<ac:rich-text-body>{body}</ac:rich-text-body>"


def plain(body: str) -> str:
    return f"<ac:plain-text-body><![CDATA[{body}]]></ac:plain-text-body>"


DESIGN = (
    "<p>このページは<strong>注文サービス</strong>の設計をまとめたものです。担当は "
    '<ac:link><ri:user ri:account-id="5b10:a1" /></ac:link>、前提は<ac:link><ri:page ri:space-key="DEV" '
    'ri:content-title="在庫サービス 設計書" /></ac:link>を参照。&nbsp;最終更新: <time datetime="2026-04-01" /></p>'
    + macro("toc", maxLevel="3")
    + '<ac:layout><ac:layout-section ac:type="two_equal"><ac:layout-cell><h1>1. 概要</h1>'
    "<p># これは見出しではない<br />- これも箇条書きではない</p></ac:layout-cell><ac:layout-cell>"
    + macro(
        "warning",
        rich(
            "<p>キャンセル期限は <code>order.cancel_deadline</code> で変更できる。</p>"
            "<ul><li>既定は 24 時間</li><li><p>上限は 72 時間</p><ul><li>特例あり</li></ul></li></ul>"
        ),
        title="注意",
    )
    + "</ac:layout-cell></ac:layout-section></ac:layout>"
    + "<h2>1.1 状態 "
    + macro("status", colour="Green", title="確定")
    + "</h2>"
    + macro(
        "code", plain('if order.status != "NEW" &nbsp;&& x < 3:\n    raise Refused()'), language="python", title="例"
    )
    + macro(
        "include", '<ac:parameter ac:name=""><ac:link><ri:page ri:content-title="共通の前提"/></ac:link></ac:parameter>'
    )
    + "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status><ac:task-body>"
    "<span>設計レビュー</span></ac:task-body></ac:task><ac:task><ac:task-status>incomplete</ac:task-status>"
    '<ac:task-body>負荷試験 <ac:link><ri:user ri:userkey="u9"/></ac:link></ac:task-body></ac:task></ac:task-list>'
    '<p><ac:image ac:alt="注文の状態遷移図"><ri:attachment ri:filename="image-2026.png" /><ac:caption><p>図 1</p>'
    "</ac:caption></ac:image></p><p>"
    + macro("jira", server="J", key="ORD-123")
    + ' と <a href="https://example.org/a">外部仕様</a></p>'
)


def test_a_design_page_reads_as_it_was_meant() -> None:
    found = render_storage(DESIGN, "page/1", USERS)
    assert found.text == (
        "このページは注文サービスの設計をまとめたものです。担当は @山田太郎、前提は在庫サービス 設計書を参照。 "
        "最終更新: 2026-04-01\n\n"
        "# 1. 概要\n\n\\# これは見出しではない\n\\- これも箇条書きではない\n\n"
        "> [!WARNING] 注意\n>\n> キャンセル期限は `order.cancel_deadline` で変更できる。\n>\n"
        "> - 既定は 24 時間\n> - 上限は 72 時間\n>   - 特例あり\n\n"
        "## 1.1 状態 [確定]\n\n"
        '例\n\n```python\nif order.status != "NEW" &nbsp;&& x < 3:\n    raise Refused()\n```\n\n'
        "(include: 共通の前提)\n\n"
        "- [x] 設計レビュー\n- [ ] 負荷試験 @user\n\n"
        "(image: 注文の状態遷移図; 図 1)\n\n"
        "Jira: ORD-123 と [外部仕様](https://example.org/a)"
    )
    assert found.headings == ("1. 概要", "1.1 状態 [確定]")


def test_merged_cells_are_filled_and_header_rows_joined() -> None:
    table = (
        '<table><tbody><tr><th rowspan="2">状態</th><th colspan="2">遷移</th></tr><tr><th>次</th><th>条件</th></tr>'
        '<tr><td rowspan="2">受付 | NEW</td><td>確定</td>'
        "<td><p>在庫あり</p><ul><li>引当</li><li>与信</li></ul></td></tr>"
        '<tr><td>取消</td><td>期限内</td></tr><tr><td colspan="3">以上</td></tr></tbody></table>'
    )
    assert shown(table) == (
        "| 状態 | 遷移 / 次 | 遷移 / 条件 |\n| --- | --- | --- |\n"
        "| 受付 \\| NEW | 確定 | 在庫あり / 引当 / 与信 |\n| 受付 \\| NEW | 取消 | 期限内 |\n| 以上 | 以上 | 以上 |"
    )


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("<tr><th>担当</th><td>山田</td></tr><tr><th>期限</th><td>5月</td></tr>", "- 担当: 山田\n- 期限: 5月"),
        ("<tr><td>a</td><td>b</td></tr>", "|  |  |\n| --- | --- |\n| a | b |"),
        ("<tr><th>a</th><th>b</th></tr>", "| a | b |\n| --- | --- |"),
        ("<tr><th></th><th>東京</th></tr><tr><th>件数</th><td>3</td></tr>", "|  | 東京 |\n| --- | --- |\n| 件数 | 3 |"),
        ("<tr><td></td></tr>", ""),
        ("<tr><td>a</td></tr><tr><td>b</td><td>c</td></tr>", "|  |  |\n| --- | --- |\n| a |  |\n| b | c |"),
    ],
)
def test_tables_have_the_header_that_was_written(table: str, text: str) -> None:
    assert shown(f"<table><tbody>{table}</tbody></table>") == text


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        (macro("info", rich("<p>知らせ</p>")), "> [!NOTE]\n>\n> 知らせ"),
        (macro("tip", rich("<p>こつ</p>"), title="ヒント"), "> [!TIP] ヒント\n>\n> こつ"),
        (macro("panel", rich("<p>本文</p>"), title="枠"), "> 枠\n>\n> 本文"),
        (macro("expand", rich("<p>2025年版から変更。</p>"), title="履歴"), "履歴\n\n2025年版から変更。"),
        (macro("excerpt", rich("<p>抜粋</p>")), "抜粋"),
        (macro("details", rich("<table><tr><th>版</th><td>2</td></tr></table>")), "- 版: 2"),
        (macro("toc") + macro("children", all="true") + macro("contributors"), ""),
        (macro("code", plain("&#11; &nbsp;")), "```\n&#11; &nbsp;\n```"),
        (macro("noformat", plain("a\n```\nb")), "````\na\n```\nb\n````"),
        (macro("mermaid", plain("graph TD")), "```mermaid\ngraph TD\n```"),
        (macro("drawio", diagramName="構成図"), "(diagram: 構成図)"),
        (
            macro("view-file", '<ac:parameter ac:name="name"><ri:attachment ri:filename="仕様.pdf"/></ac:parameter>'),
            "(file: 仕様.pdf)",
        ),
        (
            macro(
                "excerpt-include",
                '<ac:parameter ac:name=""><ac:link><ri:page ri:content-title="用語"/></ac:link></ac:parameter>',
            ),
            "(include: 用語)",
        ),
        ("<p>" + macro("anchor", **{"": "here"}) + "本文</p>", "本文"),
        ("<p>" + macro("jira", jqlQuery="project = ORD") + "</p>", "Jira: project = ORD"),
        ('<ac:image ac:width="100"><ri:attachment ri:filename="a.png"/></ac:image>', ""),
        ('<p>良い <ac:emoticon ac:name="tick" ac:emoji-fallback="✅" /></p>', "良い ✅"),
        (
            "<ac:link ac:anchor='節'><ac:plain-text-link-body><![CDATA[こちら]]></ac:plain-text-link-body></ac:link>",
            "こちら",
        ),
        ('<ac:link><ri:attachment ri:filename="a.xlsx"/></ac:link>', "a.xlsx"),
        ('<ac:link><ri:page ri:content-title="P"/><ac:link-body>詳しい<b>頁</b></ac:link-body></ac:link>', "詳しい頁"),
        ('<p><ac:inline-comment-marker ac:ref="x">期限</ac:inline-comment-marker>まで</p>', "期限まで"),
        ("<p><ac:placeholder>書いてください</ac:placeholder></p>", ""),
        ("<ol><li>一</li><li><p>二</p><ol><li>二の一</li></ol></li></ol>", "1. 一\n2. 二\n   1. 二の一"),
        ("<p>1. 番号ではない</p><p>2026. 年</p>", "1\\. 番号ではない\n\n2026\\. 年"),
        ("<p>&lt;!-- 注釈 --&gt;</p><p>---</p><p>```</p>", "\\<!-- 注釈 -->\n\n\\---\n\n\\```"),
        ("<h2>GET /orders/{id} *全件* &lt;T&gt;</h2>", "## GET /orders/{id} \\*全件\\* \\<T>"),
        ("<h1> </h1><p>&unknown; &copy;</p>", "&unknown; ©"),
        ("<pre>a  b\n c</pre>", "```\na  b\n c\n```"),
        ("<blockquote><p>引用</p></blockquote><hr/>", "> 引用"),
        ("文だけ<p>段落</p>尾", "文だけ\n\n段落\n\n尾"),
        ("<p>a\x0bb&#11;c&#xB;d</p>", "abcd"),
        ('<a href="javascript:alert(1)">押す</a>', "押す"),
    ],
)
def test_each_part_of_a_page(storage: str, text: str) -> None:
    assert shown(storage) == text


def test_panels_of_the_new_editor_are_shown_once() -> None:
    node = (
        '<ac:adf-extension><ac:adf-node type="panel"><ac:adf-attribute key="panel-type">note</ac:adf-attribute>'
        "<ac:adf-content><p>新エディタ</p></ac:adf-content></ac:adf-node>"
        "<ac:adf-fallback><div><p>新エディタ</p></div></ac:adf-fallback></ac:adf-extension>"
    )
    assert shown(node) == "> [!IMPORTANT]\n>\n> 新エディタ"


@pytest.mark.parametrize("storage", ["<p>a<b></p>", "<p>&#xZ;</p>", "</storage><p/>", "<!DOCTYPE a><p/>", "<x:y/>"])
def test_what_is_not_well_formed_is_told_with_its_place(storage: str) -> None:
    with pytest.raises(InvalidInput, match=r"page/1: .*(well-formed|no body has)"):
        shown(storage)


def test_a_page_of_spans_and_depths_stays_small() -> None:
    wide = "<tr>" + '<td colspan="999999999" rowspan="99999999999999">x</td>' * 300 + "</tr>"
    assert len(shown(f"<table>{wide * 3}</table>")) < 5_000_000
    long = f'<td colspan="200" rowspan="200">{"y" * 100_000}</td>'
    assert len(shown(f"<table><tr>{long * 5}</tr></table>")) < 3_000_000
    deep = "<ul><li>" * 20_000 + "底" + "</li></ul>" * 20_000
    assert "底" in shown(deep)
    assert "底" in shown("<div>" * 20_000 + "底" + "</div>" * 20_000)
    assert len(shown("<p>" + "&amp;" * 200_000 + "</p>")) == 200_000
