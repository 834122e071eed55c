"""What is asked of two indices at once: the lexical leg, and the exact one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opensearchpy import AsyncOpenSearch

from opensearch.answers import ranking
from opensearch.lexical import DEFAULT_WEIGHTS, LexicalWeights
from opensearch.queries import leg_bodies
from opensearch.reader import Reader
from shirabe.legs import EXACT_LEG, LEXICAL
from shirabe.types import LegHit, Query

# Every shard scores by how rare a term is in itself, and a word that is rare in code may be common in prose.
_TOGETHER: Final = "dfs_query_then_fetch"


class JointWords:
    """Ranks chunks of several indices by BM25 over the statistics of all of them together."""

    def __init__(
        self, client: AsyncOpenSearch, indices: Sequence[str], weights: LexicalWeights = DEFAULT_WEIGHTS
    ) -> None:
        self._reader = Reader(client, ",".join(indices))
        self._weights = weights

    async def ranking(self, query: Query, depth: int) -> list[LegHit]:
        """Return the ranking, `depth` rows at most. Raises: InvalidInput, Unavailable, Timeout, Overloaded."""
        return await self._ranked(leg_bodies(query, ["lexical"], None, depth, weights=self._weights))

    async def exact(self, query: Query, depth: int) -> list[LegHit]:
        """Return what fulfils the query's conditions, in the order of one index.

        Raises: InvalidInput, Unavailable, Timeout, Overloaded.
        """
        return await self._ranked(leg_bodies(query, [EXACT_LEG], None, depth), EXACT_LEG)

    async def scores(self, chunk_ids: Sequence[str], query: Query) -> dict[str, float]:
        """Return chunk id -> score of exactly these chunks, of those that match.

        Raises: InvalidInput, Unavailable, Timeout, Overloaded.
        """
        if not chunk_ids or not query.text.strip():
            return {}
        # A chunk that is on its way from one index to the other is in both.
        depth = 2 * len(chunk_ids)
        bodies = leg_bodies(query, ["lexical"], None, depth, among=chunk_ids, weights=self._weights)
        return {hit.chunk_id: hit.score for hit in await self._ranked(bodies)}

    async def _ranked(self, bodies: Mapping[str, Any], leg: str = LEXICAL) -> list[LegHit]:
        return ranking(leg, await self._reader.search(bodies[leg], search_type=_TOGETHER))
