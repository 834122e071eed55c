import json
import socket

import pytest
from api_files import TOKENS, Opener, chunks, cut, cut_files, texts_of

from shirabe.errors import InvalidInput

SPEC = """openapi: 3.0.3
info: {title: 受注API, version: "1.2", description: "<p>受注を扱う。</p>"}
servers: [{url: 'https://{area}.example.com', variables: {area: {enum: [jp, us], default: jp}}}]
tags: [{name: orders, description: 受注の登録と取消}]
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, format: uuid}, description: 受注番号}
    post:
      operationId: updateOrder
      summary: 受注を更新する
      tags: [orders]
      security: [{oauth: [write]}, {}]
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: '#/components/schemas/Order'}
            example: {status: open}
      responses:
        '200':
          description: 更新した
          headers: {X-Rate: {schema: {type: integer}}}
          content:
            application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Order'}}}
        '404': {$ref: '#/components/responses/Missing'}
components:
  responses:
    Missing:
      description: ない
      content: {application/json: {schema: {$ref: '#/components/schemas/Problem'}}}
  securitySchemes:
    oauth:
      type: oauth2
      description: 認可
      flows: {clientCredentials: {tokenUrl: 'https://id.example.com/token', scopes: {write: 書き込み}}}
  schemas:
    Order:
      type: object
      description: 注文ひとつ
      required: [status]
      properties:
        status: {type: string, enum: [open, done], x-enum-descriptions: [受付済み, 完了], description: 状態}
        customer: {$ref: '#/components/schemas/Customer'}
        lines: {type: array, items: {type: object, properties: {quantity: {type: integer, minimum: 1}}}}
        parent: {$ref: '#/components/schemas/Order'}
    Customer: {type: object, description: 取引先, deprecated: true, properties: {name: {type: string}}}
    Problem: {type: object, properties: {title: {type: string}}, example: {title: 不足}}
    Pet: {oneOf: [{$ref: '#/components/schemas/Order'}, {$ref: '#/components/schemas/Customer'}]}
"""


def test_one_unit_per_operation_and_schema() -> None:
    assert cut(SPEC).title == "受注API"
    assert [(c.kind, c.locator) for c in chunks(SPEC)] == [
        ("overview", "api/openapi.yaml#/info"),
        ("operation", "api/openapi.yaml#/paths/~1orders~1{id}/post"),
        ("schema", "api/openapi.yaml#/components/schemas/Order"),
        ("schema", "api/openapi.yaml#/components/schemas/Customer"),
        ("schema", "api/openapi.yaml#/components/schemas/Problem"),
        ("schema", "api/openapi.yaml#/components/schemas/Pet"),
    ]


def test_an_operation_reads_well() -> None:
    operation = chunks(SPEC)[1]
    assert operation.context == "受注API › POST /orders/{id} › 受注を更新する"
    assert operation.headings == ("POST /orders/{id}", "受注を更新する")
    assert operation.lang == "ja"
    assert operation.text == (
        "POST /orders/{id}\n受注を更新する\n"
        "受注を更新する・変更する・編集する\ntags: orders (受注の登録と取消)\n"
        "Action: update, change, edit\noperationId: updateOrder\nResponses: 200, 404\n"
        "Security: oauth (OAuth 2.0 (client credentials); scopes write: 書き込み) or none\n"
        "Parameters:\n- id in path (string(uuid), required): 受注番号\n"
        "Request body application/json (Order, required)\n"
        "- status (string, required): 状態; values: open (受付済み), done (完了)\n"
        "- customer (Customer, deprecated): 取引先\n- lines (array of object)\n"
        "- lines[].quantity (integer): minimum: 1\n- parent (Order): 注文ひとつ\n"
        "Response 200 application/json (array of Order): 更新した\n"
        "- [].status (string, required): 状態; values: open (受付済み), done (完了)\n"
        "- [].customer (Customer, deprecated): 取引先\n- [].lines (array of object)\n"
        "- [].lines[].quantity (integer): minimum: 1\n- [].parent (Order): 注文ひとつ\n"
        "Response 200 headers: X-Rate\n"
        "Response 404 application/json (Problem): ない\n"
        'Example request: {"status": "open"}'
    )


def test_a_schema_says_who_uses_it() -> None:
    found = {c.headings[0]: c for c in chunks(SPEC) if c.kind == "schema"}
    assert found["Order"].text.startswith(
        "Schema Order (object)\n注文ひとつ\n- status (string, required): 状態; values:"
    )
    assert found["Order"].text.endswith(
        "Used by operations: POST /orders/{id} (request, response 200)\nUsed by schemas: Pet"
    )
    assert found["Order"].meta["used_by"] == [
        "api/openapi.yaml#/paths/~1orders~1{id}/post",
        "api/openapi.yaml#/components/schemas/Pet",
    ]
    assert found["Pet"].text == "Schema Pet (Order | Customer)"
    assert "used_by" not in found["Pet"].meta
    assert found["Customer"].text.startswith("Schema Customer (object)\ndeprecated\n取引先")
    # Nothing names it directly but what operations use.
    assert "Used by operations through Order: POST /orders/{id} (request, response 200)" in found["Customer"].text
    assert found["Problem"].text.endswith(
        'Example: {"title": "不足"}\nUsed by operations: POST /orders/{id} (response 404)'
    )


def test_the_api_itself_is_a_unit() -> None:
    assert chunks(SPEC)[0].text == (
        "受注API 1.2\n受注を扱う。\nServer: https://{area}.example.com (area: jp, us)\n"
        "Tag orders: 受注の登録と取消\n"
        "Security scheme oauth: OAuth 2.0 (client credentials); token at https://id.example.com/token. 認可\n"
        "- scope write: 書き込み"
    )


def test_a_large_operation_is_cut_between_its_parts_and_points_at_them() -> None:
    found = [c for c in chunks(SPEC, 70) if c.kind == "operation"]
    assert found[0].locator.endswith("/post")
    assert "api/openapi.yaml#/paths/~1orders~1{id}/post/responses/200" in {c.locator for c in found}
    assert all(c.context.startswith("受注API › POST /orders/{id}") for c in found)
    assert all(TOKENS.count(f"{c.context}\n{c.text}") <= 70 for c in found)


@pytest.mark.parametrize("max_tokens", [40, 70, 1000])
def test_every_locator_opens_what_the_chunk_says(max_tokens: int) -> None:
    opener = Opener({"api/openapi.yaml": SPEC})
    lines = SPEC.split("\n")
    for chunk in chunks(SPEC, max_tokens):
        node = opener.open(chunk.locator)
        assert node is not None
        shown = "\n".join(lines[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]])
        key = chunk.locator.rpartition("/")[2].replace("~1", "/")
        assert key.isdigit() or key in shown.split("\n")[0], (chunk.locator, shown)


def test_a_long_description_leaves_the_first_chunk_to_what_is_asked_for() -> None:
    long = "前置き。\\n\\n" + "細かい注意が続く。\\n\\n" * 100
    text = SPEC.replace("summary: 受注を更新する", f'summary: 受注を更新する\n      description: "{long}"')
    found = [c for c in chunks(text, 400) if c.kind == "operation"]
    assert "前置き。" in found[0].text
    assert "Responses: 200, 404" in found[1].text
    assert "- id in path" in found[1].text
    assert any(c.locator.endswith("/post/description") and c.context.endswith("notes") for c in found)


def test_json_and_every_version() -> None:
    old = {
        "swagger": "2.0",
        "info": {"title": "Old", "version": "1"},
        "host": "example.com",
        "basePath": "/v1",
        "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
        "paths": {
            "/a": {
                "post": {
                    "security": [{"key": []}],
                    "parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/A"}}],
                    "responses": {
                        "200": {
                            "description": "ok",
                            "schema": {"$ref": "#/definitions/A"},
                            "examples": {"application/json": {"x": "y"}},
                        }
                    },
                }
            }
        },
        "definitions": {"A": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }
    found = chunks(json.dumps(old))
    assert [c.locator.split("#")[1] for c in found] == ["/info", "/paths/~1a/post", "/definitions/A"]
    assert "Server: https://example.com/v1" in found[0].text
    assert "Security: key (API key in header X-Key)" in found[1].text
    assert "Request body (A)\n- x (string)\nResponse 200 (A): ok\n- x (string)" in found[1].text
    assert 'Example response 200: {"x": "y"}' in found[1].text
    new = """openapi: 3.1.0
info: {title: New, version: "1"}
webhooks:
  done: {post: {summary: 完了通知, responses: {'200': {description: ok}}}}
components: {schemas: {A: {type: [string, 'null'], const: x}, B: true}}
"""
    assert [c.locator.split("#")[1] for c in chunks(new)] == [
        *("/info", "/webhooks/done/post", "/components/schemas/A", "/components/schemas/B")
    ]
    assert "webhook done" in chunks(new)[1].text
    assert "Schema A (string | null)\nvalue: x" in chunks(new)[2].text
    newest = """openapi: 3.2.0
info: {title: Newest, version: "1"}
paths:
  /a:
    query:
      summary: 探す
      responses: {'200': {description: ok, content: {application/jsonl: {itemSchema: {type: string}}}}}
    additionalOperations: {COPY: {summary: 写す, responses: {default: {description: ok}}}}
"""
    assert [c.headings[0] for c in chunks(newest)[1:]] == ["QUERY /a", "COPY /a"]
    assert "Response 200 application/jsonl (string): ok" in chunks(newest)[1].text
    assert "errors" not in chunks(newest)[0].meta


def test_callbacks_and_webhooks_are_operations_too() -> None:
    found = cut(
        """openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /pay:
    post:
      summary: Pay
      responses: {'202': {description: ok}}
      callbacks:
        paid: {'{$request.body#/url}': {post: {summary: Paid, responses: {'200': {description: ok}}}}}
        failed: {$ref: '#/components/callbacks/failed'}
components:
  callbacks:
    failed: {'{$request.body#/url}': {put: {summary: Failed, responses: {'200': {description: ok}}}}}
"""
    )
    texts = texts_of(found)
    assert [c.kind for c in found.chunks] == ["overview", "operation", "operation", "operation"]
    assert "Calls back: paid, failed" in texts["api/openapi.yaml#/paths/~1pay/post"]
    inline = "api/openapi.yaml#/paths/~1pay/post/callbacks/paid/{$request.body#~1url}/post"
    assert "callback paid of POST /pay" in texts[inline]
    assert "callback failed" in texts["api/openapi.yaml#/components/callbacks/failed/{$request.body#~1url}/put"]


def test_a_path_item_that_is_a_reference_keeps_its_address() -> None:
    found = chunks(
        """openapi: 3.1.0
info: {title: t, version: '1'}
paths: {/a: {$ref: '#/components/pathItems/A'}}
components: {pathItems: {A: {get: {summary: s, description: d, responses: {'200': {description: ok}}}}}}
"""
    )
    assert [c.locator.split("#")[1] for c in found] == ["/info", "/paths/~1a/get"]
    assert found[1].headings == ("GET /a", "s")


def test_bodies_composed_of_others_show_their_fields_once() -> None:
    found = texts_of(
        cut(
            """openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /a:
    post:
      requestBody: {content: {application/json: {schema: {oneOf: [
        {$ref: '#/components/schemas/One'}, {$ref: '#/components/schemas/Many'}]}}}}
      responses: {'200': {description: ok, content: {
        application/json: {schema: {$ref: '#/components/schemas/One'}},
        application/xml: {schema: {$ref: '#/components/schemas/One'}}}}}
components:
  schemas:
    Base: {type: object, properties: {size: {type: string, description: 大きさ}}}
    One: {allOf: [{$ref: '#/components/schemas/Base'}, {type: object, properties: {name: {type: string}}}]}
    Many:
      allOf:
        - $ref: '#/components/schemas/Base'
        - {type: object, properties: {names: {type: array, items: {type: string}}}}
      discriminator: {propertyName: kind, mapping: {one: '#/components/schemas/One'}}
"""
        )
    )
    text = found["api/openapi.yaml#/paths/~1a/post"]
    body, answer = text.split("Response 200 ")
    assert body.count("- size (string): 大きさ") == 1
    assert "- name (string)" in body
    assert "- names (array of string)" in body
    assert answer.startswith("application/json, application/xml (One): ok\n- size")
    assert "Told apart by kind: one = One" in found["api/openapi.yaml#/components/schemas/Many"]
    assert "- size (string): 大きさ" in found["api/openapi.yaml#/components/schemas/Many"]


def test_no_name_leaves_the_folder_or_the_machine(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    secret = tmp_path_factory.mktemp("outside") / "secret.yml"
    secret.write_text("type: object\nproperties: {leaked: {type: string}}")
    head = "openapi: 3.0.1\ninfo: {title: t, version: '1'}\npaths: {}\ncomponents: {schemas: {"
    for target in (str(secret), f"file://{secret}", f"../../../../../..{secret}", "http://127.0.0.1:9/x.yaml#/A"):
        text = f"{head}A: {{type: object, properties: {{b: {{$ref: '{target}'}}}}}}}}}}\n"
        for found in (cut(text), cut_files({"api.yaml": text})):
            assert "leaked" not in "".join(chunk.text for chunk in found.chunks)
    told = cut_files({"api.yaml": text}).chunks[0].meta["errors"]
    assert told == [
        "api.yaml:4:59#/components/schemas/A/properties/b/$ref: "
        "reference to another host is not followed: http://127.0.0.1:9/x.yaml#/A"
    ]


def test_nothing_is_no_description() -> None:
    for text in ("", "null", "- a", "a: b"):
        with pytest.raises(InvalidInput):
            cut(text)
