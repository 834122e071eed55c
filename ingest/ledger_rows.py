"""What the ledger gives and takes: values, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shirabe.types import Failure


@dataclass(frozen=True, slots=True)
class Scope:
    """One source in one index. `stamp` names the model, chunker and options that its documents were made with.

    It is empty until a first run, or a full one, has ended well.
    """

    scope: int
    cursor: str | None
    stamp: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as indexed; `pending`: a write was begun and not acknowledged."""

    doc_id: str
    content_hash: str
    stamp: str
    pending: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """One document whose chunks (id to content hash) are all in the index, its orphans gone."""

    path: str
    doc_id: str
    content_hash: str
    revision: str
    stamp: str
    chunks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a document is not as its source has it.

    `fingerprint` names the content and the stamp that failed: the same is not tried again, unless `retry`.
    """

    path: str
    reason: str
    revision: str = ""
    fingerprint: str = ""
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How a scope stands, for a status; `totals` is what all runs did together."""

    documents: int
    chunks: int
    failures: tuple[Failure, ...]
    last_sync: datetime | None
    totals: Mapping[str, int]
