"""Holding an OpenAPI document to the JSON schema of its version, without network or files.

The one file that knows openapi-spec-validator and the jsonschema errors it gives. Only its schemas are used: the checks
that it adds beyond them tell no place, take time that grows with the square of the document, and keep every document in
a cache for as long as the process lives. Ours are in `openapi_checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from openapi_spec_validator import (
    OpenAPIV2SpecValidator,
    OpenAPIV30SpecValidator,
    OpenAPIV31SpecValidator,
    OpenAPIV32SpecValidator,
)

from ingest.chunkers.openapi_origins import Problem, pointer_text

MAX_ERRORS: Final = 50

_SCHEMAS: Final[Mapping[str, Any]] = {
    "2.0": OpenAPIV2SpecValidator.schema_validator,
    "3.0": OpenAPIV30SpecValidator.schema_validator,
    "3.1": OpenAPIV31SpecValidator.schema_validator,
    "3.2": OpenAPIV32SpecValidator.schema_validator,
}


def structure_problems(root: Mapping[str, Any], family: str) -> Iterator[Problem]:
    """Yield where a document is not built as its version asks, at most `MAX_ERRORS` of them.

    A reference that stands where it could not be followed is right as it is.
    """
    errors = (error for error in _SCHEMAS[family].iter_errors(root) if not _is_reference(error))
    try:
        for error in islice(errors, MAX_ERRORS):
            deepest = _deepest(error)
            yield Problem(pointer_text(deepest.absolute_path), deepest.message)
    except RecursionError:
        yield Problem("", "nested too deep to be held to the standard", "warning")


def _deepest(error: Any) -> Any:
    """Return the error that says most where a node fits none of several schemas: not that it is no reference."""
    while error.context:
        inner = [one for one in error.context if "$ref" not in one.message]
        if not inner:
            break
        error = max(inner, key=lambda one: len(one.absolute_path))
    return error


def _is_reference(error: Any) -> bool:
    return isinstance(error.instance, Mapping) and isinstance(error.instance.get("$ref"), str)
