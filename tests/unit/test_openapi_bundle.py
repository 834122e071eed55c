import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_tokens import FakeTokens

from ingest.chunkers import StructureChunker
from ingest.collectors.openapi import OpenApiCollector
from ingest.collectors.openapi_bundle import Bundled, bundle, has_file_refs
from shirabe.errors import InvalidInput
from shirabe.types import Failure, Source, Upsert

HEAD = 'openapi: 3.0.3\ninfo: {title: T, version: "1"}\n'


def joined(files: dict[str, str], root: str = "api.yaml") -> tuple[dict[str, Any], Bundled]:
    def read(path: str) -> bytes:
        if path not in files:
            raise InvalidInput("there is no such file", path)
        return files[path].encode()

    result = bundle(root, read)
    return json.loads(result.content), result


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def test_files_become_shared_parts_and_inlined_ones() -> None:
    document, result = joined(
        {
            "api.yaml": HEAD + "paths:\n  /orders:\n    $ref: paths/orders.yaml\n",
            "paths/orders.yaml": (
                "get:\n  description: {$ref: '../texts.yaml#/orders'}\n  responses:\n    200:\n      description: ok\n"
                "      content: {application/json: {schema: {$ref: ../schemas/order.yaml}}}\n"
                "  parameters: [{$ref: '../params.yaml#/page'}]\n"
            ),
            "texts.yaml": "orders: 注文を返す\n",
            "params.yaml": "page: {name: page, in: query, schema: {type: integer}}\n",
            "schemas/order.yaml": "type: object\nproperties: {items: {type: array, items: {$ref: item.yaml}}}\n",
            "schemas/item.yaml": "properties: {order: {$ref: order.yaml}, self: {$ref: '#/properties/order'}}\n",
        }
    )
    operation = document["paths"]["/orders"]["get"]
    assert operation["description"] == "注文を返す"
    assert operation["parameters"] == [{"$ref": "#/components/parameters/page"}]
    assert set(document["components"]["schemas"]) == {"order", "item", "order_2"}
    assert document["components"]["schemas"]["item"]["properties"]["order"] == {"$ref": "#/components/schemas/order"}
    assert all(name.startswith("#/components/") for name in references(document))
    assert result.places["/paths/~1orders"] == "paths/orders.yaml"
    assert result.places["/components/schemas/item"] == "schemas/item.yaml"


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
    document, _ = joined(
        {
            "api.yaml": HEAD
            + "paths: {}\ncomponents: {schemas: {Pet: {discriminator: {propertyName: k, mapping: {cat: cat.yaml}}}}}\n",
            "cat.yaml": "type: object\n",
        }
    )
    mapping = document["components"]["schemas"]["Pet"]["discriminator"]["mapping"]
    assert mapping == {"cat": "#/components/schemas/cat"}
    assert document["components"]["schemas"]["cat"] == {"type": "object"}


def test_swagger_2_keeps_its_own_sections() -> None:
    document, _ = joined(
        {
            "api.yaml": 'swagger: "2.0"\npaths: {/a: {get: {responses: {200: {schema: {$ref: s.yaml}}}}}}\n',
            "s.yaml": "type: object\n",
        }
    )
    assert document["definitions"] == {"s": {"type": "object"}}


@pytest.mark.parametrize(
    ("files", "message", "place"),
    [
        ({"api.yaml": "paths: {/a: {$ref: 'https://example.org/a.yaml'}}"}, "remote", "api.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: '//example.org/a.yaml'}}"}, "remote", "api.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: 'file:///etc/passwd'}}"}, "remote", "api.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: ../../etc/passwd}}"}, "leaves the folder", "api.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: /etc/passwd}}"}, "leaves the folder", "api.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: '%2e%2e/secret.yaml'}}"}, "leaves the folder", "api.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: b.yaml}}"}, "no such file", "b.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: 'b.yaml#/x/y'}}", "b.yaml": "x: {z: 1}"}, "nothing at #/x/y", "b.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: b.yaml}}", "b.yaml": "$ref: b.yaml"}, "circle", "b.yaml"),
        ({"api.yaml": "paths: {/a: {$ref: b.yaml}}", "b.yaml": "x: [1"}, "expected", "b.yaml:2:1"),
        ({"api.yaml": "- a"}, "mapping", "api.yaml"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_its_file(files: dict[str, str], message: str, place: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        joined(files)
    assert caught.value.place == place


def test_inlining_that_doubles_at_each_step_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.collectors.openapi_bundle.MAX_NODES", 10_000)
    files = {f"{n}.yaml": f"{{a: {{$ref: {n + 1}.yaml}}, b: {{$ref: {n + 1}.yaml}}}}" for n in range(40)}
    with pytest.raises(InvalidInput, match="too large"):
        joined({"api.yaml": "x-a: {$ref: 0.yaml}", "40.yaml": "{}", **files})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$ref: other.yaml", True),
        ('{"$ref": "other.json#/a"}', True),
        ("$ref: '#/components/schemas/A'", False),
        ('{"$ref": "#/components/schemas/A"}', False),
        ("a: b", False),
    ],
)
def test_references_to_files_are_told_from_those_inside(text: str, expected: bool) -> None:
    assert has_file_refs(text.encode()) == expected


async def test_a_large_real_document_is_joined(shared: Path) -> None:
    root = shared / "corpora/openapi/digitalocean/specification"
    collector = OpenApiCollector(Source("do", "openapi", str(root)), 10_000_000)
    head = await collector.head()
    [change] = [change async for change in collector.changes(None, head)]
    assert isinstance(change, Upsert)
    assert change.document.path == "DigitalOcean-public.v2.yaml"
    document = json.loads(change.document.content)
    assert len(document["paths"]) > 400
    assert {name.partition("/")[0] for name in references(document)} == {"#"}
    for name in set(references(document)):
        node = document
        for key in name.split("/")[1:]:
            node = node[key.replace("~1", "/").replace("~0", "~")]
    [chunks] = await StructureChunker(FakeTokens(), 320).chunk([change.document])
    assert sum(chunk.kind == "operation" for chunk in chunks) > 600


async def test_a_bad_document_does_not_hide_the_good_one(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(HEAD + "paths: {/a: {$ref: nothing.yaml}}\n")
    (tmp_path / "good.yaml").write_text(HEAD + "paths: {}\n")
    (tmp_path / "part.yaml").write_text("type: object\n")
    collector = OpenApiCollector(Source("s", "openapi", str(tmp_path)), 10_000)
    bad, good = [change async for change in collector.changes(None, await collector.head())]
    assert isinstance(bad, Failure)
    assert "nothing.yaml" in bad.reason
    assert isinstance(good, Upsert)
    assert good.document.content == (HEAD + "paths: {}\n").encode()
