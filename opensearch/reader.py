"""Searching an index: one request or several at once, or page after page, and never half an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from opensearchpy import AsyncOpenSearch

from opensearch.answers import require_whole
from opensearch.client import asking, refusal
from opensearch.queries import PAGE_ROWS, Body

Answer = Mapping[str, Any]


class Reader:
    """Searches what a name stands for: an index, an alias, or several with commas between.

    Every method raises Unavailable, also for an answer that leaves shards out; Timeout, Overloaded; InvalidInput.
    """

    def __init__(self, client: AsyncOpenSearch, index: str) -> None:
        self._client = client
        self._index = index

    async def search(self, body: Body, **params: str) -> Answer:
        """Return the answer to one search."""
        with asking():
            answer: Answer = await self._client.search(index=self._index, body=body, params=params)
        require_whole(answer)
        return answer

    async def search_all(self, bodies: Sequence[Body]) -> list[Answer]:
        """Return the answers to several searches, in one round trip."""
        if not bodies:
            return []
        lines: list[Body] = [line for body in bodies for line in ({}, body)]
        with asking():
            answer = await self._client.msearch(index=self._index, body=lines)
        for response in answer["responses"]:
            if "error" in response:
                raise refusal(response.get("status", 500), response)
            require_whole(response)
        return list(answer["responses"])

    async def pages(self, body_after: Callable[[str | None], Body]) -> AsyncIterator[Mapping[str, Any]]:
        """Yield every hit of a search that is sorted by chunk id, page by page."""
        after: str | None = None
        while True:
            hits = (await self.search(body_after(after)))["hits"]["hits"]
            for hit in hits:
                yield hit
            if len(hits) < PAGE_ROWS:
                return
            after = hits[-1]["sort"][0]
