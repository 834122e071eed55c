"""Every query body, built from values. Pure.

The ACL is inside every body that reads for somebody. User text only ever becomes the `query` of a `match` or the value
of a term: never syntax, a field name or a script.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from opensearch.code_search import order_clauses
from opensearch.filters import Clause, acl_filter, query_filters
from opensearch.lexical import DEFAULT_WEIGHTS, LexicalWeights, highlight, lexical_clause
from opensearch.mapping import SHOWN_FIELDS
from shirabe.legs import EXACT_LEG, LEGS
from shirabe.types import Embedding, Floats, Principal, Query

Body = dict[str, Any]

MAX_QUERY_FEATURES: Final = 64
MAX_FEATURE_WEIGHT: Final = 64.0  # the engine's own cap
PAGE_ROWS: Final = 5_000  # the engine's window is 10 000
MAX_VERSIONS: Final = 1_000
MAX_TERMS: Final = 50
MIN_EXPLORED: Final = 100  # HNSW's ef_search
# Ids from their column: `_id` lies in the stored fields, beside the text, and a hundred of those have to be unpacked.
IDS_ONLY: Final[Mapping[str, Any]] = {
    "_source": False,
    "stored_fields": "_none_",
    "docvalue_fields": ["chunk_id"],
    "track_total_hits": False,
}


def leg_bodies(
    query: Query,
    legs: Collection[str],
    embedding: Embedding | None,
    depth: int,
    *,
    among: Sequence[str] | None = None,
    weights: LexicalWeights = DEFAULT_WEIGHTS,
    all_public: bool = False,
) -> dict[str, Body]:
    """Return one search body per leg: ids and scores only, `depth` rows at most; `among` narrows to chunk ids.

    `all_public` says how the ACL is best asked, not what it is.

    Raises: InvalidInput for a bad filter; ValueError for an unknown leg or one whose part of the embedding is missing.
    """
    unknown = set(legs) - {*LEGS, EXACT_LEG}
    if unknown:
        raise ValueError(f"unknown legs {sorted(unknown)}, there are {', '.join((*LEGS, EXACT_LEG))}")
    filters = query_filters(query, all_public=all_public)
    if among is not None:
        filters.append(_ids(among))
    bodies: dict[str, Body] = {}
    for leg in LEGS:
        if leg not in legs:
            continue
        if leg == "lexical":
            clause = _scored(lexical_clause(query.text, query.also, weights), filters)
        elif leg == "dense":
            if embedding is None or embedding.dense is None:
                raise ValueError("the dense leg needs a dense embedding")
            clause = dense_clause(embedding.dense, depth, filters)
        else:
            if embedding is None or embedding.sparse is None:
                raise ValueError("the sparse leg needs a sparse embedding")
            clause = _scored(sparse_clause(embedding.sparse), filters)
        bodies[leg] = {"query": clause, "size": depth, **IDS_ONLY}
    if EXACT_LEG in legs:
        bodies[EXACT_LEG] = exact_body(query, filters, depth)
    return bodies


def private_body() -> Body:
    """Return what counts one chunk that is not public, and none where all are."""
    return {"query": {"term": {"public": False}}, "size": 0, "terminate_after": 1, "track_total_hits": 1}


def exact_body(query: Query, filters: Sequence[Clause], depth: int) -> Body:
    """Return what fulfils every filter: the definitions that were named first, then by path."""
    return {
        "query": {"bool": {"filter": list(filters), "should": order_clauses(query.conditions)}},
        "size": depth,
        **IDS_ONLY,
        "sort": [{"_score": "desc"}, {"path": "asc"}, {"ordinal": "asc"}],
    }


def dense_clause(vector: Floats, depth: int, filters: Sequence[Clause]) -> Clause:
    """Return the `depth` nearest chunks among those the filters leave: the filter works inside the graph search."""
    return {
        "knn": {
            "dense": {
                "vector": vector.tolist(),
                "k": depth,
                "filter": {"bool": {"filter": list(filters)}},
                "method_parameters": {"ef_search": max(depth, MIN_EXPLORED)},
            }
        }
    }


def sparse_clause(sparse: Mapping[int, float]) -> Clause:
    """Return the dot product of a query's weights with the stored ones, over the query's heaviest features."""
    heaviest = sorted(
        ((token, weight) for token, weight in sparse.items() if weight > 0), key=lambda item: (-item[1], item[0])
    )[:MAX_QUERY_FEATURES]
    if not heaviest:
        return {"match_none": {}}
    features = [
        {"rank_feature": {"field": f"sparse.{token}", "linear": {}, "boost": min(float(weight), MAX_FEATURE_WEIGHT)}}
        for token, weight in heaviest
    ]
    return {"bool": {"should": features, "minimum_should_match": 1}}


def fetch_body(
    chunk_ids: Sequence[str], query: Query, *, bits: bool, weights: LexicalWeights = DEFAULT_WEIGHTS
) -> Body:
    """Return the chunks of these ids that the principal may see, with highlights where the query has text."""
    body = _shown([_ids(chunk_ids), acl_filter(query.principal)], len(chunk_ids))
    if bits:
        body["docvalue_fields"] = ["late"]
    if query.text.strip():
        body["highlight"] = highlight(query.text, weights)
    return body


def versions_body(keys: Sequence[str], query: Query) -> Body:
    """Return the first chunk of each document under the version keys, of those that fulfil the query's filters."""
    body = _shown([{"terms": {"version_key": list(keys)}}, *query_filters(query)], MAX_VERSIONS)
    return body | {"collapse": {"field": "doc_id"}, "sort": [{"ordinal": "asc"}, {"doc_id": "asc"}]}


def terms_body(names: Collection[str], principal: Principal) -> Body:
    """Return the terms of glossaries that have one of these names."""
    return _shown([{"terms": {"term_names": sorted(names)}}, acl_filter(principal)], MAX_TERMS) | {
        "sort": [{"chunk_id": "asc"}]
    }


def document_body(doc_id: str, principal: Principal, after: str | None) -> Body:
    """Return one page of a document's chunks in order, those after the chunk id `after`."""
    return _shown([{"term": {"doc_id": doc_id}}, acl_filter(principal)], PAGE_ROWS) | _after(after)


def hashes_body(source_id: str, after: str | None, among: Sequence[Clause] = ()) -> Body:
    """Return one page of a source's chunk ids and content hashes, of those that fulfil all clauses.

    For the system itself: no principal reads this.
    """
    return {
        "query": {"bool": {"filter": [{"term": {"source": source_id}}, *among]}},
        "size": PAGE_ROWS,
        **IDS_ONLY,
        "docvalue_fields": ["chunk_id", "content_hash"],
    } | _after(after)


def counts_body() -> Body:
    """Return documents and chunks of every source: a document is its chunk number 0."""
    return {
        "size": 0,
        "track_total_hits": False,
        "aggs": {
            "sources": {
                "terms": {"field": "source", "size": 10_000},
                "aggs": {"documents": {"filter": {"term": {"ordinal": 0}}}},
            }
        },
    }


def _shown(filters: Sequence[Clause], size: int) -> Body:
    return {
        "query": {"bool": {"filter": list(filters)}},
        "size": size,
        "_source": list(SHOWN_FIELDS),
        "track_total_hits": False,
    }


def _scored(clause: Clause, filters: Sequence[Clause]) -> Clause:
    return {"bool": {"must": [clause], "filter": list(filters)}}


def _ids(chunk_ids: Sequence[str]) -> Clause:
    return {"ids": {"values": list(chunk_ids)}}


def _after(chunk_id: str | None) -> Body:
    # Ids sort as (document, ordinal), and a unique key needs no point-in-time: what is there throughout is met once.
    page: Body = {"sort": [{"chunk_id": "asc"}]}
    if chunk_id is not None:
        page["search_after"] = [chunk_id]
    return page
