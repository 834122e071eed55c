"""Query bodies: the ACL is in every one, and no user text becomes syntax."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensearch.filters import FILTER_FIELDS, acl_filter, query_filters
from opensearch.lexical import DEFAULT_WEIGHTS, lexical_clause, searched_text
from opensearch.queries import (
    MAX_QUERY_FEATURES,
    document_body,
    fetch_body,
    leg_bodies,
    sparse_clause,
    versions_body,
)
from shirabe.errors import InvalidInput
from shirabe.legs import LEGS
from shirabe.types import Embedding, Principal, Query

VECTOR = np.ones(4, dtype=np.float32)
KEYWORDS = {
    "bool", "must", "should", "filter", "minimum_should_match", "query", "size", "sort", "collapse", "field", "asc",
    "match", "boost", "terms", "term", "prefix", "value", "ids", "values", "knn", "dense", "vector", "k",
    "method_parameters", "ef_search", "rank_feature", "linear", "match_none", "highlight", "encoder", "fields",
    "number_of_fragments", "fragment_size", "highlight_query", "docvalue_fields", "track_total_hits", "_source",
    "stored_fields", "public", "acl", "version_key", "ordinal", "doc_id", "chunk_id",
}  # fmt: skip
SUB_FIELDS = {weight.field for weight in DEFAULT_WEIGHTS.fields}

texts = st.text(st.characters(), max_size=60)
names = st.text(min_size=1, max_size=20)
queries = st.builds(
    Query,
    text=texts | st.sampled_from(['{"match_all":{}}', "*:*", "_id:x OR public:false", '"}}]}', "script", "acl"]),
    filters=st.dictionaries(
        st.sampled_from(FILTER_FIELDS), st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1,
        max_size=3).map(tuple), max_size=3,
    ),
    mode=st.sampled_from(["hybrid", "dense", "sparse", "lexical", "code"]),
    principal=st.builds(Principal, st.lists(names, max_size=3).map(tuple)),
)  # fmt: skip
sparse = st.dictionaries(st.integers(0, 250_001), st.floats(-5, 500, allow_nan=False), max_size=100)


def keys(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def filters_of(clause: dict[str, Any]) -> list[Any]:
    """Return what every hit of a query must fulfil."""
    if "knn" in clause:
        return list(clause["knn"]["dense"]["filter"]["bool"]["filter"])
    return list(clause["bool"]["filter"])


@given(queries, sparse)
def test_every_body_is_filtered_by_the_acl_and_made_of_known_words(query: Query, weights: dict[int, float]) -> None:
    embedding = Embedding(dense=VECTOR, sparse=weights)
    bodies = [
        *leg_bodies(query, LEGS, embedding, 10).values(),
        *leg_bodies(query, LEGS, embedding, 10, among=["a", "b"]).values(),
        fetch_body(["a"], query, bits=True),
        versions_body(["k"], query),
        document_body("d", query.principal, None),
    ]
    allowed = KEYWORDS | SUB_FIELDS | set(FILTER_FIELDS)
    for body in bodies:
        assert acl_filter(query.principal) in filters_of(body["query"])
        assert set(keys(body)) <= allowed


@given(queries, sparse)
def test_every_leg_holds_every_filter(query: Query, weights: dict[int, float]) -> None:
    for body in leg_bodies(query, LEGS, Embedding(dense=VECTOR, sparse=weights), 10).values():
        assert filters_of(body["query"]) == query_filters(query)


@given(texts)
def test_user_text_is_only_ever_the_text_of_a_match(text: str) -> None:
    for clause in lexical_clause(text)["bool"]["should"]:
        ((kind, match),) = clause.items()
        ((field, arguments),) = match.items()
        assert kind == "match"
        assert field in SUB_FIELDS
        assert set(arguments) == {"query", "boost"}
        assert searched_text(text).startswith(arguments["query"])


def test_the_acl_of_nobody_is_public_only() -> None:
    assert acl_filter(Principal()) == {"bool": {"should": [{"term": {"public": True}}], "minimum_should_match": 1}}


def test_the_acl_of_somebody_adds_their_names() -> None:
    assert acl_filter(Principal(("alice", "ops")))["bool"] == {
        "should": [{"term": {"public": True}}, {"terms": {"acl": ["alice", "ops"]}}],
        "minimum_should_match": 1,
    }


def fulfils(document: dict[str, list[Any]], clause: dict[str, Any]) -> bool:
    """Tell what the engine would of a document and a clause of the ACL."""
    ((kind, said),) = clause.items()
    if kind == "exists":
        return bool(document.get(said["field"]))
    if kind in ("term", "terms"):
        ((field, wanted),) = said.items()
        return not set(document.get(field, [])).isdisjoint(wanted if kind == "terms" else [wanted])
    assert kind == "bool" and set(said) <= {"filter", "should", "must_not", "minimum_should_match"}
    return (
        all(fulfils(document, one) for one in said.get("filter", []))
        and not any(fulfils(document, one) for one in said.get("must_not", []))
        and ("should" not in said or any(fulfils(document, one) for one in said["should"]))
    )


@given(st.lists(st.sampled_from("abc")), st.sampled_from([[True], [False], []]), st.lists(st.sampled_from("abc")))
def test_the_acl_said_either_way_shows_the_same(named: list[str], public: list[bool], asking: list[str]) -> None:
    document: dict[str, list[Any]] = {"public": public, "acl": named}
    one, other = (acl_filter(Principal(tuple(asking)), all_public=way) for way in (False, True))
    assert fulfils(document, one) == (public == [True] or bool(set(named) & set(asking)))
    # Nothing is written without saying whether it is public; if it were, the other way would show it to nobody.
    assert fulfils(document, other) == (fulfils(document, one) and public != [])
    if not asking:
        assert other["bool"]["must_not"] == [{"bool": {"filter": [{"term": {"public": False}}]}}]


def test_a_path_is_exact_or_a_prefix() -> None:
    query = Query("x", filters={"path": ("docs/*", "README.md"), "lang": ("ja*",)})
    assert query_filters(query)[1:] == [
        {"terms": {"lang": ["ja*"]}},
        {
            "bool": {
                "should": [{"prefix": {"path": {"value": "docs/"}}}, {"terms": {"path": ["README.md"]}}],
                "minimum_should_match": 1,
            }
        },
    ]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("acl", ("x",), "allowed are source, kind, lang, path, doc_id, revision"),
        ("lang", (), "at least one"),
        ("lang", ("x",) * 101, "at most 100"),
        ("path", ("x" * 1_025,), "at most 1024"),
        ("path", ("\ud800",), "Unicode"),
    ],
)
def test_bad_filters_are_refused_by_name(name: str, values: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        query_filters(Query("x", filters={name: values}))
    assert refused.value.place == f"filters.{name}"


def test_repeated_words_are_asked_once() -> None:
    assert searched_text("Error error  ERROR at\nline at 5") == "Error at line 5"


def test_the_longest_query_stays_below_the_engines_clauses() -> None:
    assert sum(weight.chars for weight in DEFAULT_WEIGHTS.fields) < 1_024
    for clause in lexical_clause("漢" * 8_000)["bool"]["should"]:
        ((_, match),) = clause.items()
        ((field, arguments),) = match.items()
        assert len(arguments["query"]) == {weight.field: weight.chars for weight in DEFAULT_WEIGHTS.fields}[field]


def test_the_heaviest_features_are_asked_and_clamped() -> None:
    weights = {token: float(token) for token in range(100)} | {500: 1e9, 501: -1.0}
    features = sparse_clause(weights)["bool"]["should"]
    asked = {feature["rank_feature"]["field"]: feature["rank_feature"]["boost"] for feature in features}
    assert len(asked) == MAX_QUERY_FEATURES
    assert asked["sparse.500"] == 64.0
    assert asked["sparse.50"] == 50.0
    assert "sparse.501" not in asked
    assert "sparse.1" not in asked


def test_no_features_match_nothing() -> None:
    assert sparse_clause({1: 0.0, 2: -1.0}) == {"match_none": {}}


def test_dense_is_narrowed_inside_the_graph_search() -> None:
    body = leg_bodies(Query("x"), ["dense"], Embedding(dense=VECTOR), 7, among=["a"])["dense"]
    knn = body["query"]["knn"]["dense"]
    assert knn["k"] == body["size"] == 7
    assert knn["filter"]["bool"]["filter"] == [acl_filter(Principal()), {"ids": {"values": ["a"]}}]


@pytest.mark.parametrize("leg", ["dense", "sparse"])
def test_a_leg_without_its_embedding_is_refused(leg: str) -> None:
    with pytest.raises(ValueError, match=leg):
        leg_bodies(Query("x"), [leg], None, 10)


def test_an_unknown_leg_is_refused() -> None:
    with pytest.raises(ValueError, match="splade"):
        leg_bodies(Query("x"), ["splade"], None, 10)


def test_legs_ask_for_ids_and_scores_only() -> None:
    for body in leg_bodies(Query("x"), LEGS, Embedding(dense=VECTOR, sparse={1: 1.0}), 5).values():
        assert body["_source"] is False
        assert (body["stored_fields"], body["docvalue_fields"]) == ("_none_", ["chunk_id"])
        assert body["size"] == 5


def test_code_mode_searches_code() -> None:
    asked = query_filters(Query("x", mode="code"))[-1]["bool"]
    assert asked["minimum_should_match"] == 1
    kinds, languages = asked["should"]
    assert kinds == {"terms": {"kind": ["function", "class", "module", "method", "code"]}}
    assert {"python", "go", "typescript"} < set(languages["terms"]["lang"])
    assert not {"ja", "en"} & set(languages["terms"]["lang"])
