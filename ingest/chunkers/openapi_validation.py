"""Checking an OpenAPI document with openapi-spec-validator, without network or files.

The one file that knows that library and the jsonschema errors it gives. Values are not held to their schemas: a
`default` that does not fit hides nothing of the API, and published documents have such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jsonschema_path import SchemaPath
from openapi_spec_validator import OpenAPIV2SpecValidator, OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from openapi_spec_validator.validation.keywords import KeywordValidator


class _AnyValue(KeywordValidator):
    """Takes every value of a schema for right."""

    def __call__(self, schema: SchemaPath, value: object) -> Iterator[Any]:  # noqa: ARG002 (the library's signature)
        return iter(())


class _V2(OpenAPIV2SpecValidator):
    keyword_validators = {**OpenAPIV2SpecValidator.keyword_validators, "default": _AnyValue}  # noqa: RUF012


class _V30(OpenAPIV30SpecValidator):
    keyword_validators = {**OpenAPIV30SpecValidator.keyword_validators, "default": _AnyValue}  # noqa: RUF012


class _V31(OpenAPIV31SpecValidator):
    keyword_validators = {**OpenAPIV31SpecValidator.keyword_validators, "default": _AnyValue}  # noqa: RUF012


_VALIDATORS: Final = {"2.0": _V2, "3.0": _V30, "3.1": _V31}
FAMILIES: Final = frozenset(_VALIDATORS)
_OPERATION_IN_WORDS: Final = re.compile(r"'([a-z]+)' (?:operation )?in '([^']*)'")


@dataclass(frozen=True, slots=True)
class SpecError:
    """What is wrong with a document, and where."""

    pointer: tuple[str | int, ...]
    message: str


def first_error(root: Mapping[str, Any], family: str, *, whole: bool) -> SpecError | None:
    """Return the first error of a document of a version family, None for a valid one.

    One that is not `whole` (parts of it stand in other files) is held to the JSON schema only, its references taken
    to be right.
    """
    if whole:
        path = SchemaPath.from_dict(root, base_uri="", handlers=_Closed())
        errors = _VALIDATORS[family](path).iter_errors()
    else:
        errors = (one for one in _VALIDATORS[family].schema_validator.iter_errors(root) if not _is_reference(one))
    try:
        error = next(iter(errors), None)
    except RecursionError:
        return SpecError((), "references lead back to themselves without an end")
    if error is None:
        return None
    error = _deepest(error)
    return SpecError(_pointer_of(error), error.message)


class _Closed(dict[str, Any]):
    """Handlers that refuse every scheme: given none, the library would fetch."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Any:
        raise ValueError("references outside the document are not followed")


def _deepest(error: Any) -> Any:
    """Return the error that says most where a node fits none of several schemas: not that it is no reference."""
    while error.context:
        inner = [one for one in error.context if "$ref" not in one.message]
        if not inner:
            break
        error = max(inner, key=lambda one: len(one.absolute_path))
    return error


def _pointer_of(error: Any) -> tuple[str | int, ...]:
    """Return the pointer of an error; the checks beyond the JSON schema name the operation in words only."""
    named = _OPERATION_IN_WORDS.search(error.message)
    if named is not None and not error.absolute_path:
        return "paths", named[2], named[1]
    return tuple(error.absolute_path)


def _is_reference(error: Any) -> bool:
    return isinstance(error.instance, Mapping) and isinstance(error.instance.get("$ref"), str)
