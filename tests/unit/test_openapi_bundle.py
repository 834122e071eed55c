from collections.abc import Iterator
from typing import Any

import pytest
from api_files import Opener, cut_files, gathered

from ingest.chunkers.openapi_bundle import Bundle, bundle
from ingest.chunkers.openapi_document import read_api
from ingest.chunkers.openapi_positions import Family
from ingest.safe_yaml import load_yaml
from shirabe.errors import InvalidInput

HEAD = 'openapi: 3.0.3\ninfo: {title: T, version: "1"}\n'


def joined(files: dict[str, str], root: str = "api.yaml", family: Family = "3.0") -> tuple[Any, Bundle]:
    parsed = load_yaml(files[root], root)
    assert isinstance(parsed, dict)
    result = bundle(gathered(files, root), parsed, family)
    return result.root, result


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


FILES = {
    "api.yaml": HEAD + "paths:\n  /orders:\n    $ref: paths/orders.yaml\n",
    "paths/orders.yaml": (
        "get:\n  description: {$ref: '../texts.yaml#/orders'}\n  responses:\n    200:\n      description: ok\n"
        "      content: {application/json: {schema: {$ref: ../schemas/order.yaml}}}\n"
        "  parameters: [{$ref: '../params.yaml#/page'}]\n"
    ),
    "texts.yaml": "orders: 注文を返す\n",
    "params.yaml": "page: {name: page, in: query, schema: {type: integer}}\n",
    "schemas/order.yaml": "type: object\nproperties: {items: {type: array, items: {$ref: item.yaml}}}\n",
    "schemas/item.yaml": "properties:\n  order: {$ref: order.yaml}\n  self: {$ref: '#/properties/order'}\n",
}


def test_files_become_shared_parts_and_inlined_ones() -> None:
    document, result = joined(FILES)
    operation = document["paths"]["/orders"]["get"]
    assert operation["description"] == "注文を返す"
    assert operation["parameters"] == [{"$ref": "#/components/parameters/page"}]
    assert set(document["components"]["schemas"]) == {"order", "item", "order_2"}
    assert document["components"]["schemas"]["item"]["properties"]["order"] == {"$ref": "#/components/schemas/order"}
    assert all(name.startswith("#/components/") for name in references(document))
    assert str(result.origins["/paths/~1orders"]) == "paths/orders.yaml"
    assert str(result.origins["/components/schemas/order_2"]) == "schemas/item.yaml#/properties/order"
    assert result.names["/components/schemas/order_2"] == "order"
    assert result.problems == ()


def test_every_locator_opens_the_file_that_has_it() -> None:
    opener = Opener(FILES)
    found = cut_files(FILES, max_tokens=30).chunks
    for chunk in found:
        node = opener.open(chunk.locator)
        assert node is not None
        file = chunk.meta.get("file", "api.yaml")
        shown = FILES[file].split("\n")[chunk.meta["start_line"] - 1 : chunk.meta["end_line"]]
        assert chunk.locator.rpartition("/")[2].split(".")[0].replace("~1", "/") in f"{file} {shown[0]}"
    places = {(chunk.kind, chunk.locator) for chunk in found}
    assert {
        ("operation", "api.yaml#/paths/~1orders/get"),
        ("operation", "api.yaml#/paths/~1orders/get/responses/200"),
        ("schema", "schemas/order.yaml"),
        ("schema", "schemas/item.yaml"),
        ("schema", "schemas/item.yaml#/properties/order"),
    } <= places
    schema = next(chunk for chunk in found if chunk.locator == "schemas/item.yaml#/properties/order")
    assert (schema.meta["file"], schema.meta["start_line"], schema.meta["end_line"]) == ("schemas/item.yaml", 2, 2)
    assert schema.text.startswith("Schema order (order)")


def test_the_roots_own_components_keep_their_names() -> None:
    document, _ = joined(
        {
            "api.yaml": HEAD
            + "paths: {}\ncomponents:\n  schemas:\n    Order: {$ref: a/order.yaml}\n    item: {type: string}\n",
            "a/order.yaml": "properties: {a: {$ref: item.yaml}, b: {$ref: '../api.yaml#/components/schemas/item'}}\n",
            "a/item.yaml": "type: integer\n",
        }
    )
    schemas = document["components"]["schemas"]
    assert set(schemas) == {"Order", "item", "item_2"}
    assert schemas["Order"]["properties"] == {
        "a": {"$ref": "#/components/schemas/item_2"},
        "b": {"$ref": "#/components/schemas/item"},
    }
    assert schemas["item"] == {"type": "string"}


def test_examples_and_properties_called_ref_are_data() -> None:
    schema = "{type: object, properties: {$ref: {type: string}}, example: {$ref: what, kept: 1}}"
    document, _ = joined(
        {
            "api.yaml": HEAD + f"paths: {{}}\ncomponents: {{schemas: {{A: {schema}, B: {{$ref: b.yaml}}}}}}\n",
            "b.yaml": "type: string\n",
        }
    )
    assert document["components"]["schemas"]["A"]["example"] == {"$ref": "what", "kept": 1}
    assert document["components"]["schemas"]["A"]["properties"] == {"$ref": {"type": "string"}}


def test_discriminators_follow_their_schemas() -> None:
    document, result = joined(
        {
            "api.yaml": HEAD
            + "paths: {}\ncomponents: {schemas: {Pet: {discriminator: {propertyName: k, mapping: {cat: cat.yaml, "
            "dog: dog.yaml}}}}}\n",
            "cat.yaml": "type: object\n",
        }
    )
    mapping = document["components"]["schemas"]["Pet"]["discriminator"]["mapping"]
    assert mapping == {"cat": "#/components/schemas/cat", "dog": "dog.yaml"}
    assert document["components"]["schemas"]["cat"] == {"type": "object"}
    assert [problem.message for problem in result.problems] == ["reference to dog.yaml: there is no such file"]


def test_older_and_other_standards_keep_their_own_sections() -> None:
    document, _ = joined(
        {
            "api.yaml": 'swagger: "2.0"\npaths: {/a: {get: {responses: {200: {schema: {$ref: s.yaml}}}}}}\n',
            "s.yaml": "type: object\n",
        },
        family="2.0",
    )
    assert document["definitions"] == {"s": {"type": "object"}}
    document, _ = joined(
        {
            "api.yaml": "channels: {c: {subscribe: {message: {$ref: 'm.yaml#/Told'}}}}\n",
            "m.yaml": "Told: {payload: {$ref: s.yaml}}\n",
            "s.yaml": "type: object\n",
        },
        family="asyncapi-2",
    )
    assert document["channels"]["c"]["subscribe"]["message"] == {"$ref": "#/components/messages/Told"}
    assert document["components"]["messages"]["Told"]["payload"] == {"$ref": "#/components/schemas/s"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"api.yaml": "/a: {$ref: '../secret.yaml'}"}, "api.yaml:4:8#/paths/~1a/$ref: reference leaves the folder"),
        ({"api.yaml": "/a: {$ref: /etc/passwd}"}, "api.yaml:4:8#/paths/~1a/$ref: reference leaves the folder"),
        ({"api.yaml": "/a: {$ref: '%2e%2e/secret.yaml'}"}, "#/paths/~1a/$ref: reference leaves the folder"),
        ({"api.yaml": "/a: {$ref: 'a/..%2f../secret.yaml'}"}, "#/paths/~1a/$ref: reference leaves the folder"),
        (
            {"api.yaml": "/a: {$ref: 'file:///etc/passwd'}"},
            "#/paths/~1a/$ref: reference to another host is not followed",
        ),
        ({"api.yaml": "/a: {$ref: '//127.0.0.1/x'}"}, "#/paths/~1a/$ref: reference to another host is not followed"),
        (
            {"api.yaml": "/a: {$ref: b.yaml}"},
            "api.yaml:4:8#/paths/~1a/$ref: reference to b.yaml: there is no such file",
        ),
        ({"api.yaml": "/a: {$ref: 'b.yaml#/x/y'}", "b.yaml": "x: {z: 1}"}, "reference to nothing: b.yaml#/x/y"),
        ({"api.yaml": "/a: {$ref: 'b.yaml#x'}", "b.yaml": "x: 1"}, "reference is not a JSON pointer: b.yaml#x"),
        ({"api.yaml": "/a: {$ref: b.yaml}", "b.yaml": "$ref: b.yaml"}, "b.yaml:1:1#/$ref: reference that leads back"),
        ({"api.yaml": "/a: {$ref: b.yaml}", "b.yaml": "x: [1"}, "b.yaml:2:1: while parsing a flow"),
        (
            {"api.yaml": "/a: {$ref: b.yaml}", "b.yaml": "get: {responses: {200: {$ref: c.yaml}}}"},
            "b.yaml:1:25#/get/responses/200/$ref: reference to c.yaml: there is no such file",
        ),
    ],
)
def test_what_cannot_be_joined_is_told_with_its_place_and_hides_nothing_else(
    files: dict[str, str], problem: str
) -> None:
    good = "  /good: {get: {summary: Good, responses: {200: {description: ok}}}}\n"
    found = cut_files({**files, "api.yaml": f"{HEAD}paths:\n  {files['api.yaml']}\n{good}"}).chunks
    assert "GET /good" in [chunk.headings[0] for chunk in found if chunk.kind == "operation"]
    assert any(problem in told for told in found[0].meta["errors"]), found[0].meta["errors"]


def test_a_document_beyond_the_caps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.chunkers.openapi_bundle.MAX_NODES", 10_000)
    files = {f"{n}.yaml": f"{{a: {{$ref: {n + 1}.yaml}}, b: {{$ref: {n + 1}.yaml}}}}" for n in range(40)}
    with pytest.raises(InvalidInput, match="too large"):
        joined({"api.yaml": "x-a: {$ref: 0.yaml}", "40.yaml": "{}", **files})
    wide = "[" + "a," * 6_000 + "]"
    with pytest.raises(InvalidInput, match="too large"):
        joined({"api.yaml": "x-a: [{$ref: 'a.yaml#/1'}, {$ref: 'b.yaml#/1'}]", "a.yaml": wide, "b.yaml": wide})


def test_what_the_names_of_other_files_hide_is_one_warning() -> None:
    files = gathered({"api.yaml": HEAD + "paths: {/a: {get: {$ref: 'ops/list.yml'}}, /b: {$ref: b.yml}}\n"})
    document = read_api(files, joined=False)
    assert document.resolve(document.root["paths"]["/a"]["get"]) == ({}, "list")
