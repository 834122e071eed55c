"""The index: one OpenSearch document per chunk."""

from __future__ import annotations

from typing import Any

from opensearch.analysis import ANALYZER_VERSION, BIGRAM, ENGLISH, IDENTIFIERS, KUROMOJI, READING, analysis
from opensearch.code_search import CODE_FIELDS
from opensearch.shape import Shape
from shirabe.settings import IN_LUCENE, Compression
from shirabe.types import ModelInfo

SHOWN_FIELDS = (
    "chunk_id",
    "doc_id",
    "source",
    "path",
    "uri",
    "locator",
    "revision",
    "kind",
    "lang",
    "version_key",
    "content_hash",
    "ordinal",
    "updated_at",
    "title",
    "headings",
    "context",
    "text",
    "meta",
)
"""What a hit needs of `_source`."""

UNSOURCED_FIELDS = ("dense", "sparse", "late", *CODE_FIELDS)
"""Searched or read from their own columns only."""


def index_meta(model: ModelInfo, chunker_version: str) -> dict[str, Any]:
    """Return what a generation records of how it was built."""
    return {
        "model": model.name,
        "model_revision": model.revision,
        "dim": model.dim,
        "chunker_version": chunker_version,
        "analyzer_version": ANALYZER_VERSION,
    }


def index_body(
    model: ModelInfo,
    chunker_version: str,
    *,
    single_node: bool,
    shape: Shape = Shape(),  # noqa: B008 - frozen
) -> dict[str, Any]:
    """Return settings and mappings of a new generation.

    A replica that recovers reads `_source`. On a single node there is none, so vectors are in no stored field at all
    (half the disk); on a cluster they stay in `_source`, because leaving them out would make the engine keep the whole
    document a second time for recovery, which is larger still.
    """
    if single_node:
        copies: dict[str, Any] = {"number_of_replicas": 0}
        source: dict[str, Any] = {"excludes": list(UNSOURCED_FIELDS), "recovery_source_enabled": False}
    else:
        copies = {"auto_expand_replicas": "0-1"}
        source = {"enabled": True}
    return {
        "settings": {
            "index": {
                "knn": True,
                **_graphs(shape.compression),
                "number_of_shards": shape.shards,
                **copies,
                # Explicit, or the engine stops refreshing after 30 s without a search. Every run ends with a refresh of
                # its own; in a long one, a segment a second would be merged, and its graph built, again and again.
                "refresh_interval": "30s",
                # Tombstones outlive any late writer of an older version.
                "gc_deletes": "1h",
                "query": {"default_field": ["title.kuromoji", "text.kuromoji", "text.english", "text.identifiers"]},
            },
            "analysis": analysis(shape.japanese, shape.user_dictionary),
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": index_meta(model, chunker_version),
            "_source": source,
            "properties": _properties(model.dim, shape.compression),
        },
    }


def _properties(dim: int, compression: Compression) -> dict[str, Any]:
    keyword = {"type": "keyword"}
    # Every value whole, found by parts of it and by regular expressions: one is a name, or a line.
    whole = {"type": "wildcard", "doc_values": True}
    shown_only = {"type": "keyword", "index": False, "doc_values": False}
    return {
        "chunk_id": keyword,
        "doc_id": keyword,
        "source": keyword,
        "path": keyword | {"fields": {"identifiers": _terms(IDENTIFIERS)}},
        "uri": shown_only,
        "locator": shown_only,
        "revision": keyword,
        "kind": keyword,
        "lang": keyword,
        "version_key": keyword,
        "content_hash": {"type": "keyword", "index": False},
        "ordinal": {"type": "integer"},
        "updated_at": {"type": "date"},
        "term_names": keyword,
        "title": _text(KUROMOJI, READING, ENGLISH, IDENTIFIERS),
        "headings": _text(KUROMOJI, ENGLISH, IDENTIFIERS),
        "context": {"type": "text", "index": False},
        "text": _text(KUROMOJI, READING, BIGRAM, ENGLISH, IDENTIFIERS),
        "dense": _vector(dim, compression),
        "sparse": {"type": "rank_features"},
        "late": {"type": "binary", "doc_values": True},
        **dict.fromkeys(CODE_FIELDS, whole),
        "acl": keyword,
        "public": {"type": "boolean"},
        "meta": {"type": "object", "enabled": False},
    }


def _vector(dim: int, compression: Compression) -> dict[str, Any]:
    """Return the field of dense vectors (docs.opensearch.org, "Memory-optimized vectors").

    Lucene's and Faiss' graphs are alike; Lucene needs no native library for these. `on_disk` keeps the graph's vectors
    compressed in memory, and scores what it found anew with the whole ones, so the scores of hits are exact.
    """
    method = {
        "name": "hnsw",
        "engine": "lucene" if compression in IN_LUCENE else "faiss",
        "parameters": {"m": 16, "ef_construction": 128},
    }
    field = {"type": "knn_vector", "dimension": dim, "space_type": "cosinesimil", "method": method}
    if compression == "1x":
        return field
    # Halves are near enough to be taken as they are.
    mode = "in_memory" if compression == "2x" else "on_disk"
    return field | {"mode": mode, "compression_level": compression}


def _graphs(compression: Compression) -> dict[str, Any]:
    """Return how graphs are searched: in the files that hold them, as Lucene's always are.

    Faiss would load them, and fail once they are more than half of what the heap leaves (decision 0027).
    """
    return {} if compression in IN_LUCENE else {"knn.memory_optimized_search": True}


def _text(*analyzers: str) -> dict[str, Any]:
    """Return a field that is searched through its sub-fields only, one per analyzer."""
    return {
        "type": "text",
        "index": False,
        "fields": {analyzer.removeprefix("shirabe_"): _terms(analyzer) for analyzer in analyzers},
    }


def _terms(analyzer: str) -> dict[str, Any]:
    # Only Japanese terms take part in phrases, so only they pay for positions.
    return {
        "type": "text",
        "analyzer": analyzer,
        "index_options": "positions" if analyzer == KUROMOJI else "freqs",
    }
