"""What the facade tells the log of activity: searches that were answered, and what was done with their hits."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from api.event_models import EventBody
from shirabe.protocols import ActivityLog
from shirabe.types import LoggedEvent, LoggedSearch, Query, SearchResult

_JAPANESE: Final = re.compile("[\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f]")
_PSEUDONYM_BYTES: Final = 16


class QueryLog:
    """Without an `activity` log nothing is kept, and no search gets a name.

    Who asks is kept as a pseudonym only, made with a key that no one has and that goes with this process: queries of
    one client can be told to be of one, not of whom. What a principal is called is not kept in any form.
    """

    def __init__(self, activity: ActivityLog | None) -> None:
        self._activity = activity
        self._key = secrets.token_bytes(32)

    def searched(self, query: Query, result: SearchResult, client_id: str | None) -> str | None:
        """Keep one answered search, and return the name that its events refer to; None when none is kept."""
        if self._activity is None:
            return None
        query_id = str(uuid.uuid4())
        self._activity.record(
            LoggedSearch(
                query_id=query_id,
                at=datetime.now(UTC),
                text=query.text,
                lang="ja" if _JAPANESE.search(query.text) else "en",
                mode=query.mode,
                rerank=query.rerank,
                top_k=query.top_k,
                filters=tuple(sorted(query.filters)),
                chunk_ids=tuple(hit.stored.chunk.chunk_id for hit in result.hits),
                took_ms=result.took_ms,
                stages_ms=result.stages_ms,
                generation=result.generation,
                degraded=result.degraded,
                client=self._pseudonym(client_id),
            )
        )
        return query_id

    def happened(self, events: Sequence[EventBody]) -> int:
        """Keep events, stamped with the time of now, and return how many were taken."""
        if self._activity is None:
            return 0
        at = datetime.now(UTC)
        for event in events:
            attributes = event.event_attributes
            self._activity.record(
                LoggedEvent(
                    query_id=str(event.query_id),
                    at=at,
                    action=event.action_name,
                    chunk_id=attributes.object.object_id,
                    ordinal=attributes.position.ordinal,
                    client=self._pseudonym(event.client_id),
                )
            )
        return len(events)

    def _pseudonym(self, client_id: str | None) -> str:
        if not client_id:
            return ""
        return hmac.digest(self._key, client_id.encode("utf-8", "surrogatepass"), hashlib.sha256)[
            :_PSEUDONYM_BYTES
        ].hex()
