"""A source: what changed in it, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shirabe.types.document import Acl, Document

SourceKind = Literal["git", "openapi", "markdown", "sheet", "confluence", "issues", "glossary"]


@dataclass(frozen=True, slots=True)
class Upsert:
    """A document that is new or changed."""

    document: Document


@dataclass(frozen=True, slots=True)
class Delete:
    """A document that is gone, by its path (native id) in the source. A rename is a Delete and an Upsert."""

    path: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that could not be read; the rest of the run goes on."""

    path: str
    reason: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A document that is left out on purpose (binary, too large, link out of the tree): whatever was indexed goes."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a collector stood. `value` means something only to the collector that wrote it."""

    value: str


Change = Upsert | Delete | Failure | Skip


@dataclass(frozen=True, slots=True)
class Source:
    """A configured source. `source_id` is the user's name for it.

    `poll_s` is how often it is looked at while watched, seconds; None: as often as the others. `declared`: it is in
    `sources.yaml`, and goes when it is no longer there.
    """

    source_id: str
    kind: SourceKind
    location: str
    acl: Acl = field(default_factory=lambda: Acl(public=True))
    options: Mapping[str, Any] = field(default_factory=dict)
    poll_s: float | None = None
    declared: bool = False


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What one sync did. Counts are documents or chunks as named; `duration_s` is wall time in seconds.

    A document among the `failures` may be indexed in part; `warnings` are of documents that are indexed whole.
    """

    source_id: str
    revision: str
    documents: int = 0
    deleted: int = 0
    skipped: int = 0
    chunks: int = 0
    chunks_deleted: int = 0
    embedded: int = 0
    cached: int = 0
    failures: tuple[Failure, ...] = ()
    duration_s: float = 0.0
    warnings: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift:
    """How the index differs from the source, by document path."""

    source_id: str
    revision: str
    documents: int = 0
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source stands. Times are aware UTC; `lag_s` is seconds since the last successful sync.

    `totals` is what all syncs did together: `documents_written`, `chunks_embedded` and so on.
    """

    source: Source
    documents: int
    chunks: int
    revision: str
    last_sync: datetime | None
    lag_s: float | None
    failures: tuple[Failure, ...] = ()
    syncing: bool = False
    totals: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sync would do, by document path; nothing was written."""

    source_id: str
    revision: str
    write: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    skipped: tuple[Skip, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """What became of the sources of a `sources.yaml`, by name."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
