"""What the ledger gives and takes: values, no SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
    """One document whose chunks (id to content hash) are all in the index, its orphans gone.

    `facts` is the part of the stamp that the document itself decides.
    """

    path: str
    doc_id: str
    content_hash: str
    revision: str
    stamp: str
    chunks: Mapping[str, str]
    facts: str = ""


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


@dataclass(frozen=True, slots=True)
class Held:
    """One settled document as another scope may take it over: its chunks are in the order of the document."""

    path: str
    doc_id: str
    content_hash: str
    revision: str
    facts: str
    chunks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Behind:
    """By path, how one scope differs from the one it follows.

    `changed` are settled there and not the same here; `gone` are not there; `unsure` is what a write there was begun
    on and not acknowledged.
    """

    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.changed) + len(self.gone) + len(self.unsure)

    def among(self, paths: Collection[str]) -> Behind:
        """Return the part of it that is about these paths."""
        return Behind(*(tuple(path for path in group if path in paths) for group in self._groups))

    def without(self, paths: Collection[str]) -> Behind:
        """Return the part of it that is not about these paths."""
        return Behind(*(tuple(path for path in group if path not in paths) for group in self._groups))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path in it."""
        return (*self.changed, *self.gone, *self.unsure)

    @property
    def _groups(self) -> tuple[tuple[str, ...], ...]:
        return self.changed, self.gone, self.unsure
