"""The read path: embed, ask the legs, fuse, rerank, arrange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from api.arrangement import Ranked, by_page, diverse, page_keys, together
from api.exact import in_order, marked
from api.glossary import expanded, recognise
from api.limits import checked
from api.links import LINK_PLACES, LINKED_UNITS, LINKS, linked_documents
from api.operators import asked
from api.query_models import MODEL_GONE, QueryModels
from api.rerank import ForeignTokens, LateWeights, combine, combine_apart, late_scores
from api.sides import askable, leg_weights
from api.stages import Progress, StageTimeouts, within
from shirabe.errors import InvalidInput
from shirabe.fusion import reciprocal_rank_fusion
from shirabe.legs import EXACT_LEG, LEXICAL
from shirabe.protocols import CodeApart, Embedder, Reranker, Store
from shirabe.settings import SearchSettings
from shirabe.types import Embedding, Floats, Hit, LegHit, Query, Recognised, Rerank, SearchResult

CROSS_DEPTH = 20
"""Candidates that late interaction finds worth a cross-encoder."""

T = TypeVar("T")
Legs = dict[str, list[LegHit]]
LegScores = Mapping[str, Mapping[str, float]]


class SearchPath:
    """Answers queries over a store and models.

    `rerank="auto"` means the cross-encoder where there is one, else late interaction, in the modes `hybrid` and `code`;
    in the modes of a single leg it means none, so that they show that leg as it is. Where code has an index of its own
    (`code`), the query is embedded by both models, and documents that name the code that was found are asked for too.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        reranker: Reranker | None,
        settings: SearchSettings,
        weights: LateWeights = LateWeights(),  # noqa: B008 - frozen
        timeouts: StageTimeouts = StageTimeouts(),  # noqa: B008 - frozen
        code: CodeApart | None = None,
    ) -> None:
        self._store = store
        self._models = QueryModels(embedder, code, timeouts.embed_s)
        self._reranker = reranker
        self._settings = settings
        self._weights = weights
        self._timeouts = timeouts
        self._code = code

    async def search(self, query: Query) -> SearchResult:
        """Return the best hits the principal may see.

        A model that is missing is told in `degraded`, and the search does without it where it can.

        Raises: InvalidInput; Unavailable or Timeout when the store is gone, or the model in modes `dense` and `sparse`.
        """
        query = asked(checked(query, self._settings))
        progress = Progress()
        if query.conditions and not query.text:
            return await self._exact(query, progress)
        rerank = self._rerank_of(query, progress)
        embedding, glossary = await asyncio.gather(
            self._models.embed(query, self._legs_of(query), rerank, progress), self._recognise(query, progress)
        )
        query = replace(query, also=expanded(glossary))
        with progress.stage("legs"):
            names = self._askable(query, embedding)
            legs, generation = await asyncio.gather(
                self._ask_store(self._store.legs(query, names, embedding, self._settings.leg_depth)),
                self._ask_store(self._store.generation()),
            )
        fused = self._fused(query, legs)
        if linked := await self._linked(query, fused, progress):
            legs = {**legs, LINKS: linked}
            fused = self._fused(query, legs)
        ranked, exact = await self._fetch(query, None if rerank == "none" else embedding, fused, legs, progress)
        if rerank != "none" and ranked and embedding is not None:
            ranked = by_page(await self._late(embedding, exact, ranked, progress))
        if rerank == "cross" and ranked:
            ranked = await self._cross(query, ranked, progress)
        shown = await self._highlighted(query, await self._arrange(query, ranked, progress), progress)
        hits = tuple(
            marked(Hit(item.stored, item.score, rank, item.legs), query.conditions)
            for rank, item in enumerate(shown, start=1)
        )
        degraded = tuple(dict.fromkeys(progress.degraded))
        return SearchResult(hits, progress.took_ms, progress.stages_ms, generation, degraded, glossary)

    async def _exact(self, query: Query, progress: Progress) -> SearchResult:
        """Return what fulfils the conditions of a query without words, which no model has to be asked for."""
        with progress.stage("legs"):
            depth = max(self._settings.leg_depth, query.top_k)
            legs, generation = await asyncio.gather(
                self._ask_store(self._store.legs(query, [EXACT_LEG], None, depth)),
                self._ask_store(self._store.generation()),
            )
        scores = {row.chunk_id: row.score for row in legs[EXACT_LEG]}
        with progress.stage("fetch"):
            stored = await self._ask_store(self._store.fetch(list(scores), query, None))
        ordered = in_order(stored, scores, query.conditions)[: query.top_k]
        hits = tuple(
            marked(Hit(item, score, rank, {EXACT_LEG: (rank, score)}), query.conditions)
            for rank, item in enumerate(ordered, start=1)
            for score in [scores[item.chunk.chunk_id]]
        )
        return SearchResult(hits, progress.took_ms, progress.stages_ms, generation)

    def _rerank_of(self, query: Query, progress: Progress) -> Rerank:
        if query.rerank == "auto":
            if query.mode not in ("hybrid", "code"):
                return "none"
            return "cross" if self._reranker else "late"
        if query.rerank == "cross" and self._reranker is None:
            progress.degraded.append("rerank")
            return "late"
        return query.rerank

    def _legs_of(self, query: Query) -> list[str]:
        if query.mode in ("hybrid", "code"):
            return [name for name, weight in self._settings.weights.items() if weight > 0]
        return [query.mode]

    async def _recognise(self, query: Query, progress: Progress) -> tuple[Recognised, ...]:
        if LEXICAL not in self._legs_of(query):
            return ()
        with progress.stage("glossary"):
            return await self._ask_store(recognise(query, self._store))

    def _askable(self, query: Query, embedding: Embedding | None) -> list[str]:
        """Return the legs of the mode that this query can be asked of: a leg needs its part of the embedding."""
        if query.mode == "sparse" and not askable("sparse", embedding):
            raise InvalidInput("the model in use gives no sparse weights", "mode")
        return [leg for leg in self._legs_of(query) if askable(leg, embedding)]

    def _fused(self, query: Query, legs: Legs) -> list[tuple[str, float]]:
        """Return the best of the fused legs: as many as are reranked, or as are asked for."""
        weights = leg_weights(legs, self._settings.weights)
        fused = reciprocal_rank_fusion(legs, weights)
        depth = max(self._settings.rerank_depth, query.top_k)
        linked = {hit.chunk_id for hit in legs.get(LINKS, ())}
        brought = [row for row in fused[depth:] if row[0] in linked][:LINK_PLACES]
        return [*fused[: depth - len(brought)], *brought]

    async def _linked(self, query: Query, fused: Sequence[tuple[str, float]], progress: Progress) -> list[LegHit]:
        """Return the ranking of documents that name the code that stands first: in them it is explained."""
        if self._code is None or query.mode != "hybrid":
            return []
        with progress.stage("links"):
            first = [name for name, _ in fused[:LINKED_UNITS]]
            return await self._ask_store(linked_documents(self._store, query, first))

    async def _fetch(
        self,
        query: Query,
        embedding: Embedding | None,
        fused: Sequence[tuple[str, float]],
        legs: Legs,
        progress: Progress,
    ) -> tuple[list[Ranked], LegScores]:
        """Return the candidates and, when there is an embedding to rerank with, their exact scores in the legs."""
        if not fused:
            return [], {}
        names = [name for name, _ in fused]
        exact: LegScores = {}
        with progress.stage("fetch"):
            # Highlights are costly: only what is shown gets them, in `_highlighted`.
            fetched = self._ask_store(self._store.fetch(names, replace(query, text=""), embedding))
            if embedding is None:
                stored = await fetched
            else:
                asked = self._store.scores(names, query, embedding)
                stored, exact = await asyncio.gather(fetched, self._ask_store(asked))
        by_id = {item.chunk.chunk_id: item for item in stored}
        places: dict[str, dict[str, tuple[int, float]]] = {name: {} for name in by_id}
        for leg, rows in legs.items():
            for row in rows:
                if row.chunk_id in places:
                    places[row.chunk_id][leg] = (row.rank, row.score)
        ranked = [
            Ranked(by_id[name], score, {**places[name], "fused": (rank, score)})
            for rank, (name, score) in enumerate(fused, start=1)
            if name in by_id
        ]
        return ranked, exact

    async def _late(
        self, embedding: Embedding, exact: LegScores, ranked: Sequence[Ranked], progress: Progress
    ) -> list[Ranked]:
        """Rank by late interaction combined with the exact scores of the same candidates."""
        said = (embedding, embedding.code or Embedding())
        if all(one.tokens is None for one in said):
            return list(ranked)
        names = [item.stored.chunk.chunk_id for item in ranked]
        apart = np.asarray([item.stored.apart for item in ranked], dtype=np.bool_)
        late = np.full(len(ranked), np.nan, dtype=np.float32)
        with progress.stage("late"):
            try:
                for one, group in zip(said, (~apart, apart), strict=True):
                    if one.tokens is not None and group.any():
                        bits = [item.stored.bits for item, its in zip(ranked, group, strict=True) if its]
                        late[group] = await asyncio.to_thread(late_scores, one.tokens, bits)
            except ForeignTokens:
                progress.degraded.append("rerank")
                return list(ranked)
            dense = _in_order(names, exact.get("dense", {}), absent=np.nan)
            lexical = _in_order(names, exact.get("lexical", {}), absent=0.0)
            sparse = _in_order(names, exact.get("sparse", {}), absent=0.0 if "sparse" in exact else np.nan)
            if apart.any():
                scores = combine_apart(late, dense, lexical, sparse, apart, self._weights)
            else:
                scores = combine(late, dense, lexical, sparse, self._weights)
            return _reordered(ranked, scores.tolist(), "late")

    async def _cross(self, query: Query, ranked: Sequence[Ranked], progress: Progress) -> list[Ranked]:
        if self._reranker is None:
            return list(ranked)
        worth, rest = ranked[:CROSS_DEPTH], ranked[CROSS_DEPTH:]
        passages = [item.stored.chunk.embedded_text for item in worth]
        try:
            with progress.stage("cross"):
                asked = self._reranker.rerank(query.text, passages)
                scores = await within(self._timeouts.rerank_s, asked, "the reranker")
        except MODEL_GONE:
            progress.degraded.append("rerank")
            return list(ranked)
        return [*_reordered(worth, scores, "cross"), *rest]

    async def _arrange(self, query: Query, ranked: Sequence[Ranked], progress: Progress) -> list[Ranked]:
        first, overflow = diverse(ranked)
        if self._settings.versions_together:
            keys = page_keys(first[: query.top_k])
            if keys:
                with progress.stage("versions"):
                    first = together(first, await self._ask_store(self._store.versions_of(keys, query)))
        return [*first, *overflow][: query.top_k]

    async def _highlighted(self, query: Query, ranked: Sequence[Ranked], progress: Progress) -> list[Ranked]:
        """Return what is shown, with highlights; what was deleted since it was found is left out."""
        if not ranked:
            return []
        with progress.stage("highlight"):
            names = [item.stored.chunk.chunk_id for item in ranked]
            shown = await self._ask_store(self._store.fetch(names, query, None))
        by_id = {item.chunk.chunk_id: item for item in shown}
        return [
            replace(item, stored=by_id[item.stored.chunk.chunk_id])
            for item in ranked
            if item.stored.chunk.chunk_id in by_id
        ]

    async def _ask_store(self, asked: Awaitable[T]) -> T:
        return await within(self._timeouts.store_s, asked, "the search engine")


def _in_order(names: Sequence[str], scores: Mapping[str, float], absent: float) -> Floats:
    return np.asarray([scores.get(name, absent) for name in names], dtype=np.float32)


def _reordered(ranked: Sequence[Ranked], scores: Sequence[float], stage: str) -> list[Ranked]:
    """Return the candidates by a stage's scores, ties in the order they came; each carries its place in the stage."""
    order = sorted(range(len(ranked)), key=lambda place: -scores[place])
    return [
        replace(ranked[place], score=scores[place], legs={**ranked[place].legs, stage: (rank, scores[place])})
        for rank, place in enumerate(order, start=1)
    ]
