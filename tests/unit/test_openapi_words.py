import json
from typing import Any

import pytest
from api_files import cut, texts_of

from ingest.chunkers.openapi_actions import action_words
from ingest.chunkers.openapi_units import Operation
from ingest.chunkers.openapi_words import described_values, example_words, first_sentence, introduction, paragraphs

TABLE = "状態\n\n| 値 | 意味 |\n| --- | --- |\n| 1 | 下書き |\n| 2 | 確定 |\n\n確定後は変えられない。"


@pytest.mark.parametrize(
    ("schema", "description", "values"),
    [
        ({"enum": ["a", "b"]}, "", "a, b"),
        ({"enum": ["a", "b"], "x-enum-descriptions": ["あ", "い"]}, "", "a (あ), b (い)"),
        ({"enum": ["a", "b"], "x-enumDescriptions": {"b": "い"}}, "", "a, b (い)"),
        ({"enum": [1, 2], "x-enum-varnames": ["OPEN", "DONE"]}, "", "1 (OPEN), 2 (DONE)"),
        (
            {"enum": [1, 2], "x-enumNames": ["Open", "Done"], "x-enum-descriptions": ["", "済"]},
            "",
            "1 (Open), 2 (Done: 済)",
        ),
        ({"enum": ["A"], "x-enum-varnames": ["A"]}, "", "A"),
        (
            {"enum": [0], "x-ms-enum": {"values": [{"value": 0, "name": "None", "description": "nothing"}]}},
            "",
            "0 (None: nothing)",
        ),
        ({"oneOf": [{"const": 1, "title": "Open"}, {"const": 2, "description": "done"}]}, "", "1 (Open), 2 (done)"),
        ({"enum": [1, 2], "description": TABLE}, "状態 確定後は変えられない。", "1 (下書き), 2 (確定)"),
        (
            {
                "enum": ["S", "R"],
                "description": "<table><tr><td>S</td><td>出荷</td></tr><tr><td>R</td><td>返品</td></tr></table>",
            },
            "",
            "S (出荷), R (返品)",
        ),
        (
            {"enum": ["in", "out"], "description": "Way:\n* `in` - to us\n* `out`: to them"},
            "Way:",
            "in (to us), out (to them)",
        ),
        ({"enum": ["in", "int"], "description": "- int: 整数\n- in: 入る"}, "", "in (入る), int (整数)"),
        ({"enum": ["a"], "description": "either a, or nothing"}, "either a, or nothing", "a"),
        ({"type": "array", "items": {"enum": ["x"], "x-enum-descriptions": ["エ"]}}, "", "x (エ)"),
        ({"enum": [True, None, 1.5]}, "", "true, null, 1.5"),
        ({"enum": list(range(100))}, "", ", ".join(map(str, range(60))) + ", …"),
        ({"description": TABLE}, " ".join(paragraphs(TABLE)), ""),
    ],
)
def test_values_have_their_meanings(schema: dict[str, Any], description: str, values: str) -> None:
    assert described_values(schema) == (description, values)


def test_descriptions_lose_their_markup_and_keep_their_tables_in_rows() -> None:
    html = "<p>a &lt;b&gt;</p><table><tr><th>項</th><th>値</th></tr><tr>\n<td>x</td>\n<td>1</td></tr></table>"
    assert paragraphs(html) == ["a <b>", "項 | 値", "x | 1"]
    assert paragraphs(3) == []
    assert first_sentence("A [Droplet](https://x.example) is a VM. It runs.", 60) == "A Droplet is a VM."
    assert first_sentence("長い" * 40, 10) == "長い長い長い長い長…"
    assert first_sentence(None, 10) == ""


@pytest.mark.parametrize(
    ("text", "intro", "notes"),
    [
        ("<h2>概要</h2><p>取引を作る</p><h2>定義</h2><ul><li>a</li></ul>", ["概要", "取引を作る"], ["定義", "a"]),
        ("Makes one.\n\n### Many\nMakes many.", ["Makes one."], ["### Many", "Makes many."]),
        ("# One\n## Two\ntext\n# Three\nmore", ["# One", "## Two", "text"], ["# Three", "more"]),
        ("short\nlines", ["short", "lines"], []),
        ("x" * 300 + "\nmore", ["x" * 300], ["more"]),
        (None, [], []),
    ],
)
def test_a_description_begins_with_what_it_is_about(text: object, intro: list[str], notes: list[str]) -> None:
    assert introduction(text) == (intro, notes)


def test_examples_are_compact_and_bounded() -> None:
    assert example_words({"a": ["あ"]}) == '{"a": ["あ"]}'
    assert example_words("two\n  lines") == "two lines"
    assert len(example_words(["x" * 1000])) == 400


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ("取引（収入・支出）の作成", ("取引を登録する・作成する・追加する", "Action: create, add, register")),
        ("請求書一覧の取得", ("請求書の一覧を取得する・検索する", "Action: list, search")),
        ("案件一覧", ("案件の一覧を取得する・検索する", "Action: list, search")),
        ("受注取消", ("受注を取り消す・キャンセルする", "Action: cancel")),
        ("受注を更新する", ("受注を更新する・変更する・編集する", "Action: update, change, edit")),
        ("自動登録ルールの削除", ("自動登録ルールを削除する", "Action: delete, remove")),
        (
            "部門の更新（存在しない場合は作成）",
            (
                "部門を登録する・作成する・追加する、部門を更新する・変更する・編集する",
                "Action: create, add, register, update, change, edit",
            ),
        ),
        ("受注を登録する / Place an order", ("受注を登録する・作成する・追加する", "Action: create, add, register")),
        ("Create a New Droplet", ("Action: create, add, register / 作成・登録・追加", "")),
        ("List All Domains", ("Action: list, search / 一覧・検索", "")),
        ("Retry a Droplet Destroy", ("", "")),
        ("経費申請の承認操作", ("", "")),
    ],
)
def test_a_summary_is_said_in_other_words(summary: str, words: tuple[str, str]) -> None:
    assert action_words(Operation("/paths/~1a/post", "post", "/a", {"summary": summary}, {})) == words


def test_without_a_summary_the_name_or_the_method_tells() -> None:
    assert action_words(Operation("", "post", "/a", {"operationId": "createOrder"}, {}))[0].startswith("Action: create")
    assert action_words(Operation("", "delete", "/a", {}, {}))[0].startswith("Action: delete")
    assert action_words(Operation("", "post", "/a", {}, {})) == ("", "")


def test_security_is_said_in_words() -> None:
    schemes = {
        "basic": {"type": "http", "scheme": "basic"},
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://id.example"},
        "oauth": {
            "type": "oauth2",
            "flows": {"authorizationCode": {"scopes": {"read": "to read", "write": ""}}, "implicit": {"scopes": {}}},
        },
    }
    asked = {
        "/none": [],
        "/either": [{"basic": [], "token": []}, {"key": []}],
        "/scopes": [{"oauth": ["read", "write"]}, {"oidc": ["openid"]}],
        "/unknown": [{"other": ["x"]}],
    }
    paths = {
        path: {"get": {"security": security, "responses": {"200": {"description": "ok"}}}}
        for path, security in asked.items()
    }
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "security": [{"key": []}],
        "paths": {**paths, "/root": {"get": {"responses": {"200": {"description": "ok"}}}}},
        "components": {"securitySchemes": schemes},
    }
    texts = texts_of(cut(json.dumps(document), path="a"))
    said = {
        path: next(line for line in texts[f"a#/paths/~1{path[1:]}/get"].split("\n") if "Security" in line)
        for path in [*paths, "/root"]
    }
    assert said == {
        "/none": "Security: none",
        "/either": "Security: basic (HTTP basic: user name and password) and token (HTTP bearer token (JWT)) "
        "or key (API key in header X-Key)",
        "/scopes": "Security: oauth (OAuth 2.0 (authorization code, implicit); scopes read: to read, write) "
        "or oidc (OpenID Connect; scopes openid)",
        "/unknown": "Security: other (scopes x)",
        "/root": "Security: key",
    }
