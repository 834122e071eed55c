import json
import socket
from pathlib import Path
from time import perf_counter

import pytest
from fake_tokens import FakeTokens

from ingest.chunkers.draft import Draft
from ingest.chunkers.openapi import chunk_openapi
from ingest.chunkers.split import Splitter
from shirabe.errors import InvalidInput

TOKENS = FakeTokens()

SPEC = """openapi: 3.0.3
info: {title: 受注API, version: "1.2", description: "<p>受注を扱う。</p>"}
servers: [{url: https://api.example.com}]
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, format: uuid}, description: 受注番号}
    post:
      operationId: updateOrder
      summary: 受注を更新する
      tags: [orders]
      security: [{oauth: [write]}]
      requestBody:
        required: true
        content:
          application/json: {schema: {$ref: '#/components/schemas/Order'}}
      responses:
        '200':
          description: 更新した
          content:
            application/json: {schema: {type: array, items: {$ref: '#/components/schemas/Order'}}}
        '404': {$ref: '#/components/responses/Missing'}
components:
  responses:
    Missing:
      description: ない
      content: {application/json: {schema: {$ref: '#/components/schemas/Problem'}}}
  securitySchemes:
    oauth: {type: http, scheme: bearer, description: 認可}
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
    Customer: {type: object, description: 取引先, properties: {name: {type: string}}}
    Problem: {type: object, properties: {title: {type: string}}}
    Pet: {oneOf: [{$ref: '#/components/schemas/Order'}, {$ref: '#/components/schemas/Customer'}]}
"""


def chunks(text: str, max_tokens: int = 1000) -> tuple[Draft, ...]:
    return chunk_openapi("api/openapi.yaml", text, Splitter(TOKENS, max_tokens)).chunks


def test_one_unit_per_operation_and_schema() -> None:
    assert chunk_openapi("a.yaml", SPEC, Splitter(TOKENS, 1000)).title == "受注API"
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
        "POST /orders/{id}\n受注を更新する\noperationId: updateOrder\ntags: orders\nSecurity: oauth (write)\n"
        "Parameters:\n- id in path (string(uuid), required): 受注番号\n"
        "Request body application/json (Order, required)\n"
        "- status (string, required): 状態; values: open (受付済み), done (完了)\n"
        "- customer (Customer): 取引先\n- lines (array of object)\n- lines[].quantity (integer): minimum: 1\n"
        "- parent (Order): 注文ひとつ\n"
        "Response 200 application/json (array of Order): 更新した\n"
        "- [].status (string, required): 状態; values: open (受付済み), done (完了)\n"
        "- [].customer (Customer): 取引先\n- [].lines (array of object)\n- [].lines[].quantity (integer): minimum: 1\n"
        "- [].parent (Order): 注文ひとつ\n"
        "Response 404 application/json (Problem): ない"
    )


def test_schemas_name_the_schemas_in_them() -> None:
    found = {c.headings[0]: c.text for c in chunks(SPEC) if c.kind == "schema"}
    assert found["Order"].startswith(
        "Schema Order (object)\n注文ひとつ\n- status (string, required): 状態; values: open"
    )
    assert found["Pet"] == "Schema Pet (Order | Customer)"


def test_the_api_itself_is_a_unit() -> None:
    assert chunks(SPEC)[0].text == (
        "受注API 1.2\n受注を扱う。\nServer: https://api.example.com\nSecurity scheme oauth (http bearer): 認可"
    )


def test_a_large_operation_is_cut_between_its_parts_and_points_at_them() -> None:
    found = [c for c in chunks(SPEC, 70) if c.kind == "operation"]
    assert found[0].locator.endswith("/post")
    assert "api/openapi.yaml#/paths/~1orders~1{id}/post/responses/200" in {c.locator for c in found}
    assert all(c.context.startswith("受注API › POST /orders/{id}") for c in found)
    assert all(TOKENS.count(f"{c.context}\n{c.text}") <= 70 for c in found)


def test_json_and_version_2_and_3_1() -> None:
    old = {
        "swagger": "2.0",
        "info": {"title": "Old", "version": "1"},
        "paths": {
            "/a": {
                "post": {
                    "parameters": [{"name": "b", "in": "body", "schema": {"$ref": "#/definitions/A"}}],
                    "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/A"}}},
                }
            }
        },
        "definitions": {"A": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }
    found = chunks(json.dumps(old))
    assert [c.locator.split("#")[1] for c in found] == ["/info", "/paths/~1a/post", "/definitions/A"]
    assert "Request body (A)\n- x (string)\nResponse 200 (A): ok\n- x (string)" in found[1].text
    new = """openapi: 3.1.0
info: {title: New, version: "1"}
webhooks:
  done: {post: {summary: 完了通知, responses: {'200': {description: ok}}}}
components: {schemas: {A: {type: [string, 'null'], const: x}}}
"""
    assert [c.locator.split("#")[1] for c in chunks(new)] == ["/info", "/webhooks/done/post", "/components/schemas/A"]
    assert "Schema A (string | null)\nvalue: x" in chunks(new)[2].text


def bad(paths: str, schemas: str = "{}") -> str:
    return f"openapi: 3.0.1\ninfo: {{title: t, version: '1'}}\npaths: {paths}\ncomponents: {{schemas: {schemas}}}\n"


OK = "responses: {'200': {description: a}}"
UNRESOLVED = f"{{'/a/{{x}}': {{get: {{{OK}}}}}}}"
TWICE = f"{{/a: {{get: {{operationId: o, {OK}}}}}, /b: {{get: {{operationId: o, {OK}}}}}}}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("openapi: [", "api/openapi.yaml:"),
        ("- a", "api/openapi.yaml:1:1"),
        ("openapi: 4.0.0\npaths: {}", "api/openapi.yaml#/openapi"),
        ("openapi: 3.0.0\ninfo: {}", "api/openapi.yaml:1:1"),
        (bad("{/a: {get: {summary: 3}}}"), "api/openapi.yaml:3:14#/paths/~1a/get"),
        (bad("{/a: {get: {responses: {'200': {description: 3}}}}}"), "#/paths/~1a/get/responses/200/description"),
        (bad(UNRESOLVED), "#/paths/~1a~1{x}/get"),
        (bad(TWICE), "#/paths/~1b/get"),
        (bad("{/a: {$ref: '#/paths/~1a'}}"), "#/paths/~1a/$ref"),
        (bad("{}", "{A: {$ref: '#/components/schemas/B'}}"), "#/components/schemas/A/$ref"),
        (bad("{}", "{A: {$ref: 'http://127.0.0.1:9/x.yaml#/A'}}"), "#/components/schemas/A/$ref"),
        (bad("{}", "{A: {$ref: 'file:///etc/hostname'}}"), "#/components/schemas/A/$ref"),
        (bad("{}", "{A: {$ref: '//127.0.0.1/x'}}"), "#/components/schemas/A/$ref"),
    ],
)
def test_what_is_invalid_is_refused_with_its_place(text: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(InvalidInput) as error:
        chunks(text)
    assert place in error.value.place


@pytest.mark.parametrize(
    "text",
    [
        bad("{}", "{A: {oneOf: [{type: string}, {type: integer}], default: null}}"),
        bad("{}", "{A: {type: object, properties: {b: {type: integer, default: many}}}}"),
        bad(f"{{/a: {{get: {{parameters: [{{name: n, in: query, schema: {{type: integer, default: x}}}}], {OK}}}}}}}"),
        bad("{}", "{A: {type: string, default: null}}").replace("3.0.1", "3.1.0"),
        json.dumps(
            {
                "swagger": "2.0",
                "info": {"title": "t", "version": "1"},
                "paths": {
                    "/a": {
                        "get": {
                            "parameters": [{"name": "n", "in": "query", "type": "integer", "default": "x"}],
                            "responses": {"200": {"description": "ok"}},
                        }
                    }
                },
            }
        ),
    ],
)
def test_a_default_that_does_not_fit_its_schema_is_no_reason_to_refuse(text: str) -> None:
    assert {chunk.kind for chunk in chunks(text)} & {"schema", "operation"}


@pytest.mark.parametrize("name", ["freee-accounting.json", "freee-sales.yml"])
def test_published_documents_are_read(shared: Path, name: str) -> None:
    text = (shared / "corpora" / "openapi" / name).read_text(encoding="utf-8")
    found = chunks(text, 320)
    assert {"operation", "schema"} <= {chunk.kind for chunk in found}
    assert all(chunk.locator.startswith("api/openapi.yaml#/") for chunk in found)


def test_other_files_are_names_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret.yml"
    secret.write_text("type: object\nproperties: {leaked: {type: string}}")
    schemas = f"{{A: {{type: object, properties: {{b: {{$ref: '{secret}'}}}}}}}}"
    found = chunks(bad("{/a: {get: {$ref: 'ops/list_orders.yml'}}}", schemas))
    assert found[1].text == "GET /a\nlist_orders"
    assert found[2].text == "Schema A (object)\n- b (secret)"


def test_recursion_without_an_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match="back to themselves"):
        chunks(bad("{}", "{B: {allOf: [{$ref: '#/components/schemas/B'}]}}"))


def test_a_deep_document_ends_soon() -> None:
    deep = '{"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {}, "x-a": ' + "[" * 50_000
    started = perf_counter()
    for text in (deep, bad("{}", "{A: " + "{items: " * 5000)):
        with pytest.raises(InvalidInput):
            chunks(text)
    assert perf_counter() - started < 10
