"""The queries that were asked, from the log that searches leave in the UBI schema."""

from __future__ import annotations

from typing import Any, Final

from opensearchpy import AsyncOpenSearch

from opensearch.activity_documents import APPLICATION, ActivityIndexes
from opensearch.client import asking

_ROWS: Final = 5_000


async def logged_queries(client: AsyncOpenSearch, alias: str, count: int) -> list[str]:
    """Return the latest queries that generations of an alias answered, each once, newest first, `count` at most.

    None when there is no log, which several Shirabes on a cluster share.

    Raises: Unavailable, Timeout.
    """
    body = {
        "query": {"bool": {"filter": [{"term": {"application": APPLICATION}}, _answered_by(alias)]}},
        "sort": [{"timestamp": {"order": "desc", "unmapped_type": "date"}}],
        "size": _ROWS,
        "_source": ["user_query"],
        "track_total_hits": False,
    }
    with asking():
        answer = await client.search(index=ActivityIndexes().queries, body=body, params={"ignore_unavailable": "true"})
    asked = [str(hit["_source"].get("user_query", "")).strip() for hit in answer["hits"]["hits"]]
    return list(dict.fromkeys(text for text in asked if text))[:count]


def _answered_by(alias: str) -> dict[str, Any]:
    return {"prefix": {"query_attributes.generation": f"{alias}-0"}}
