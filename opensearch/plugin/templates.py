"""The index template for indexes that a plain client writes to, with the fields and analyzers of our own index."""

from __future__ import annotations

from typing import Any, Final

from opensearch.analysis import KUROMOJI, analysis
from opensearch.mapping import index_body
from opensearch.plugin.guards import guard_name
from opensearch.plugin.marks import PREFIX, described
from opensearch.plugin.pipelines import CHUNK_DENSE, CHUNK_SPARSE, DENSE_KEY, SPARSE_KEY, TEXT
from opensearch.plugin.served import ServedModels
from opensearch.plugin.shelves import INDEX_TEMPLATE, Thing
from shirabe.settings import Japanese
from shirabe.types import ModelInfo

PATTERN: Final = f"{PREFIX}text-*"
_PRIORITY: Final = 500
_SHARED_FIELDS: Final = ("title", "text", "headings", "path", "source", "kind", "lang", "uri", "updated_at", "dense")
_PLAIN_TEXTS: Final = ("title", "text")


def index_template(served: ServedModels, japanese: Japanese) -> Thing:
    """Return the template of every index that begins with `shirabe-text-`."""
    return Thing(
        INDEX_TEMPLATE,
        TEXT,
        {
            "index_patterns": [PATTERN],
            "priority": _PRIORITY,
            "template": {
                "settings": {
                    "index": {
                        "knn": True,
                        "number_of_shards": 1,
                        "auto_expand_replicas": "0-1",
                        "refresh_interval": "1s",
                        "default_pipeline": TEXT,
                        "final_pipeline": guard_name(served),
                        # Chunking counts words; a long document has more than the engine's 10 000.
                        "analyze": {"max_token_count": 1_000_000},
                        "analysis": analysis(japanese),
                    }
                },
                "mappings": {
                    "_meta": {"model": served.name, "model_revision": served.revision, "dim": served.dim},
                    "dynamic_templates": [
                        {
                            "strings": {
                                "match_mapping_type": "string",
                                "mapping": {"type": "keyword", "ignore_above": 1_024},
                            }
                        }
                    ],
                    "properties": fields(served),
                },
            },
            "_meta": {"description": described("indexes whose texts are embedded on their way in")},
        },
    )


def fields(served: ServedModels) -> dict[str, Any]:
    """Return the mapping: our own fields, texts that can also be asked as they are, and vectors of chunks."""
    model = ModelInfo(served.name, served.revision, served.dim, served.max_tokens)
    own: dict[str, Any] = index_body(model, "", single_node=False)["mappings"]["properties"]
    properties = {name: own[name] for name in _SHARED_FIELDS}
    for name in _PLAIN_TEXTS:
        # Whoever writes `match: {text: …}` finds something: ours are asked through their sub-fields only.
        properties[name] = {**own[name], "index": True, "analyzer": KUROMOJI}
    properties["chunks"] = {"type": "text", "index": False}
    properties[CHUNK_DENSE] = {"type": "nested", "properties": {DENSE_KEY: own["dense"]}}
    if served.sparse:
        properties["sparse"] = own["sparse"]
        properties[CHUNK_SPARSE] = {"type": "nested", "properties": {SPARSE_KEY: own["sparse"]}}
    return properties
