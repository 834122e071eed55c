"""What people asked and opened, and what the sources' syncs did: kept for dashboards, read by nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shirabe.types.search import Mode, Rerank


@dataclass(frozen=True, slots=True)
class LoggedSearch:
    """One answered search. Times are aware UTC; `client` is a pseudonym, empty when nobody gave one.

    `filters` names the fields that were filtered, never their values; `chunk_ids` is what was shown, best first.
    """

    query_id: str
    at: datetime
    text: str
    lang: str
    mode: Mode
    rerank: Rerank
    top_k: int
    filters: tuple[str, ...]
    chunk_ids: tuple[str, ...]
    took_ms: float
    stages_ms: Mapping[str, float]
    generation: str
    degraded: tuple[str, ...] = ()
    client: str = ""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """Something done with a hit: `action` such as `click`, and the place (1-based) at which the hit stood."""

    query_id: str
    at: datetime
    action: str
    chunk_id: str
    ordinal: int
    client: str = ""


@dataclass(frozen=True, slots=True)
class LoggedSync:
    """One sync of a source: what it did, and how the source stands after it.

    `lag_s` is how old the index's copy was when the sync ended: seconds since the sync before that succeeded, None when
    none had. `outcome` is `ok` or the name of the error. `held` counts documents, chunks and failures after the sync.
    """

    source: str
    kind: str
    started: datetime
    finished: datetime
    outcome: str
    generation: str
    lag_s: float | None = None
    documents: int = 0
    deleted: int = 0
    failed: int = 0
    chunks: int = 0
    embedded: int = 0
    cached: int = 0
    held: Mapping[str, int] = field(default_factory=dict)


Activity = LoggedSearch | LoggedEvent | LoggedSync
