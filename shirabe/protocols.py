"""The seams of Shirabe. Methods are async, take and give sequences, and keep order and length.

Each protocol has one contract suite in tests/contracts/, run on the fake and on every real part.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shirabe.types import (
    Activity,
    Change,
    Chunk,
    Cursor,
    Document,
    Drift,
    Embedding,
    LegHit,
    ModelInfo,
    Output,
    Principal,
    Query,
    Record,
    Saved,
    SearchResult,
    Source,
    SourceStatus,
    Stored,
    SyncReport,
    TextKind,
)


class TokenCounter(Protocol):
    """Counts text in the tokens of the model at hand; sync, because chunkers are."""

    def count(self, text: str) -> int:
        """Return the number of model tokens in `text`, special tokens left out."""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return each token's (start, end) in characters of `text`."""


class Collector(Protocol):
    """Reads one source. Renames arrive as a Delete and an Upsert."""

    async def head(self) -> Cursor:
        """Return the cursor of the source as it is now.

        Raises: NotFound, Unavailable, InvalidInput.
        """

    def changes(self, since: Cursor | None, until: Cursor) -> AsyncIterator[Change]:
        """Yield what differs between two cursors: everything when `since` is None or no longer known to the source.

        When `since` is not None but unknown (rewritten history), every document of `until` is yielded and the caller
        deletes what was not.
        """

    async def knows(self, cursor: Cursor) -> bool:
        """Tell whether `changes(cursor, ...)` would be a difference rather than everything."""

    async def paths(self, at: Cursor) -> Mapping[str, str]:
        """Return every indexable document's path at a cursor, with the hash of its content."""

    async def get(self, path: str, at: Cursor) -> Change:
        """Return one document at a cursor: Upsert, Skip or Failure, or Delete when it is not there."""

    async def count(self, since: Cursor | None, until: Cursor) -> int:
        """Return how many changes `changes` will yield, for progress."""


class Chunker(Protocol):
    """Turns a document into chunks."""

    async def chunk(self, documents: Sequence[Document]) -> list[list[Chunk]]:
        """Return each document's chunks, ordinals from 0.

        Raises: InvalidInput with the place in the file.
        """


class Embedder(Protocol):
    """Turns texts into embeddings."""

    async def info(self) -> ModelInfo:
        """Return the identity of the model behind this embedder."""

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        """Return one embedding per text with the outputs asked for; longer texts are cut at `max_tokens`.

        Raises: InvalidInput, also for a text with nothing in it; Forbidden when a provider does not take the server's
            key, NotFound when it lacks the model; Unavailable, Overloaded, Timeout.
        """


class Reranker(Protocol):
    """Scores passages against a query with a cross-encoder."""

    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        """Return one score per passage, higher is better.

        Raises: Unavailable, Overloaded, Timeout.
        """


class Store(Protocol):
    """Holds what is searched."""

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        """Upsert records and delete chunk ids; an older `version` never overwrites a newer one.

        What was rejected transiently is retried within bounds.

        Raises: PartialWrite naming exactly what was not written, Unavailable, Timeout.
        """

    async def refresh(self) -> None:
        """Make everything written so far visible to search."""

    async def legs(
        self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
    ) -> dict[str, list[LegHit]]:
        """Return the ranking of each named leg (`lexical`, `dense`, `sparse`, `exact`), `depth` rows at most.

        Filters, the query's conditions and the ACL are inside each leg. The leg `exact` is all that fulfils them, the
        definitions that were named first, then by path.

        Raises: InvalidInput for an unknown filter, or a condition that cannot be asked; Unavailable, Timeout.
        """

    async def fetch(self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None) -> list[Stored]:
        """Return the chunks that exist and the principal may see, in the order asked.

        With highlights when the query has text, and late-interaction bits when there is an embedding to compare with.
        """

    async def scores(
        self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None
    ) -> dict[str, dict[str, float]]:
        """Return leg -> chunk id -> score of exactly these chunks, for every leg the query and embedding allow.

        A chunk that a leg does not match, or that the principal may not see, is absent from it.
        """

    async def versions_of(self, keys: Sequence[str], query: Query) -> list[Stored]:
        """Return the first chunk of every document under the given version keys (language versions of one page)."""

    async def terms(self, names: Collection[str], principal: Principal) -> list[Stored]:
        """Return the terms of glossaries with one of these names (`shirabe.names.name_key`), some dozens at most."""

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        """Return a document's chunks in order; an empty list when there is none the principal may see."""

    async def chunk_hashes(self, source_id: str) -> dict[str, str]:
        """Return chunk id -> content hash of everything stored for a source, for drift and tests."""

    async def saved(self, chunk_ids: Sequence[str]) -> list[Saved]:
        """Return the text stored under these ids as it was written last, refreshed or not; what is absent is left out.

        For the system itself: no principal reads this.
        """

    async def generation(self) -> str:
        """Return the name of the index generation that answers."""

    async def identity(self) -> str:
        """Return what changes when the index is made anew (its UUID): a ledger of another index is never trusted."""


class Documents(Protocol):
    """The part of a store that shows what is indexed."""

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        """Return a document's chunks in order; an empty list when there is none the principal may see."""

    async def generation(self) -> str:
        """Return the name of the index generation that answers."""


class ActivityLog(Protocol):
    """Keeps what was asked, opened and synced. It never slows down or fails what it is told of."""

    def record(self, entry: Activity) -> None:
        """Take an entry; it is written later. When there is no room for it, it is counted and dropped."""

    async def flush(self) -> None:
        """Return when everything recorded before is written, or counted as lost."""

    async def prune(self) -> None:
        """Delete what is older than it may be, and was written by Shirabe. Raises: Unavailable, Timeout."""

    def counts(self) -> dict[str, int]:
        """Return how many entries were `written`, `dropped` for want of room, and `failed` to be written."""


@dataclass(frozen=True, slots=True)
class CodeApart:
    """How the index of code beside the first is asked.

    `embedder` is the model that built it, None where it is the model of the first index. `settled`: no code is left in
    the first index, so that a query for code needs the model of this one alone.
    """

    embedder: Embedder | None
    settled: bool


@dataclass(frozen=True, slots=True)
class Answering:
    """The index generation that answers: its name and UUID, the store pinned to it, the model it was built by.

    With `code`, the store is a pair of this generation and the one of the code index.
    """

    name: str
    identity: str
    store: Store
    embedder: Embedder
    code: CodeApart | None = None


class Index(Protocol):
    """Knows which index generation answers now."""

    async def answering(self, *, fresh: bool = False) -> Answering:
        """Return it as it was a moment ago, which is as good while generations are kept true, or as it is now.

        Raises: Unavailable, Timeout, InvalidInput.
        """


class Searcher(Protocol):
    """Answers queries."""

    async def search(self, query: Query) -> SearchResult:
        """Return the best hits the principal may see. Raises: InvalidInput, Unavailable, Timeout."""


class Sources(Protocol):
    """Manages the configured sources and keeps them true (implemented by `ingest`, used by `api`)."""

    async def list(self) -> list[SourceStatus]:
        """Return every source and how it stands."""

    async def add(self, source: Source) -> None:
        """Configure a source. Raises: InvalidInput, Forbidden."""

    async def sync(self, source_id: str, *, full: bool = False) -> SyncReport:
        """Bring a source up to date. Raises: NotFound, Overloaded when it is already syncing, Unavailable."""

    async def notify(self, source_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take a signed webhook's word that a source changed; the sync follows. Header names are in lower case.

        Raises: NotFound; Forbidden unless it is signed with the source's secret.
        """

    async def drift(self, source_id: str) -> Drift:
        """Compare the index with the source as it is now. Raises: NotFound, Unavailable."""

    async def put(self, document: Document) -> SyncReport:
        """Index one pushed document in place of what its id held. Raises: InvalidInput, Forbidden, Unavailable."""

    async def delete(self, doc_id: str) -> None:
        """Remove one pushed document. Raises: NotFound, Forbidden when a configured source owns it, Unavailable."""
