"""Searching while generations change: every query is answered whole by one of them, with the model it was built by."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from api.search import SearchPath
from api.stages import StageTimeouts, within
from shirabe.errors import Unavailable
from shirabe.protocols import Answering, Embedder, Index, Reranker
from shirabe.settings import SearchSettings
from shirabe.types import Embedding, ModelInfo, Output, Principal, Query, SearchResult, Stored, TextKind


class LiveSearch:
    """Answers queries over the generation that answers at that moment."""

    def __init__(
        self,
        index: Index,
        reranker: Reranker | None,
        settings: SearchSettings,
        timeouts: StageTimeouts = StageTimeouts(),  # noqa: B008 - frozen
    ) -> None:
        self._index = index
        self._reranker = reranker
        self._settings = settings
        self._timeouts = timeouts

    async def search(self, query: Query) -> SearchResult:
        """Return the best hits the principal may see. Raises: as `SearchPath.search`."""
        answering = await self._answering(fresh=False)
        try:
            return await self._path(answering).search(query)
        except Unavailable:
            # It may have been replaced and collected since it was looked up.
            now = await self._answering(fresh=True)
            if now.identity == answering.identity:
                raise
            return await self._path(now).search(query)

    async def _answering(self, *, fresh: bool) -> Answering:
        return await within(self._timeouts.store_s, self._index.answering(fresh=fresh), "the search engine")

    def _path(self, answering: Answering) -> SearchPath:
        parts = (answering.store, answering.embedder, self._reranker, self._settings)
        return SearchPath(*parts, timeouts=self._timeouts, code=answering.code)


class AnsweringEmbedder:
    """The `Embedder` of the generation that answers at that moment; with `code`, the one that embeds its code."""

    def __init__(self, index: Index, *, code: bool = False) -> None:
        self._index = index
        self._code = code

    async def info(self) -> ModelInfo:
        """Return the identity of its model. Raises: Unavailable, Timeout."""
        return await (await self._embedder()).info()

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        """Return one embedding per text. Raises: as every embedder."""
        return await (await self._embedder()).embed(texts, kind, outputs)

    async def _embedder(self) -> Embedder:
        answering = await self._index.answering()
        apart = answering.code.embedder if self._code and answering.code is not None else None
        return apart or answering.embedder


class AnsweringDocuments:
    """Shows what is indexed in the generations that answer at that moment."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        """Return a document's chunks in order. Raises: Unavailable, Timeout, Overloaded."""
        answering = await self._index.answering()
        try:
            return await answering.store.document(doc_id, principal)
        except Unavailable:
            # It may have been replaced and collected since it was looked up.
            now = await self._index.answering(fresh=True)
            if now.identity == answering.identity:
                raise
            return await now.store.document(doc_id, principal)

    async def generation(self) -> str:
        """Return the names of the generations that answer. Raises: Unavailable, Timeout."""
        return await (await self._index.answering(fresh=True)).store.generation()
