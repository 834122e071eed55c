"""Who may see what, and what was asked to be left out: the filters inside every query body. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opensearch.code_search import condition_clauses
from shirabe.definitions import CODE_KINDS
from shirabe.errors import InvalidInput
from shirabe.languages import CODE_LANGUAGES
from shirabe.types import Principal, Query

Clause = dict[str, Any]

FILTER_FIELDS: Final = ("source", "kind", "lang", "path", "doc_id", "revision")
MAX_FILTER_VALUES: Final = 100
MAX_FILTER_CHARS: Final = 1_024


def acl_filter(principal: Principal, *, all_public: bool = False) -> Clause:
    """Return the clause that only what a principal may see fulfils; a document that names nobody is seen by nobody.

    Said by what is left out, where `all_public` is expected: then nothing is, the engine drops the clause, and the legs
    are a third faster. It keeps the same documents where the expectation is wrong, at two to three times the cost.
    """
    if all_public:
        hidden: list[Clause] = [{"term": {"public": False}}]
        named = {"must_not": [{"terms": {"acl": list(principal.names)}}]} if principal.names else {}
        # What does not say whether it is public is seen by nobody.
        return {
            "bool": {"filter": [{"exists": {"field": "public"}}], "must_not": [{"bool": {"filter": hidden, **named}}]}
        }
    allowed: list[Clause] = [{"term": {"public": True}}]
    if principal.names:
        allowed.append({"terms": {"acl": list(principal.names)}})
    return {"bool": {"should": allowed, "minimum_should_match": 1}}


def field_filters(filters: Mapping[str, tuple[str, ...]]) -> list[Clause]:
    """Return one clause per filtered field, fulfilled by any of its values; a path ending in `*` is a prefix.

    Raises: InvalidInput naming the filter when it is unknown, empty, or beyond the caps.
    """
    return [_field_filter(name, values) for name, values in sorted(filters.items())]


def query_filters(query: Query, *, all_public: bool = False) -> list[Clause]:
    """Return every clause a hit of a query must fulfil, the ACL first, which is asked as `acl_filter` has it.

    Raises: InvalidInput as `field_filters`, and for a condition that the engine cannot be asked.
    """
    clauses = [acl_filter(query.principal, all_public=all_public), *field_filters(query.filters)]
    if query.mode == "code":
        clauses.append(code_filter())
    return [*clauses, *condition_clauses(query.conditions)]


def code_filter() -> Clause:
    """Return the clause that chunks of code fulfil (`shirabe.definitions.is_code`)."""
    return {
        "bool": {
            "should": [{"terms": {"kind": list(CODE_KINDS)}}, {"terms": {"lang": list(CODE_LANGUAGES)}}],
            "minimum_should_match": 1,
        }
    }


def check_filters(filters: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse what `field_filters` would, for callers that match in another way.

    Raises: InvalidInput as `field_filters`.
    """
    for name, values in filters.items():
        place = f"filters.{name}"
        if name not in FILTER_FIELDS:
            raise InvalidInput(f"unknown filter; allowed are {', '.join(FILTER_FIELDS)}", place)
        if not values:
            raise InvalidInput("give at least one value", place)
        if len(values) > MAX_FILTER_VALUES:
            raise InvalidInput(f"{len(values)} values, at most {MAX_FILTER_VALUES}", place)
        for value in values:
            if len(value) > MAX_FILTER_CHARS:
                raise InvalidInput(f"a value of {len(value)} characters, at most {MAX_FILTER_CHARS}", place)
            if not value.isascii() and not _encodable(value):
                raise InvalidInput("a value is not valid Unicode", place)


def _field_filter(name: str, values: tuple[str, ...]) -> Clause:
    check_filters({name: values})
    prefixes = [value[:-1] for value in values if name == "path" and value.endswith("*")]
    exact = [value for value in values if name != "path" or not value.endswith("*")]
    clauses: list[Clause] = [{"prefix": {name: {"value": prefix}}} for prefix in prefixes]
    if exact:
        clauses.append({"terms": {name: exact}})
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}


def _encodable(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
