"""What of a description that breaks its standard is refused, what is told as an error, what as a warning."""

import copy
import json
from typing import Any

import pytest
from api_files import chunks, cut
from hypothesis import given, settings
from hypothesis import strategies as st

from shirabe.errors import InvalidInput

OK = "responses: {'200': {description: a}}"


def document(paths: str, schemas: str = "{}", version: str = "3.0.1") -> str:
    return f"openapi: {version}\ninfo: {{title: t, version: '1'}}\npaths: {paths}\ncomponents: {{schemas: {schemas}}}\n"


def told(text: str, what: str = "errors") -> list[str]:
    found: list[str] = chunks(text)[0].meta.get(what, [])
    return found


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("openapi: [", "api/openapi.yaml:", "expected"),
        ("- a", "api/openapi.yaml:1:1", "mapping"),
        ("openapi: 4.0.0\npaths: {}", "api/openapi.yaml:1:1#/openapi", "3.0 to 3.2"),
        ("paths: {}", "api/openapi.yaml:1:1#/openapi", "missing"),
        ("openapi: 3.0.0\ninfo: {}", "api/openapi.yaml:1:1", "neither paths"),
        ("openapi: 3.0.0\ninfo: {}\npaths: 7", "api/openapi.yaml:3:1#/paths", "mapping"),
        ("openapi: 3.0.0\ninfo: 7\npaths: {}", "api/openapi.yaml:2:1#/info", "mapping"),
        ("openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:", "api/openapi.yaml:3:1#/paths", "not of type"),
        (document("{/a: 3}"), "api/openapi.yaml:3:9#/paths/~1a", "not of type"),
        (document("{/a: {get: []}}"), "#/paths/~1a/get", "not of type"),
        (document("{}", "{A: 3}"), "#/components/schemas/A", "not of type"),
        ("x" * 20 + '\nopenapi: "3.0.0"', "api/openapi.yaml:2:8", "mapping values"),
        ('{"openapi": "3.0.0", "paths": {},,}', "api/openapi.yaml:1:", "."),
    ],
)
def test_what_is_no_description_is_refused_with_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        cut(text)
    assert place in error.value.place


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (document(f"{{/a: {{get: {{summary: 3, {OK}}}}}}}"), ":3:20#/paths/~1a/get/summary: 3 is not of type 'string'"),
        (document("{/a: {get: {summary: s}}}"), "#/paths/~1a/get: 'responses' is a required property"),
        (
            document("{/a: {get: {responses: {'200': {description: 3}}}}}"),
            ":3:40#/paths/~1a/get/responses/200/description: 3 is not of type 'string'",
        ),
        (document(f"{{'/a/{{x}}': {{get: {{{OK}}}}}}}"), "#/paths/~1a~1{x}/get: path parameter x is not declared"),
        (
            document(
                "{/a: {get: {parameters: [{name: x, in: path, required: true, schema: {type: string}}], "
                f"{OK}}}}}}}"
            ),
            "parameter x is declared for the path, which does not have it",
        ),
        (
            document(f"{{/a: {{get: {{operationId: o, {OK}}}}}, /b: {{get: {{operationId: o, {OK}}}}}}}"),
            "#/paths/~1b/get/operationId: operationId o is that of GET /a too",
        ),
        (document(f"{{/a: {{get: {{{OK}}}, post: []}}}}"), "#/paths/~1a/post"),
        (
            document("{}", "{A: {$ref: '#/components/schemas/B'}}"),
            ":4:28#/components/schemas/A/$ref: reference to nothing",
        ),
        (document("{}", "{A: {$ref: '#/components/schemas/A'}}"), "reference that leads back to itself"),
        (document("{}", "{B: {allOf: [{$ref: '#/components/schemas/B'}]}}"), "reference that leads back to itself"),
        (
            document("{}", "{A: {allOf: [{$ref: '#/components/schemas/B'}]}, B: {$ref: '#/components/schemas/A'}}"),
            "reference that leads back to itself",
        ),
        (document("{}", "{A: {type: strng}}"), "#/components/schemas/A/type: 'strng' is not"),
        (document("{}", "{A: {type: strng}}", "3.1.0"), ":4:28#/components/schemas/A/type: 'strng' is not a type"),
        (document("{}", "{A: {properties: [a]}}", "3.1.0"), "properties must be a mapping"),
        (document("{}", "{A: {required: a, items: 3}}", "3.2.0"), "items must be a schema"),
        (
            f"openapi: 3.0.0\ninfo: {{title: t}}\npaths: {{/a: {{get: {{{OK}}}}}}}",
            ":2:1#/info: 'version' is a required",
        ),
        (document("{}", "{A: {type: string}}") + "servers: 3\n", "#/servers: 3 is not of type 'array'"),
    ],
)
def test_what_breaks_the_standard_is_told_and_the_rest_is_read(text: str, problem: str) -> None:
    found = chunks(text)
    assert {chunk.kind for chunk in found} & {"operation", "schema"}
    assert any(problem in words for words in told(text)), told(text)
    assert all("errors" not in chunk.meta for chunk in found[1:])


@pytest.mark.parametrize(
    "text",
    [
        document("{}", "{A: {oneOf: [{type: string}, {type: integer}], default: null}}"),
        document("{}", "{A: {type: object, properties: {b: {type: integer, default: many}}}}"),
        document("{}", "{A: {type: string, enum: [a, b], default: c}}"),
        document(
            f"{{/a: {{get: {{parameters: [{{name: n, in: query, schema: {{type: integer, default: x}}}}], {OK}}}}}}}"
        ),
        document("{}", "{A: {type: string, default: null}}", "3.1.0"),
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
def test_a_default_that_does_not_fit_is_a_warning(text: str) -> None:
    assert {chunk.kind for chunk in chunks(text)} & {"schema", "operation"}
    assert told(text) == []
    [warning] = told(text, "warnings")
    assert "does not fit its schema" in warning


@pytest.mark.parametrize(
    "schema",
    [
        "{type: string, nullable: true, default: null}",
        "{type: number, default: 1}",
        "{type: integer, default: 2.0}",
        "{type: array, items: {type: string}, default: []}",
        "{anyOf: [{type: string}, {$ref: '#/components/schemas/B'}], default: 3}",
        "{enum: [1, 2], default: 2}",
        "{default: anything}",
    ],
)
def test_a_default_that_fits_is_none(schema: str) -> None:
    text = document("{}", f"{{A: {schema}, B: {{type: integer}}}}")
    assert (told(text), told(text, "warnings")) == ([], [])


def test_references_of_json_schema_are_followed() -> None:
    text = document(
        "{}",
        "{A: {$id: 'https://example.com/a', $anchor: here, type: object}, "
        "B: {type: array, items: {$ref: 'https://example.com/a'}, not: {$ref: '#here'}}}",
        "3.1.0",
    )
    assert told(text) == []


def test_what_other_files_have_is_one_warning_where_they_were_not_gathered() -> None:
    text = document("{/a: {get: {$ref: 'ops/list_orders.yml'}}}", "{A: {properties: {b: {$ref: b.yml}}}}")
    assert told(text) == []
    [warning] = told(text, "warnings")
    assert "2 references to other files stay names" in warning
    assert chunks(text)[1].text == "GET /a\nlist_orders"
    assert "- b (b)" in chunks(text)[2].text


def test_many_problems_are_counted() -> None:
    broken = ", ".join(f"A{n}: {{$ref: '#/nothing'}}" for n in range(30))
    text = document("{}", f"{{{broken}}}")
    assert len(told(text)) == 11
    assert told(text)[-1] == "and 20 more"


def test_a_deep_or_repetitive_document_is_refused_or_read_soon() -> None:
    deep = '{"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {}, "x-a": ' + "[" * 50_000
    for text in (deep, document("{}", "{A: " + "{items: " * 5000)):
        with pytest.raises(InvalidInput):
            cut(text)
    # Each level composes the one below it twice over: 2^40 walks if each were taken.
    levels = [
        f"A{n}: {{allOf: [{{$ref: '#/components/schemas/A{n + 1}'}}, {{$ref: '#/components/schemas/A{n + 1}'}}]}}"
        for n in range(40)
    ]
    found = chunks(document("{}", f"{{{', '.join(levels)}, A40: {{properties: {{x: {{type: string}}}}}}}}"))
    assert sum(chunk.kind == "schema" for chunk in found) == 41


def test_fields_that_many_operations_repeat_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.chunkers.openapi_document.MAX_FIELDS", 50)
    fields = ", ".join(f"f{n}: {{type: string}}" for n in range(20))
    body = "requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}"
    text = document(
        f"{{{', '.join(f'/p{n}: {{post: {{{body}, {OK}}}}}' for n in range(10))}}}",
        f"{{A: {{properties: {{{fields}}}}}}}",
    )
    shown = [chunk.text.count("- f") for chunk in chunks(text) if chunk.kind == "operation"]
    assert shown == [20, 20, 20, 0, 0, 0, 0, 0, 0, 0]
    assert any("too many" in words for words in told(text, "warnings"))


SPEC: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "servers": [{"url": "u", "variables": {"v": {"enum": ["a"]}}}],
    "tags": [{"name": "t", "description": "d"}],
    "security": [{"k": ["s"]}],
    "paths": {
        "/a/{b}": {
            "parameters": [{"name": "b", "in": "path", "schema": {"type": "string"}}],
            "post": {
                "tags": ["t"],
                "summary": "s",
                "operationId": "o",
                "requestBody": {
                    "content": {"a/b": {"schema": {"$ref": "#/components/schemas/A"}, "example": {"x": 1}}}
                },
                "responses": {"200": {"description": "d", "headers": {"h": {}}, "content": {"a/b": {"schema": {}}}}},
                "callbacks": {"c": {"e": {"get": {"responses": {}}}}},
            },
        }
    },
    "components": {
        "schemas": {
            "A": {
                "type": "object",
                "required": ["x"],
                "properties": {"x": {"enum": ["a"], "description": "- a: b", "x-enum-varnames": ["A"]}},
                "allOf": [{"$ref": "#/components/schemas/A"}],
                "discriminator": {"propertyName": "x", "mapping": {"a": "A"}},
            }
        },
        "securitySchemes": {"k": {"type": "oauth2", "flows": {"implicit": {"scopes": {"s": "d"}}}}},
        "callbacks": {"c": {"e": {"get": {}}}},
    },
}
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 3, -1.5, True, "x", "", [], {}, [3], {"a": 3}, {"$ref": 3}, {"$ref": "#/x"}, [[]], [None]]
).map(copy.deepcopy)  # or one change would write into another's


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] + [place for key, value in items for place in _places(value, (*path, key))]


PLACES = _places(SPEC)[1:]


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=3), st.sampled_from(["3.1.0", "3.0.0"]))
def test_anything_anywhere_is_read_or_refused(changes: list[tuple[tuple[Any, ...], Any]], version: str) -> None:
    spec = json.loads(json.dumps(SPEC | {"openapi": version}))
    for path, junk in changes:
        node = spec
        for key in path[:-1]:
            known = isinstance(node, dict) and key in node
            node = node[key] if known or (isinstance(node, list) and isinstance(key, int) and key < len(node)) else None
        if isinstance(node, dict) or (isinstance(node, list) and isinstance(path[-1], int) and path[-1] < len(node)):
            node[path[-1]] = junk
    try:
        found = cut(json.dumps(spec)).chunks
    except InvalidInput as error:
        assert error.place.startswith("api/openapi.yaml")
    else:
        assert all(chunk.text.strip() for chunk in found)
