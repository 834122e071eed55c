"""The `Store` of Shirabe on OpenSearch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from opensearchpy import AsyncOpenSearch

from opensearch.answers import id_of, ranking
from opensearch.bulk import BULK_TIMEOUT_S, delete_action, send_actions, upsert_actions
from opensearch.client import asking, open_client, refusal
from opensearch.code_search import asks_code_fields
from opensearch.documents import stored_of
from opensearch.export import SAVED_FIELDS, saved_of
from opensearch.filters import code_filter
from opensearch.generations import (
    Generation,
    answering_generation,
    check_meta,
    current_name,
    ensure_generation,
    has_code_fields,
    read_generation,
    writes_alias,
)
from opensearch.lexical import DEFAULT_WEIGHTS, LexicalWeights
from opensearch.queries import (
    PAGE_ROWS,
    Body,
    counts_body,
    document_body,
    fetch_body,
    hashes_body,
    leg_bodies,
    private_body,
    terms_body,
    versions_body,
)
from opensearch.reader import Reader
from opensearch.shape import choose_shape
from shirabe.definitions import is_code
from shirabe.errors import InvalidInput, Unavailable
from shirabe.legs import LEGS
from shirabe.settings import OpenSearchSettings
from shirabe.types import Embedding, LegHit, ModelInfo, Principal, Query, Record, Saved, Stored

DEFAULT_CHUNKER_VERSION: Final = "1"
_KNOWN_S: Final = 1.0
"""How long it is taken for known whether everything is public."""


class OpenSearchStore:
    """Chunks in one index generation: the one behind the alias at each call, or the one it is `pinned` to.

    Made by `open_store`, closed by `close`; a pinned one by a `Catalogue`, which closes the connections they share.
    """

    def __init__(
        self,
        client: AsyncOpenSearch,
        alias: str,
        dim: int,
        weights: LexicalWeights = DEFAULT_WEIGHTS,
        pinned: Generation | None = None,
    ) -> None:
        self._client = client
        self._alias = alias
        self._dim = dim
        self._weights = weights
        self._pinned = pinned
        self._index = alias if pinned is None else pinned.name
        self._reader = Reader(client, self._index)
        self._all_public = False
        self._known_until_s = 0.0
        self._target = alias if pinned is None else writes_alias(pinned.name)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        """Upsert records and delete chunk ids; an older `version` never overwrites a newer one.

        Raises: PartialWrite naming exactly what was not written; Unavailable, Timeout, InvalidInput.
        """
        has_code = any(is_code(record.chunk) for record in records)
        exact = has_code and has_code_fields(await self._answering())
        upserts = upsert_actions(records, version, exact=exact)
        if deletes:
            # A bulk of deletes alone makes a missing index (they carry versions), whatever `require_alias` says.
            await self.identity()
        await send_actions(self._client, self._target, [*upserts, *(delete_action(name, version) for name in deletes)])

    async def refresh(self) -> None:
        """Make everything written so far visible to search."""
        with asking():
            await self._client.indices.refresh(index=self._index, request_timeout=BULK_TIMEOUT_S)

    async def legs(
        self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
    ) -> dict[str, list[LegHit]]:
        """Return the ranking of each named leg, `depth` rows at most, in one round trip.

        Dense scores are cosines; sparse scores dot products; lexical scores weighted sums of BM25.

        Raises: InvalidInput for a bad filter; Unavailable, Timeout or Overloaded when any leg fails; ValueError for a
            leg whose part of the embedding is missing.
        """
        await self._require_fields(query)
        bodies = leg_bodies(query, legs, embedding, depth, weights=self._weights, all_public=self._all_public)
        if not bodies:
            return {}
        due = (now := time.monotonic()) >= self._known_until_s
        answers = await self._reader.search_all([*bodies.values(), *([private_body()] if due else [])])
        if due:
            # Only how queries are best asked: what one may find is in its own filter, whatever is known here.
            self._all_public = answers.pop()["hits"]["total"]["value"] == 0
            self._known_until_s = now + _KNOWN_S
        return {leg: ranking(leg, answer) for leg, answer in zip(bodies, answers, strict=True)}

    async def scores(
        self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None
    ) -> dict[str, dict[str, float]]:
        """Return leg -> chunk id -> score of exactly these chunks, for every leg the query and embedding allow.

        A chunk that a leg does not match, or that the principal may not see, is absent from it.

        Raises: InvalidInput for a bad filter; Unavailable, Timeout, Overloaded.
        """
        if not chunk_ids:
            return {}
        parts = {
            "lexical": bool(query.text.strip()),
            "dense": embedding is not None and embedding.dense is not None,
            "sparse": embedding is not None and embedding.sparse is not None,
        }
        legs = [leg for leg in LEGS if parts[leg]]
        bodies = leg_bodies(query, legs, embedding, len(chunk_ids), among=chunk_ids, weights=self._weights)
        answers = await self._reader.search_all(list(bodies.values()))
        return {
            leg: {hit.chunk_id: hit.score for hit in ranking(leg, answer)}
            for leg, answer in zip(bodies, answers, strict=True)
        }

    async def fetch(self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None) -> list[Stored]:
        """Return the chunks that exist and the principal may see, in the order asked.

        With highlights when the query has text, and late-interaction bits when there is an embedding to compare with.

        Raises: Unavailable, Timeout, Overloaded.
        """
        if not chunk_ids:
            return []
        body = fetch_body(chunk_ids, query, bits=embedding is not None, weights=self._weights)
        found = {item.chunk.chunk_id: item for item in await self._stored(body)}
        return [found[name] for name in chunk_ids if name in found]

    async def versions_of(self, keys: Sequence[str], query: Query) -> list[Stored]:
        """Return the first chunk of every document under the given version keys that fulfils the query's filters.

        Raises: InvalidInput for a bad filter; Unavailable, Timeout, Overloaded.
        """
        return await self._stored(versions_body(keys, query)) if keys else []

    async def terms(self, names: Collection[str], principal: Principal) -> list[Stored]:
        """Return the terms of glossaries that have one of these names.

        Raises: Unavailable, Timeout, Overloaded.
        """
        return await self._stored(terms_body(names, principal)) if names else []

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        """Return a document's chunks in order; an empty list when there is none the principal may see.

        Raises: Unavailable, Timeout, Overloaded.
        """
        pages = self._reader.pages(lambda after: document_body(doc_id, principal, after))
        return [stored_of(hit, self._dim) async for hit in pages]

    async def chunk_hashes(self, source_id: str) -> dict[str, str]:
        """Return chunk id -> content hash of everything stored for a source.

        Raises: Unavailable, Timeout, Overloaded.
        """
        pages = self._reader.pages(lambda after: hashes_body(source_id, after))
        return {id_of(hit): hit["fields"]["content_hash"][0] async for hit in pages}

    async def code_chunks(self, source_id: str) -> list[str]:
        """Return the ids of a source's chunks of code. Raises: Unavailable, Timeout, Overloaded."""
        pages = self._reader.pages(lambda after: hashes_body(source_id, after, [code_filter()]))
        return [id_of(hit) async for hit in pages]

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Return source id -> (documents, chunks).

        Raises: Unavailable, Timeout, Overloaded.
        """
        answer = await self._reader.search(counts_body())
        buckets = answer["aggregations"]["sources"]["buckets"]
        return {row["key"]: (row["documents"]["doc_count"], row["doc_count"]) for row in buckets}

    async def saved(self, chunk_ids: Sequence[str]) -> list[Saved]:
        """Return the text stored under these ids as it was written last, refreshed or not; what is absent is left out.

        Raises: Unavailable, Timeout, Overloaded.
        """
        found: list[Saved] = []
        for start in range(0, len(chunk_ids), PAGE_ROWS):
            part = list(chunk_ids[start : start + PAGE_ROWS])
            with asking():
                answer = await self._client.mget(
                    index=self._index, body={"ids": part}, params={"_source_includes": ",".join(SAVED_FIELDS)}
                )
            for row in answer["docs"]:
                if "error" in row:
                    raise refusal(row.get("status", 500), row)
                if row["found"]:
                    found.append(saved_of(row, self._dim))
        return found

    async def generation(self) -> str:
        """Return the name of the index generation that answers, or of the pinned one.

        Raises: Unavailable when there is none; Timeout.
        """
        if self._pinned is not None:
            return self._pinned.name
        name = await current_name(self._client, self._alias)
        if name is None:
            raise Unavailable(f"the alias {self._alias} is gone")
        return name

    async def identity(self) -> str:
        """Return the UUID of the index that answers, or of the pinned one.

        Raises: Unavailable, also when another index has the name of the pinned one; Timeout.
        """
        uuid = (await read_generation(self._client, await self.generation())).uuid
        if self._pinned is not None and uuid != self._pinned.uuid:
            raise Unavailable(f"the index {self._pinned.name} was made anew")
        return uuid

    async def health(self) -> dict[str, Any]:
        """Return the state of engine and index for status pages: plain JSON values.

        Raises: Unavailable, Timeout.
        """
        generation = await read_generation(self._client, await self.generation())
        with asking():
            cluster, stats = await asyncio.gather(
                self._client.cluster.health(index=generation.name),
                self._client.indices.stats(index=generation.name, metric="docs,store"),
            )
        primaries = stats["indices"][generation.name]["primaries"]
        return {
            "status": cluster["status"],
            "nodes": cluster["number_of_nodes"],
            "generation": generation.name,
            "built_with": dict(generation.meta),
            "chunks": primaries["docs"]["count"],
            "bytes": primaries["store"]["size_in_bytes"],
        }

    async def _answering(self) -> Generation:
        return self._pinned or await answering_generation(self._client, self._alias)

    async def _require_fields(self, query: Query) -> None:
        """Refuse conditions on fields that the generation was made before: it would find nothing, and not say why."""
        if asks_code_fields(query.conditions) and not has_code_fields(generation := await self._answering()):
            raise InvalidInput(
                f"the index {generation.name} was built before code could be searched exactly: "
                "build a new generation (`shirabe index build --from-sources`)",
                "query",
            )

    async def _stored(self, body: Body) -> list[Stored]:
        answer = await self._reader.search(body)
        return [stored_of(hit, self._dim) for hit in answer["hits"]["hits"]]


async def open_store(
    settings: OpenSearchSettings,
    model: ModelInfo,
    *,
    chunker_version: str = DEFAULT_CHUNKER_VERSION,
    weights: LexicalWeights = DEFAULT_WEIGHTS,
) -> OpenSearchStore:
    """Connect, make the first index generation if there is none, and check that it is of this model.

    Raises: InvalidInput when the engine is too old, or the generation was built otherwise than now configured;
        Unavailable, Timeout.
    """
    client = await open_client(settings)
    try:
        shape = partial(choose_shape, client, settings)
        check_meta(await ensure_generation(client, settings.alias, model, chunker_version, shape), model)
    except BaseException:
        await client.close()
        raise
    return OpenSearchStore(client, settings.alias, model.dim, weights)
