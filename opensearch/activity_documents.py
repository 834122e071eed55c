"""Activity as OpenSearch documents, and the indexes that hold them. Pure.

Queries and clicks are kept in the indexes of the User Behavior Insights (UBI) specification 1.3, with the mappings of
its plugin 3.6. There the attributes of a query are one `flat_object`, whose parts are text and cannot be summed; so the
figures of each search are kept once more, typed, in an index of our own.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from shirabe.types import Activity, LoggedEvent, LoggedSearch, LoggedSync

APPLICATION: Final = "shirabe"
"""Who wrote a document, where others write too."""
OBJECT_ID_FIELD: Final = "chunk_id"
MAX_TERM_BYTES: Final = 32_766
"""The longest keyword the engine takes; UBI's mapping sets no bound of its own."""

_STAGES: Final = ("embed", "glossary", "legs", "fetch", "late", "cross", "versions", "highlight")
_KEYWORD: Final = {"type": "keyword"}
_SHORT: Final = {"type": "keyword", "ignore_above": 100}
_NAME: Final = {"type": "keyword", "ignore_above": 256}
_INTEGER: Final = {"type": "integer"}
_FLOAT: Final = {"type": "float"}
_WORDS: Final = {"type": "text", "fields": {"keyword": _NAME}}
_OWN_INDEX: Final = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
_UBI_INDEX: Final = {"number_of_shards": 1, "auto_expand_replicas": "0-2", "priority": 2**31 - 1}


@dataclass(frozen=True, slots=True)
class ActivityIndexes:
    """The names of the indexes. UBI gives the first two theirs."""

    queries: str = "ubi_queries"
    events: str = "ubi_events"
    searches: str = "shirabe-searches"
    syncs: str = "shirabe-syncs"

    def names(self) -> tuple[str, ...]:
        """Return every name."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class ActivityDocument:
    """One document to write; its id is drawn once, so that writing it again changes nothing."""

    index: str
    document_id: str
    body: dict[str, Any]


def index_bodies(indexes: ActivityIndexes) -> dict[str, dict[str, Any]]:
    """Return settings and mappings of every index."""
    return {
        indexes.queries: {"settings": {"index": _UBI_INDEX}, "mappings": _queries_mapping()},
        indexes.events: {"settings": {"index": _UBI_INDEX}, "mappings": _events_mapping()},
        indexes.searches: {"settings": {"index": _OWN_INDEX}, "mappings": _searches_mapping()},
        indexes.syncs: {"settings": {"index": _OWN_INDEX}, "mappings": _syncs_mapping()},
    }


def outdated_queries(indexes: ActivityIndexes, days: int) -> dict[str, dict[str, Any]]:
    """Return, by index, the query of our own documents that are older than `days` days."""
    before = f"now-{days}d"
    ours = {"term": {"application": APPLICATION}}

    def older(field: str, *also: dict[str, Any]) -> dict[str, Any]:
        return {"bool": {"filter": [{"range": {field: {"lt": before}}}, *also]}}

    return {
        indexes.queries: older("timestamp", ours),
        indexes.events: older("timestamp", ours),
        indexes.searches: older("timestamp"),
        indexes.syncs: older("finished"),
    }


def documents_of(entry: Activity, indexes: ActivityIndexes) -> list[ActivityDocument]:
    """Return the documents that an entry becomes."""
    if isinstance(entry, LoggedSearch):
        return [
            ActivityDocument(indexes.queries, entry.query_id, _query(entry)),
            ActivityDocument(indexes.searches, entry.query_id, _search(entry)),
        ]
    if isinstance(entry, LoggedEvent):
        return [ActivityDocument(indexes.events, uuid.uuid4().hex, _event(entry))]
    return [ActivityDocument(indexes.syncs, uuid.uuid4().hex, _sync(entry))]


def _query(entry: LoggedSearch) -> dict[str, Any]:
    return {
        "application": APPLICATION,
        "query_id": entry.query_id,
        **_client(entry.client),
        "user_query": _term(entry.text),
        "timestamp": _stamp(entry.at),
        "query_response_id": entry.query_id,
        "query_response_hit_ids": list(entry.chunk_ids),
        "object_id_field": OBJECT_ID_FIELD,
        "query_attributes": {**_facts(entry), "stages_ms": _rounded(entry)},
    }


def _search(entry: LoggedSearch) -> dict[str, Any]:
    return {
        "query_id": entry.query_id,
        "timestamp": _stamp(entry.at),
        "user_query": _term(entry.text),
        **_facts(entry),
        "stages_ms": _rounded(entry),
    }


def _facts(entry: LoggedSearch) -> dict[str, Any]:
    return {
        "mode": entry.mode,
        "rerank": entry.rerank,
        "lang": entry.lang,
        "filters": list(entry.filters),
        "top_k": entry.top_k,
        "hits": len(entry.chunk_ids),
        "took_ms": round(entry.took_ms, 2),
        "generation": entry.generation,
        "degraded": list(entry.degraded),
    }


def _event(entry: LoggedEvent) -> dict[str, Any]:
    return {
        "application": APPLICATION,
        "action_name": entry.action,
        "query_id": entry.query_id,
        **_client(entry.client),
        "timestamp": _stamp(entry.at),
        "event_attributes": {
            "object": {"object_id": entry.chunk_id, "object_id_field": OBJECT_ID_FIELD},
            "position": {"ordinal": entry.ordinal},
        },
    }


def _sync(entry: LoggedSync) -> dict[str, Any]:
    body: dict[str, Any] = {
        "source": entry.source,
        "kind": entry.kind,
        "started": _stamp(entry.started),
        "finished": _stamp(entry.finished),
        "took_s": round((entry.finished - entry.started).total_seconds(), 3),
        "outcome": entry.outcome,
        "generation": entry.generation,
        "documents": entry.documents,
        "deleted": entry.deleted,
        "failed": entry.failed,
        "chunks": entry.chunks,
        "embedded": entry.embedded,
        "cached": entry.cached,
        "held": dict(entry.held),
    }
    if entry.lag_s is not None:
        body["lag_s"] = round(entry.lag_s, 3)
    return body


def _client(client: str) -> dict[str, str]:
    return {"client_id": client} if client else {}


def _rounded(entry: LoggedSearch) -> dict[str, float]:
    return {stage: round(took, 2) for stage, took in entry.stages_ms.items()}


def _term(text: str) -> str:
    return text.encode("utf-8", "replace")[:MAX_TERM_BYTES].decode("utf-8", "ignore")


def _stamp(at: datetime) -> str:
    # UBI's format wants the fraction and the zone.
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _queries_mapping() -> dict[str, Any]:
    return {
        "dynamic": False,
        "properties": {
            "timestamp": {"type": "date", "format": "strict_date_time"},
            "query_id": _SHORT,
            "query": {"type": "text"},
            "query_response_id": _SHORT,
            "query_response_hit_ids": _KEYWORD,
            "user_query": _KEYWORD,
            "query_attributes": {"type": "flat_object"},
            "client_id": _SHORT,
            "application": _SHORT,
        },
    }


def _events_mapping() -> dict[str, Any]:
    position = dict.fromkeys(("ordinal", "x", "y", "page_depth", "scroll_depth"), _INTEGER)
    return {
        "properties": {
            "application": _NAME,
            "action_name": _SHORT,
            "client_id": _SHORT,
            "query_id": _SHORT,
            "message": {"type": "keyword", "ignore_above": 1024},
            "message_type": _SHORT,
            "user_query": _KEYWORD,
            "timestamp": {
                "type": "date",
                "format": "strict_date_time",
                "ignore_malformed": True,
                "doc_values": True,
            },
            "event_attributes": {
                "dynamic": True,
                "properties": {
                    "position": {"properties": {**position, "trail": _WORDS}},
                    "object": {
                        "properties": {
                            "internal_id": _KEYWORD,
                            "object_id": _NAME,
                            "object_id_field": _SHORT,
                            "name": _NAME,
                            "description": _WORDS,
                            "object_detail": {"type": "object"},
                        }
                    },
                },
            },
        }
    }


def _searches_mapping() -> dict[str, Any]:
    return {
        "dynamic": "strict",
        # A new stage of the read path needs no new index; today's are there before the first search.
        "dynamic_templates": [{"stages": {"path_match": "stages_ms.*", "mapping": _FLOAT}}],
        "properties": {
            "query_id": _KEYWORD,
            "timestamp": {"type": "date"},
            "user_query": _KEYWORD,
            "mode": _KEYWORD,
            "rerank": _KEYWORD,
            "lang": _KEYWORD,
            "filters": _KEYWORD,
            "top_k": _INTEGER,
            "hits": _INTEGER,
            "took_ms": _FLOAT,
            "generation": _KEYWORD,
            "degraded": _KEYWORD,
            "stages_ms": {"type": "object", "dynamic": True, "properties": dict.fromkeys(_STAGES, _FLOAT)},
        },
    }


def _syncs_mapping() -> dict[str, Any]:
    counts = ("documents", "deleted", "failed", "chunks", "embedded", "cached")
    return {
        "dynamic": "strict",
        "properties": {
            "source": _KEYWORD,
            "kind": _KEYWORD,
            "started": {"type": "date"},
            "finished": {"type": "date"},
            "took_s": _FLOAT,
            "outcome": _KEYWORD,
            "generation": _KEYWORD,
            "lag_s": {"type": "double"},
            **{count: {"type": "long"} for count in counts},
            "held": {"properties": {name: {"type": "long"} for name in ("documents", "chunks", "failures")}},
        },
    }
