"""What the cluster does to texts on their way in, and to answers on their way out."""

from __future__ import annotations

from typing import Any, Final

from opensearch.documents import LENGTH_EXPONENT, MAX_FEATURES
from opensearch.plugin.calls import Ref
from opensearch.plugin.connectors import DENSE_PASSAGE, DENSE_QUERY, RERANK, SPARSE_PASSAGE, SPARSE_QUERY
from opensearch.plugin.marks import PREFIX, described
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import INGEST_PIPELINE, MODEL, SEARCH_PIPELINE, Thing
from shirabe.fusion import RANK_CONSTANT

TEXT: Final = f"{PREFIX}text"
"""One document is one passage."""
CHUNKED: Final = f"{PREFIX}chunked"
"""A document of any length becomes passages."""
NORM: Final = f"{PREFIX}norm"
RRF: Final = f"{PREFIX}rrf"
RRF_RERANK: Final = f"{PREFIX}rrf-rerank"

CHUNK_DENSE: Final = "chunk_dense"
CHUNK_SPARSE: Final = "chunk_sparse"
# The names that the two embedding processors give inside a list.
DENSE_KEY: Final = "knn"
SPARSE_KEY: Final = "sparse_encoding"

_BATCH: Final = 32
_OVERLAP: Final = 0.1
_MOST_WORDS: Final = 384

# What `opensearch.documents.passage_weights` does: the heaviest features, divided by a power of their sum. Parameters,
# because Painless compiles a script once for all of them.
_WEIGH: Final = """
Map weighed(Map features, double exponent, int most) {
  double sum = 0.0;
  for (def weight : features.values()) { sum += ((Number) weight).doubleValue(); }
  if (sum <= 0.0) { return features; }
  double scale = Math.pow(sum, exponent);
  List entries = new ArrayList(features.entrySet());
  entries.sort((a, b) -> Double.compare(((Number) b.getValue()).doubleValue(), ((Number) a.getValue()).doubleValue()));
  Map kept = new HashMap();
  for (int i = 0; i < entries.size() && i < most; i++) {
    double weight = ((Number) entries.get(i).getValue()).doubleValue() / scale;
    kept.put(entries.get(i).getKey(), weight);
  }
  return kept;
}
def found = ctx[params.field];
if (found instanceof Map) { ctx[params.field] = weighed(found, params.exponent, params.most); }
else if (found instanceof List) {
  for (def one : found) { one.put(params.key, weighed(one.get(params.key), params.exponent, params.most)); }
}
"""


def ingest_pipelines(served: ServedModels) -> list[Thing]:
    """Return the pipeline for passages and the one that cuts passages itself."""
    # Japanese counts a word a letter here, English about three quarters of a token: neither fills the model.
    words = min(_MOST_WORDS, served.max_tokens * 3 // 5)
    chunking = {
        "text_chunking": {
            "algorithm": {
                "fixed_token_length": {
                    "token_limit": words,
                    "overlap_rate": _OVERLAP,
                    "tokenizer": "standard",
                    "max_chunk_limit": -1,
                }
            },
            "field_map": {"text": "chunks"},
        }
    }
    return [
        Thing(
            INGEST_PIPELINE,
            TEXT,
            {
                "description": described("dense and sparse vectors of text"),
                "processors": _embedding(served, "text", "dense", "sparse"),
            },
        ),
        Thing(
            INGEST_PIPELINE,
            CHUNKED,
            {
                "description": described(f"text in chunks of at most {words} words, dense and sparse vectors of each"),
                "processors": [chunking, *_embedding(served, "chunks", CHUNK_DENSE, CHUNK_SPARSE)],
            },
        ),
    ]


def search_pipelines(served: ServedModels) -> list[Thing]:
    """Return the named pipelines. None is ever an index's default: Dashboards asks in ways that they cannot answer."""
    scores = {"normalization": {"technique": "min_max"}, "combination": {"technique": "arithmetic_mean"}}
    norm = {"normalization-processor": scores}
    ranks = {"score-ranker-processor": {"combination": {"technique": "rrf", "rank_constant": RANK_CONSTANT}}}
    found = [
        _search_pipeline(NORM, "scores scaled to 0..1, their mean", served, norm, []),
        _search_pipeline(RRF, "reciprocal rank fusion", served, ranks, []),
    ]
    if served.reranker is not None:
        rerank = {
            "rerank": {
                # Without the model server the order before it is the answer.
                "ignore_failure": True,
                "ml_opensearch": {"model_id": Ref(MODEL.title, RERANK)},
                "context": {"document_fields": ["text"]},
            }
        }
        what = f"reciprocal rank fusion, then {served.reranker} over text"
        found.append(_search_pipeline(RRF_RERANK, what, served, ranks, [rerank]))
    return found


def _embedding(served: ServedModels, text: str, dense: str, sparse: str) -> list[dict[str, Any]]:
    processors: list[dict[str, Any]] = [
        {
            "text_embedding": {
                "model_id": Ref(MODEL.title, DENSE_PASSAGE),
                "field_map": {text: dense},
                "batch_size": _BATCH,
            }
        }
    ]
    if served.sparse:
        processors += [
            {
                "sparse_encoding": {
                    "model_id": Ref(MODEL.title, SPARSE_PASSAGE),
                    "field_map": {text: sparse},
                    "batch_size": _BATCH,
                }
            },
            {
                "script": {
                    "lang": "painless",
                    "source": _WEIGH,
                    "params": {
                        "field": sparse,
                        "key": SPARSE_KEY,
                        "exponent": LENGTH_EXPONENT,
                        "most": MAX_FEATURES,
                    },
                }
            },
        ]
    return processors


def _search_pipeline(
    name: str, what: str, served: ServedModels, fusion: dict[str, Any], after: list[dict[str, Any]]
) -> Thing:
    dense = Ref(MODEL.title, DENSE_QUERY)
    fields: dict[str, Any] = {"dense": dense, f"{CHUNK_DENSE}.{DENSE_KEY}": dense}
    if served.sparse:
        sparse = Ref(MODEL.title, SPARSE_QUERY)
        fields |= {"sparse": sparse, f"{CHUNK_SPARSE}.{SPARSE_KEY}": sparse}
    enricher = {"neural_query_enricher": {"default_model_id": dense, "neural_field_default_id": fields}}
    body: dict[str, Any] = {
        "description": described(what),
        "request_processors": [enricher],
        "phase_results_processors": [fusion],
    }
    if after:
        body["response_processors"] = after
    return Thing(SEARCH_PIPELINE, name, body)
