"""Searches whose answers OpenSearch documents: hybrid queries, pages, sorts, pipelines, models, reranking.

The models are fake and deterministic: what is tested is the engine, not the meaning. `MATCH` finds `LEXICAL`, in its
order; `DENSE` finds every document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

INDEX = "shirabe-text-queries"
TEXTS = {
    "o1": ("how to cancel an order", "guide", "en"),
    "o2": ("cancel an order before it ships", "spec", "en"),
    "o3": ("order history and search", "guide", "en"),
    "o4": ("refund of an order", "spec", "en"),
    "w1": ("weather in Kyoto", "note", "en"),
    "w2": ("weather report", "note", "en"),
    "j1": ("注文を取り消す", "guide", "ja"),
    "j2": ("注文履歴を検索する", "spec", "ja"),
    "j3": ("返品と返金", "guide", "ja"),
    "s1": ("stock allocation", "spec", "en"),
    "s2": ("stock mismatch runbook", "note", "en"),
    "k1": ("cancel cancel cancel", "note", "en"),
}
ALL = set(TEXTS)
SPECS = {name for name, (_, kind, _) in TEXTS.items() if kind == "spec"}
LEXICAL = {"o1", "o2", "o3", "o4", "k1"}
QUESTION = "cancel an order"

MATCH = {"match": {"text": QUESTION}}
SPEC = {"term": {"kind": "spec"}}
DENSE = {"neural": {"dense": {"query_text": QUESTION, "k": 12}}}
SPARSE = {"neural_sparse": {"sparse": {"query_text": QUESTION}}}
NOTHING = {"match": {"text": "zeppelin"}}
RERANK = {"rerank": {"query_context": {"query_text": QUESTION}}}

Answer = dict[str, Any]
Check = Callable[[Answer], bool]


def hybrid(*queries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"hybrid": {"queries": list(queries), **options}}


def ids(answer: Answer) -> list[str]:
    return [row["_id"] for row in answer["hits"]["hits"]]


def scores(answer: Answer) -> list[float]:
    return [row["_score"] for row in answer["hits"]["hits"]]


def total(answer: Answer) -> int:
    return int(answer["hits"]["total"]["value"])


def finds(names: set[str]) -> Check:
    return lambda answer: set(ids(answer)) == names and len(ids(answer)) == len(names)


def falling(answer: Answer) -> bool:
    return scores(answer) == sorted(scores(answer), reverse=True)


def combined(technique: str, *weights: float, **processor: Any) -> dict[str, Any]:
    """Return a search pipeline of the request's own."""
    combination: dict[str, Any] = {"technique": technique}
    if weights:
        combination["parameters"] = {"weights": list(weights)}
    name = "score-ranker-processor" if technique == "rrf" else "normalization-processor"
    return {"phase_results_processors": [{name: {"combination": combination | processor}}]}


@dataclass(frozen=True)
class Case:
    """A search, the pipeline it names, and what must come: something true of the answer, or words of the refusal."""

    name: str
    body: dict[str, Any]
    expected: Check | str
    pipeline: str | None = "shirabe-rrf"


LEGS = hybrid(MATCH, DENSE)
CASES = (
    # Legs
    Case(
        "three legs give their union, best first",
        {"query": hybrid(MATCH, DENSE, SPARSE)},
        lambda a: total(a) == 12 and falling(a) and ids(a)[0] == "o1",
    ),
    Case(
        "a leg that finds nothing leaves the others",
        {"query": hybrid(NOTHING, DENSE)},
        lambda a: total(a) == 12 and falling(a),
    ),
    Case(
        "legs that find nothing find nothing",
        {"query": hybrid(NOTHING, NOTHING)},
        lambda a: total(a) == 0 and ids(a) == [],
    ),
    Case(
        "one leg alone is ranked",
        {"query": hybrid(MATCH)},
        lambda a: set(ids(a)) == LEXICAL and scores(a)[0] == pytest.approx(1 / 61),
    ),
    Case("five legs are the most", {"query": hybrid(*[MATCH] * 5)}, lambda a: scores(a)[0] == pytest.approx(5 / 61)),
    Case("six legs are refused", {"query": hybrid(*[MATCH] * 6)}, "Number of sub-queries exceeds"),
    Case("no legs are refused", {"query": hybrid()}, "query malformed"),
    Case(
        "a leg may filter itself", {"query": hybrid({"bool": {"must": [MATCH], "filter": [SPEC]}}, SPEC)}, finds(SPECS)
    ),
    Case(
        "raw vectors and tokens need no model",
        {
            "query": hybrid(
                {"knn": {"dense": {"vector": [1.0] * 64, "k": 12}}},
                {"neural_sparse": {"sparse": {"query_tokens": {"3": 1.0}}}},
            )
        },
        lambda a: total(a) == 12,
    ),
    Case(
        "a named leg says where it matched",
        {"query": hybrid({"match": {"text": {"query": "cancel", "_name": "lexical"}}}, DENSE), "size": 12},
        lambda a: {r["_id"] for r in a["hits"]["hits"] if r.get("matched_queries")} == {"o1", "o2", "k1"},
    ),
    # Filters
    Case("a filter binds every leg", {"query": hybrid(MATCH, DENSE, SPARSE, filter=SPEC)}, finds(SPECS)),
    Case(
        "a filter that nothing fulfils finds nothing",
        {"query": hybrid(MATCH, DENSE, filter={"term": {"kind": "poem"}})},
        finds(set()),
    ),
    Case("a post filter narrows what was fused", {"query": LEGS, "post_filter": SPEC}, finds(SPECS)),
    Case(
        "a neural query filters inside the graph search",
        {"query": {"neural": {"dense": {"query_text": QUESTION, "k": 3, "filter": {"term": {"lang": "ja"}}}}}},
        finds({"j1", "j2", "j3"}),
    ),
    # Pages
    Case(
        "depth bounds what each leg gives",
        {"query": hybrid(MATCH, DENSE, pagination_depth=3)},
        lambda a: len(ids(a)) <= 6 and len(ids(a)) < 12,
    ),
    Case("without depth size bounds the legs", {"query": LEGS, "size": 1}, lambda a: len(ids(a)) == 1),
    Case("a page needs a depth", {"query": LEGS, "from": 3, "size": 3}, "pagination_depth param is missing"),
    Case(
        "a page beyond the depth is refused",
        {"query": hybrid(MATCH, DENSE, pagination_depth=5), "from": 50},
        "Reached end of search result",
    ),
    Case(
        "depth 0 is refused", {"query": hybrid(MATCH, DENSE, pagination_depth=0)}, "pagination_depth must not be zero"
    ),
    Case(
        "a negative depth is refused",
        {"query": hybrid(MATCH, DENSE, pagination_depth=-1)},
        "pagination_depth should be greater than 0",
    ),
    Case(
        "depth ends at the result window",
        {"query": hybrid(MATCH, DENSE, pagination_depth=10_001)},
        "index.max_result_window",
    ),
    Case("scrolling is refused", {"query": LEGS}, "Scroll operation is not supported", "shirabe-rrf&scroll=1m"),
    Case("size 0 counts", {"query": LEGS, "size": 0}, lambda a: total(a) == 12 and ids(a) == []),
    Case("search_after needs a sort", {"query": LEGS, "search_after": [8]}, "Sort must contain at least one field"),
    Case(
        "search_after goes on in a sort",
        {"query": LEGS, "sort": [{"number": "desc"}], "search_after": [3], "size": 12},
        lambda a: [r["sort"] for r in a["hits"]["hits"]] == [[2], [1], [0]],
    ),
    # Sort, aggregations, and what else stands beside a query
    Case(
        "a sort by a field drops scores",
        {"query": LEGS, "sort": [{"number": "desc"}], "size": 12},
        lambda a: ids(a) == list(reversed(TEXTS)) and set(scores(a)) == {None},
    ),
    Case("a sort by score is the order of fusion", {"query": LEGS, "sort": ["_score"], "size": 12}, falling),
    Case(
        "a sort by score and a field is refused",
        {"query": LEGS, "sort": ["_score", {"number": "asc"}]},
        "_score sort criteria cannot be applied with any other",
    ),
    Case(
        "aggregations see all that the legs found",
        {"query": LEGS, "size": 1, "aggs": {"kinds": {"terms": {"field": "kind"}}}},
        lambda a: (
            {b["key"]: b["doc_count"] for b in a["aggregations"]["kinds"]["buckets"]}
            == {"guide": 4, "spec": 4, "note": 4}
        ),
    ),
    Case(
        "aggregations answer without hits",
        {"query": hybrid(MATCH, DENSE, filter=SPEC), "size": 0, "aggs": {"kinds": {"terms": {"field": "kind"}}}},
        lambda a: [(b["key"], b["doc_count"]) for b in a["aggregations"]["kinds"]["buckets"]] == [("spec", 4)],
    ),
    Case(
        "collapse gives one hit a value",
        {"query": LEGS, "collapse": {"field": "kind"}},
        lambda a: sorted(r["fields"]["kind"][0] for r in a["hits"]["hits"]) == ["guide", "note", "spec"] and falling(a),
    ),
    Case(
        "highlights come from the lexical leg",
        {"query": LEGS, "size": 1, "highlight": {"fields": {"text": {}}}},
        lambda a: a["hits"]["hits"][0]["highlight"]["text"] == ["how to <em>cancel</em> an <em>order</em>"],
    ),
    Case(
        "min_score is over fused ranks",
        {"query": LEGS, "min_score": 1.5 / 61},
        lambda a: set(ids(a)) == LEXICAL and total(a) == 5,
    ),
    Case(
        "min_score is over scaled scores",
        {"query": LEGS, "min_score": 0.6},
        lambda a: ids(a)[0] == "o1" and min(scores(a)) >= 0.6,
        "shirabe-norm",
    ),
    Case(
        "fields come without _source",
        {"query": LEGS, "size": 1, "_source": False, "fields": ["kind"]},
        lambda a: a["hits"]["hits"][0]["fields"] == {"kind": ["guide"]} and "_source" not in a["hits"]["hits"][0],
    ),
    Case(
        "a rescore moves within the legs",
        {"query": LEGS, "rescore": {"window_size": 5, "query": {"rescore_query": {"match": {"text": "ships"}}}}},
        lambda a: ids(a)[0] == "o2",
    ),
    Case(
        "boosting the whole is refused",
        {"query": {"hybrid": {"queries": [MATCH], "boost": 2.0}}},
        "does not support [boost]",
    ),
    Case(
        "in a function_score it is refused",
        {"query": {"function_score": {"query": LEGS}}},
        "hybrid query must be a top level query",
    ),
    Case(
        "in a constant_score it is refused",
        {"query": {"constant_score": {"filter": LEGS}}},
        "hybrid query must be a top level query",
    ),
    # Taken by 3.6, and not what was meant: the docs warn of both.
    Case(
        "in a bool scores are added, not fused", {"query": {"bool": {"must": [LEGS]}}}, lambda a: scores(a)[0] > 2 / 61
    ),
    Case(
        "without a pipeline scores are of each leg, with marks between",
        {"query": hybrid(MATCH, SPEC)},
        lambda a: min(scores(a)) < -1e9,
        None,
    ),
    # Pipelines
    Case(
        "an unknown pipeline is refused", {"query": LEGS}, "Pipeline shirabe-nothing is not defined", "shirabe-nothing"
    ),
    Case(
        "scaled scores lie between 0 and 1",
        {"query": hybrid(MATCH, DENSE, SPARSE)},
        lambda a: scores(a)[0] == pytest.approx(1.0) and min(scores(a)) >= 0,
        "shirabe-norm",
    ),
    Case(
        "weights must sum to 1",
        {"query": hybrid(MATCH, SPEC), "search_pipeline": combined("arithmetic_mean", 0.3, 0.3)},
        "sum of weights for combination must be equal to 1.0",
        None,
    ),
    Case(
        "weights are one a leg",
        {"query": hybrid(MATCH, SPEC), "search_pipeline": combined("arithmetic_mean", 0.3, 0.3, 0.4)},
        "number of weights [3] must match number of sub-queries [2]",
        None,
    ),
    Case(
        "weights move the order",
        {"query": hybrid(MATCH, SPEC), "search_pipeline": combined("rrf", 0.01, 0.99), "size": 4},
        finds(SPECS),
        None,
    ),
    Case(
        "a rank constant of 0 is refused",
        {"query": hybrid(MATCH, SPEC), "search_pipeline": combined("rrf", rank_constant=0)},
        "rank constant must be in the interval between 1 and 10000",
        None,
    ),
    Case(
        "an unknown technique is refused",
        {"query": hybrid(MATCH, SPEC), "search_pipeline": combined("vote")},
        "combination technique is not supported",
        None,
    ),
    # Models
    Case(
        "an unknown model is refused",
        {"query": hybrid(MATCH, {"neural": {"dense": {"query_text": "x", "k": 3, "model_id": "nobody"}}})},
        "Failed to find model with the provided model id: nobody",
    ),
    Case("without our pipelines a model must be named", {"query": DENSE}, "model_id must be provided", None),
    Case(
        "an empty question is refused",
        {"query": {"neural": {"dense": {"query_text": "", "k": 3}}}},
        "Either query_text or query_image must be provided",
    ),
    Case(
        "a neural query asks a vector field",
        {"query": {"neural": {"kind": {"query_text": "x", "k": 3}}}},
        "its type is not supported",
    ),
    Case(
        "without k ten are found",
        {"query": {"neural": {"dense": {"query_text": QUESTION}}}, "size": 12},
        lambda a: len(ids(a)) == 10,
    ),
    Case(
        "min_score finds what is near enough",
        {"query": {"neural": {"dense": {"query_text": QUESTION, "min_score": 0.7}}}, "size": 12},
        lambda a: 0 < len(ids(a)) < 12 and min(scores(a)) >= 0.7,
    ),
    Case(
        "a question that is JSON is text to an embedder",
        {"query": {"neural": {"dense": {"query_text": '{"a": 1}', "k": 3}}}},
        lambda a: len(ids(a)) == 3,
    ),
    # Reranking
    Case(
        "the reranker's scores are the answer's",
        {"query": LEGS, "ext": RERANK},
        lambda a: set(ids(a)[:2]) == {"o1", "o2"} and scores(a)[0] == pytest.approx(0.731, abs=1e-3) and falling(a),
        "shirabe-rrf-rerank",
    ),
    Case(
        "the question may be pointed at",
        {
            "query": LEGS,
            "ext": {"rerank": {"query_context": {"query_text_path": "query.hybrid.queries.0.match.text.query"}}},
        },
        lambda a: scores(a)[0] == pytest.approx(0.731, abs=1e-3),
        "shirabe-rrf-rerank",
    ),
    Case(
        "without a question the order before stays",
        {"query": LEGS},
        lambda a: scores(a)[0] == pytest.approx(2 / 61) and falling(a),
        "shirabe-rrf-rerank",
    ),
    Case(
        "without the text in _source the order before stays",
        {"query": LEGS, "ext": RERANK, "_source": False},
        lambda a: scores(a)[0] == pytest.approx(2 / 61),
        "shirabe-rrf-rerank",
    ),
    Case(
        "nothing to rerank is no fault",
        {"query": LEGS, "size": 0, "ext": RERANK},
        lambda a: total(a) == 12,
        "shirabe-rrf-rerank",
    ),
)
