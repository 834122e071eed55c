"""The shapes of sources over REST: configured, how they stand, what a sync did, how they drifted."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, Field

from api.models import PUBLIC, AclBody, NonEmptyLine, SourceName, Strict
from shirabe.types import Drift, Failure, Source, SourceKind, SourceStatus, SyncReport


class SourceRequest(Strict):
    """A source to configure."""

    name: SourceName
    kind: SourceKind
    location: NonEmptyLine = Field(description="A folder, a file or an address, as its kind has it")
    acl: AclBody = PUBLIC
    options: dict[str, Any] = Field(default_factory=dict)

    def to_source(self) -> Source:
        """Return the source."""
        return Source(self.name, self.kind, self.location, self.acl.to_acl(), self.options)


class SourceBody(BaseModel):
    """A configured source; its options may hold what is secret, so they are not shown."""

    name: str
    kind: SourceKind
    location: str
    public: bool

    @classmethod
    def of(cls, source: Source) -> Self:
        """Return the body of a source."""
        return cls(
            name=source.source_id,
            kind=source.kind,
            location=without_credentials(source.location),
            public=source.acl.public,
        )


class SourceAnswer(SourceBody):
    """A source and how it stands; `lag_s` is seconds since the last successful sync."""

    documents: int
    chunks: int
    revision: str
    last_sync: datetime | None
    lag_s: float | None
    syncing: bool
    failures: list[FailureBody]

    @classmethod
    def of_status(cls, status: SourceStatus) -> Self:
        """Return the body of a status."""
        return cls(
            **SourceBody.of(status.source).model_dump(),
            documents=status.documents,
            chunks=status.chunks,
            revision=status.revision,
            last_sync=status.last_sync,
            lag_s=status.lag_s,
            syncing=status.syncing,
            failures=[FailureBody.of(failure) for failure in status.failures],
        )


class SourceList(BaseModel):
    """Every source."""

    sources: list[SourceAnswer]


class DriftAnswer(BaseModel):
    """How the index differs from the source, by path."""

    source: str
    revision: str
    documents: int
    missing: list[str]
    extra: list[str]
    outdated: list[str]

    @classmethod
    def of(cls, drift: Drift) -> Self:
        """Return the body of a drift."""
        return cls(
            source=drift.source_id,
            revision=drift.revision,
            documents=drift.documents,
            missing=list(drift.missing),
            extra=list(drift.extra),
            outdated=list(drift.outdated),
        )


class FailureBody(BaseModel):
    """A document that could not be read."""

    path: str
    reason: str

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """Return the body of a failure."""
        return cls(path=failure.path, reason=failure.reason)


class SyncAnswer(BaseModel):
    """What one sync, or one pushed document, did; counts of documents or chunks as named."""

    source: str
    revision: str
    documents: int
    deleted: int
    skipped: int
    chunks: int
    chunks_deleted: int
    embedded: int
    cached: int
    failures: list[FailureBody]
    warnings: list[FailureBody]
    duration_s: float

    @classmethod
    def of(cls, report: SyncReport) -> Self:
        """Return the body of a report."""
        return cls(
            source=report.source_id,
            revision=report.revision,
            documents=report.documents,
            deleted=report.deleted,
            skipped=report.skipped,
            chunks=report.chunks,
            chunks_deleted=report.chunks_deleted,
            embedded=report.embedded,
            cached=report.cached,
            failures=[FailureBody.of(failure) for failure in report.failures],
            warnings=[FailureBody.of(warning) for warning in report.warnings],
            duration_s=report.duration_s,
        )


def without_credentials(location: str) -> str:
    """Return a location without the user and password a URL may carry."""
    parts = urlsplit(location)
    if "@" not in parts.netloc or not parts.scheme:
        return location
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
