"""The published OpenAPI 3.1 document: FastAPI's, with the problems that every operation may answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import MEDIA_TYPE, Problem

_PROBLEMS = {
    "400": "Something in the request is wrong; `place` says what",
    "403": "Not allowed",
    "404": "There is no such thing",
    "413": "The body is too large",
    "429": "Too much at once; `Retry-After` says when to come back",
    "502": "Some of it was written and some not; `failed_ids` says what",
    "503": "A part is down; `Retry-After` says when to come back",
    "504": "A part did not answer in time",
    "default": "Any other error",
}


def publish(app: FastAPI) -> None:
    """Make an app's OpenAPI document ours; it is built once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        license_info=app.license_info,
    )
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            for status, description in _PROBLEMS.items():
                operation["responses"].setdefault(status, {"description": description, "content": content})
    schemas = document["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    return document
