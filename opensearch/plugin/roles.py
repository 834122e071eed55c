"""Who may do what, in the words of the security plugin: as little as the task needs.

Mapping people to the roles is the operator's. The reader does not see the index behind the facade: whose documents are
whose is checked in the facade, and OpenSearch's own document-level security does not bear hybrid queries before 3.9.
"""

from __future__ import annotations

from typing import Final

from opensearch.activity_documents import ActivityIndexes
from opensearch.japanese_choice import NODES_INFO
from opensearch.plugin.marks import PREFIX, described
from opensearch.plugin.shelves import ROLE, Thing
from opensearch.plugin.templates import PATTERN

WRITER: Final = f"{PREFIX}writer"
READER: Final = f"{PREFIX}reader"
DASHBOARDS: Final = f"{PREFIX}dashboards"

# The processors and the `neural` query look at a model before they ask it.
_ASK_MODELS: Final = ("cluster:admin/opensearch/ml/predict", "cluster:admin/opensearch/ml/models/get")
LOG_PATTERNS: Final = tuple(f"{name}*" for name in ActivityIndexes().names())
"""Where the facade logs queries, clicks and syncs."""


def roles(alias: str) -> list[Thing]:
    """Return the roles of ingest and the facade, of who searches with OpenSearch's own queries, and of Dashboards."""
    generations = [alias, f"{alias}-*"]
    return [
        _role(
            WRITER,
            "ingest, the facade, and clients that index texts",
            [
                "cluster:monitor/main",
                "cluster:monitor/health",
                NODES_INFO,
                "cluster_composite_ops",
                # Deleting by query reads by scroll, which `cluster_composite_ops` lets one open and not close.
                "indices:data/read/scroll/clear",
                *_ASK_MODELS,
            ],
            {
                (*generations, PATTERN, *LOG_PATTERNS): [
                    "crud",
                    "create_index",
                    "manage_aliases",
                    "indices:admin/get",
                    "indices:admin/refresh*",
                    "indices:monitor/stats",
                ],
                # Generations are collected, and what blocks one is told.
                (*generations,): ["indices:admin/delete", "indices:monitor/settings/get"],
            },
        ),
        _role(
            READER,
            "searching texts with OpenSearch's own queries",
            ["cluster_composite_ops_ro", *_ASK_MODELS],
            {(PATTERN,): ["read"]},
        ),
        _role(
            DASHBOARDS,
            "the dashboards, which show every document whoever may see it",
            ["cluster_composite_ops_ro", *_ASK_MODELS],
            {(*generations, PATTERN, *LOG_PATTERNS): ["read", "indices:admin/get", "indices:monitor/stats"]},
        ),
    ]


def _role(name: str, what: str, cluster: list[str], indexes: dict[tuple[str, ...], list[str]]) -> Thing:
    permissions = [
        {"index_patterns": list(patterns), "allowed_actions": allowed} for patterns, allowed in indexes.items()
    ]
    body = {"description": described(what), "cluster_permissions": cluster, "index_permissions": permissions}
    return Thing(ROLE, name, body)
