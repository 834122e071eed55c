import json
import pickle
from http import HTTPStatus

import pytest
from facade_client import Facade, assert_problem

from api.problems import of_error
from shirabe.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    PartialWrite,
    ShirabeError,
    Timeout,
    Unavailable,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("wrong", "top_k"), 400),
        (Forbidden("no"), 403),
        (NotFound("nothing"), 404),
        (Overloaded("full", 0.1), 429),
        (PartialWrite({"a": "b"}), 502),
        (Unavailable("down"), 503),
        (Timeout("slow"), 504),
        (ShirabeError("other"), 500),
    ],
)
def test_each_error_has_its_status(error: ShirabeError, status: int) -> None:
    response = of_error(pickle.loads(pickle.dumps(error)))
    body = json.loads(bytes(response.body))
    assert (response.status_code, body["status"]) == (status, status)
    assert body["title"] == HTTPStatus(status).phrase
    assert body["detail"] == error.message
    assert ("retry-after" in response.headers) == (status in (429, 503))
    assert body.get("place") == ("top_k" if status == 400 else None)


def test_every_kind_of_error_is_mapped() -> None:
    leaves = [InvalidInput, NotFound, Forbidden, Unavailable, Overloaded, Timeout]
    assert all(of_error(leaf("x")).status_code != 500 for leaf in leaves)


async def test_routing_errors_are_problems() -> None:
    async with Facade().client() as client:
        assert_problem(await client.get("/nothing"), 404, "not-found")
        response = await client.delete("/v1/search")
        assert_problem(response, 405, "method-not-allowed")
        assert response.headers["allow"] == "POST"
        assert_problem(await client.get("/page/../main.py"), 404, "not-found")


async def test_what_nobody_foresaw_tells_nothing_and_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    facade = Facade()

    async def broken(doc_id: str, principal: object) -> list[object]:
        raise RuntimeError("the password is hunter2")

    facade.store.document = broken  # type: ignore[method-assign,assignment]
    async with facade.client() as client:
        response = await client.get("/v1/documents/x")
    problem = assert_problem(response, 500, "internal")
    assert "hunter2" not in response.text and "RuntimeError" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    logged = capsys.readouterr()
    assert str(problem["instance"]) in logged.out + logged.err


async def test_a_problem_of_validation_lists_every_field() -> None:
    async with Facade().client() as client:
        response = await client.post("/v1/search", json={"query": 1, "mode": "x", "top_k": 0})
    errors = assert_problem(response, 400, "invalid-input")["errors"]
    assert isinstance(errors, list)
    assert {error["place"] for error in errors} == {"query", "mode", "top_k"}
