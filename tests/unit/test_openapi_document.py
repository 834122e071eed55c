from typing import Any

import pytest
from facade_client import Facade
from openapi_spec_validator import OpenAPIV31SpecValidator, validate


@pytest.fixture
def document() -> dict[str, Any]:
    return Facade().app().openapi()


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)


def test_every_operation_declares_problems(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}, (path, method, status)
            assert {"400", "503", "default"} <= set(operation["responses"]), (path, method)
            assert "422" not in operation["responses"]


def test_every_operation_has_a_summary_and_a_name_of_its_own(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] and operation["description"] for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)


def test_the_contract_is_there(document: dict[str, Any]) -> None:
    offered = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert offered == {
        ("/v1/search", "post"),
        ("/v1/events", "post"),
        ("/v1/documents", "put"),
        ("/v1/documents/{doc_id}", "get"),
        ("/v1/documents/{doc_id}", "delete"),
        ("/v1/sources", "get"),
        ("/v1/sources", "post"),
        ("/v1/sources/{name}/sync", "post"),
        ("/v1/sources/{name}/drift", "get"),
        ("/v1/sources/{name}/webhook", "post"),
        ("/healthz", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    }


async def test_it_is_published() -> None:
    facade = Facade()
    async with facade.client() as client:
        assert (await client.get("/openapi.json")).json() == facade.app().openapi()
