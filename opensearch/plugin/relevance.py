"""Judged queries as the Search Relevance Workbench keeps them, and the searches it compares on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opensearch.lexical import DEFAULT_WEIGHTS
from opensearch.plugin.calls import JsonText, Ref
from opensearch.plugin.connectors import DENSE_QUERY, SPARSE_QUERY
from opensearch.plugin.marks import PREFIX, described, digest, marked_name
from opensearch.plugin.pipelines import NORM, RRF, RRF_RERANK
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import JUDGMENTS, MODEL, QUERY_SET, SEARCH_CONFIGURATION, Thing

SEARCH_TEXT: Final = "%SearchText%"
JUDGED: Final = f"{PREFIX}judged"
LEG_DEPTH: Final = 100
# The workbench refuses these in a query: it writes them into JSON as they are, and before 3.8 it parts the fields of a
# query with the last two.
_REFUSED: Final = frozenset('"\\<>\n\r#:')
_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class JudgedTexts:
    """Judged queries on an index: query text -> ids of what answers it. `left_out`: queries that cannot be held."""

    index: str
    ratings: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()


def takes(text: str) -> bool:
    """Tell whether the workbench takes a query text."""
    return 0 < len(text) <= _LONGEST and not _REFUSED & set(text)


def judgments(judged: JudgedTexts) -> list[Thing]:
    """Return a query set and its judgments."""
    spec = [judged.index, sorted(judged.ratings.items())]
    queries = [{"queryText": text} for text in judged.ratings]
    ratings = [
        {"query": text, "ratings": [{"docId": ident, "rating": "1.000"} for ident in idents]}
        for text, idents in judged.ratings.items()
    ]
    return [
        Thing(
            QUERY_SET,
            JUDGED,
            {
                "description": _said(f"{len(queries)} judged queries", spec),
                "sampling": "manual",
                "querySetQueries": queries,
            },
        ),
        Thing(
            JUDGMENTS,
            JUDGED,
            {
                "description": _said(f"documents that answer {len(queries)} queries", spec),
                # It keeps no description of judgments, and not the order of ratings: the name is all that tells them.
                "name": marked_name(JUDGED, spec),
                "type": "IMPORT_JUDGMENT",
                "judgmentRatings": ratings,
            },
        ),
    ]


def lexical_query(text: str) -> dict[str, Any]:
    """Return our lexical leg as one clause that a plain client can write."""
    fields = [f"{field.field}^{field.weight:g}" for field in DEFAULT_WEIGHTS.fields]
    return {"multi_match": {"query": text, "type": "most_fields", "fields": fields}}


def hybrid_query(text: str, *, sparse: bool) -> dict[str, Any]:
    """Return the legs as the engine's own hybrid query.

    The models are named: before 3.8 the workbench hides the query from the search pipeline that would fill them in.
    """
    dense, tokens = Ref(MODEL.title, DENSE_QUERY), Ref(MODEL.title, SPARSE_QUERY)
    legs = [lexical_query(text), {"neural": {"dense": {"query_text": text, "k": LEG_DEPTH, "model_id": dense}}}]
    if sparse:
        legs.append({"neural_sparse": {"sparse": {"query_text": text, "model_id": tokens}}})
    return {"hybrid": {"queries": legs, "pagination_depth": LEG_DEPTH}}


def configurations(served: ServedModels, index: str) -> list[Thing]:
    """Return a search configuration for each way of searching an index."""
    hybrid = {"query": hybrid_query(SEARCH_TEXT, sparse=served.sparse)}
    found = [
        _configuration("lexical", index, {"query": lexical_query(SEARCH_TEXT)}, ""),
        _configuration("norm", index, hybrid, NORM),
        _configuration("rrf", index, hybrid, RRF),
    ]
    if served.reranker is not None:
        asked = hybrid | {"ext": {"rerank": {"query_context": {"query_text": SEARCH_TEXT}}}}
        found.append(_configuration("rrf-rerank", index, asked, RRF_RERANK))
    return found


def _configuration(name: str, index: str, search: Mapping[str, Any], pipeline: str) -> Thing:
    body = {"index": index, "query": JsonText(search), "searchPipeline": pipeline}
    said = _said(f"{name} search of {index}", body)
    return Thing(SEARCH_CONFIGURATION, f"{PREFIX}{name}", {"description": said, **body})


def _said(what: str, spec: Sequence[Any] | Mapping[str, Any]) -> str:
    return described(f"{what}, {digest(spec)}")
