"""One `Store` of two: code in an index of its own, built by its own model, and everything else in the first."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeVar

from shirabe.definitions import is_code
from shirabe.errors import PartialWrite
from shirabe.legs import CODE_LEGS, EXACT_LEG, LEGS, LEXICAL, MEANING
from shirabe.protocols import Store
from shirabe.types import Embedding, LegHit, Principal, Query, Record, Saved, Stored, digest

S = TypeVar("S")
T = TypeVar("T")

Own = Literal["both", "prose", "code"]
"""What is written: a generation that follows writes its own index only, for the other is kept true by the leader."""


class Countable(Store, Protocol):
    """A `Store` that counts what it holds."""

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Return source id -> (documents, chunks)."""


class Words(Protocol):
    """What two indices are asked at once: terms weigh what they weigh in both together, and order is that of one."""

    async def ranking(self, query: Query, depth: int) -> list[LegHit]:
        """Return the ranking, `depth` rows at most."""

    async def exact(self, query: Query, depth: int) -> list[LegHit]:
        """Return what fulfils the query's conditions, `depth` rows at most."""

    async def scores(self, chunk_ids: Sequence[str], query: Query) -> dict[str, float]:
        """Return chunk id -> score of exactly these chunks, of those that match."""


class PairStore:
    """Implements `Store` over the index of prose, the index of code, and the words of both.

    A chunk is written where it belongs, and leaves the other index if it was there. With `one_model` the vectors
    of both are comparable, and the pair answers as one index would; else an `Embedding` is asked of the first index,
    its `code` of the second, whose legs have names of their own. When the pair is `settled`, no code is left in the
    first index, and a query for code is asked of the second alone. Where it is no longer `apart`, code returns to the
    first.
    """

    def __init__(
        self,
        prose: Countable,
        code: Countable,
        words: Words,
        *,
        one_model: bool,
        settled: bool = True,
        own: Own = "both",
        apart: bool = True,
    ) -> None:
        self._prose = prose
        self._code = code
        self._words = words
        self._one_model = one_model
        self._settled = settled
        self._own = own
        self._apart = apart

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        """Upsert each record where it belongs and delete chunk ids from both; then what moved leaves where it was.

        Raises: PartialWrite naming exactly what was not written; Unavailable, Timeout, InvalidInput.
        """
        code = [record for record in records if self._apart and is_code(record.chunk)]
        prose = [record for record in records if not (self._apart and is_code(record.chunk))]
        sides = ((self._prose, "prose", prose, code), (self._code, "code", code, prose))
        owned = [(store, here, there) for store, name, here, there in sides if self._own in ("both", name)]
        failed: dict[str, str] = {}
        for outcome in await asyncio.gather(
            *(store.write(here, deletes, version) for store, here, _ in owned if here or deletes),
            return_exceptions=True,
        ):
            if isinstance(outcome, PartialWrite):
                failed |= outcome.failed_ids
            elif isinstance(outcome, BaseException):
                raise outcome
        for store, _, there in owned:
            # What was refused where it belongs stays where it was: nothing is lost on the way.
            names = [record.chunk.chunk_id for record in there if record.chunk.chunk_id not in failed]
            if names and (moved := [saved.chunk.chunk_id for saved in await store.saved(names)]):
                await store.write([], moved, version)
        if failed:
            raise PartialWrite(failed)

    async def refresh(self) -> None:
        """Make everything written so far visible to search."""
        await _both(self._prose.refresh(), self._code.refresh())

    async def legs(
        self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
    ) -> dict[str, list[LegHit]]:
        """Return the ranking of each named leg; of an index whose model did not answer there is none.

        Raises: ValueError for a leg that neither model has a part of the embedding for; as every store.
        """
        of_prose, of_code = self._of_each(query, embedding)
        asked = [leg for leg in MEANING if leg in legs]
        in_prose, in_code = _askable(asked, of_prose), _askable(asked, of_code)
        if missing := [leg for leg in asked if leg not in in_prose and leg not in in_code]:
            raise ValueError(f"the {missing[0]} leg needs its part of the embedding")
        (lexical, exact), (prose, code) = await _both(
            _both(
                self._words.ranking(query, depth) if LEXICAL in legs else _nothing(),
                self._words.exact(query, 2 * depth) if EXACT_LEG in legs else _nothing(),
            ),
            _both(self._prose.legs(query, in_prose, of_prose, depth), self._code.legs(query, in_code, of_code, depth)),
        )
        found = {LEXICAL: ranked(((hit.chunk_id, hit.score) for hit in lexical), depth)} if LEXICAL in legs else {}
        if EXACT_LEG in legs:
            found[EXACT_LEG] = _each_once(exact, depth)
        if not self._one_model:
            return found | prose | {CODE_LEGS[leg]: hits for leg, hits in code.items()}
        for leg in asked:
            hits = [*code.get(leg, ()), *prose.get(leg, ())]
            found[leg] = ranked(((hit.chunk_id, hit.score) for hit in hits), depth)
        return found

    async def scores(
        self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None
    ) -> dict[str, dict[str, float]]:
        """Return leg -> chunk id -> score of exactly these chunks, by the model of the index that each lies in."""
        if not chunk_ids:
            return {}
        of_prose, of_code = self._of_each(query, embedding)
        wordless = replace(query, text="", also=())
        lexical, (prose, code) = await _both(
            self._words.scores(chunk_ids, query),
            _both(self._prose.scores(chunk_ids, wordless, of_prose), self._code.scores(chunk_ids, wordless, of_code)),
        )
        found = {leg: {**prose.get(leg, {}), **code.get(leg, {})} for leg in LEGS if leg in prose or leg in code}
        return ({LEXICAL: lexical} if query.text.strip() else {}) | found

    async def fetch(self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None) -> list[Stored]:
        """Return the chunks that exist and the principal may see, in the order asked; each says where it lies."""
        if not chunk_ids:
            return []
        of_prose, of_code = (embedding, embedding) if self._one_model else (embedding, embedding and embedding.code)
        prose, code = await _both(
            self._prose.fetch(chunk_ids, query, of_prose), self._code.fetch(chunk_ids, query, of_code)
        )
        found = self._once(prose, code)
        return [found[name] for name in chunk_ids if name in found]

    async def versions_of(self, keys: Sequence[str], query: Query) -> list[Stored]:
        """Return the first chunk of every document under the given version keys."""
        prose, code = await _both(self._prose.versions_of(keys, query), self._code.versions_of(keys, query))
        rows = sorted(self._once(prose, code).values(), key=lambda row: (row.chunk.ordinal, row.chunk.doc_id))
        first: dict[str, Stored] = {}
        for row in rows:
            first.setdefault(row.chunk.doc_id, row)
        return list(first.values())

    async def terms(self, names: Collection[str], principal: Principal) -> list[Stored]:
        """Return the terms of glossaries with one of these names: a term is no code."""
        return await self._prose.terms(names, principal)

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        """Return a document's chunks in order, whichever index they lie in."""
        prose, code = await _both(self._prose.document(doc_id, principal), self._code.document(doc_id, principal))
        return sorted(self._once(prose, code).values(), key=lambda row: row.chunk.ordinal)

    async def chunk_hashes(self, source_id: str) -> dict[str, str]:
        """Return chunk id -> content hash of everything stored for a source."""
        prose, code = await _both(self._prose.chunk_hashes(source_id), self._code.chunk_hashes(source_id))
        return prose | code

    async def counts(self) -> dict[str, tuple[int, int]]:
        """Return source id -> (documents, chunks): a document counts where its first chunk lies."""
        prose, code = await _both(self._prose.counts(), self._code.counts())
        none = (0, 0)
        return {
            name: (
                prose.get(name, none)[0] + code.get(name, none)[0],
                prose.get(name, none)[1] + code.get(name, none)[1],
            )
            for name in sorted(prose.keys() | code.keys())
        }

    async def saved(self, chunk_ids: Sequence[str]) -> list[Saved]:
        """Return the text stored under these ids as it was written last, in the order asked."""
        prose, code = await _both(self._prose.saved(chunk_ids), self._code.saved(chunk_ids))
        found = {row.chunk.chunk_id: row for row in (*prose, *code)}
        return [found[name] for name in chunk_ids if name in found]

    async def generation(self) -> str:
        """Return the names of both generations that answer, that of prose first."""
        return " + ".join(await _both(self._prose.generation(), self._code.generation()))

    async def identity(self) -> str:
        """Return what changes when either index is made anew."""
        return digest("pair", *await _both(self._prose.identity(), self._code.identity()))

    def _of_each(self, query: Query, embedding: Embedding | None) -> tuple[Embedding | None, Embedding | None]:
        """Return what each index is asked with; None where it is not asked."""
        of_code = embedding if self._one_model or embedding is None else embedding.code
        return None if query.mode == "code" and self._settled else embedding, of_code

    def _once(self, prose: Iterable[Stored], code: Iterable[Stored]) -> dict[str, Stored]:
        """Return every chunk once: while it moves, it may be in both."""
        found = {row.chunk.chunk_id: row for row in prose}
        return found | {row.chunk.chunk_id: replace(row, apart=not self._one_model) for row in code}


def ranked(rows: Iterable[tuple[str, float]], depth: int) -> list[LegHit]:
    """Return the ranking of (chunk id, score), each id once by its best, ties by id."""
    best: dict[str, float] = {}
    for name, score in rows:
        best[name] = max(score, best.get(name, score))
    order = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:depth]
    return [LegHit(name, rank, score) for rank, (name, score) in enumerate(order, start=1)]


def _each_once(hits: Sequence[LegHit], depth: int) -> list[LegHit]:
    """Return a ranking without what came up before: a chunk on its way is in both indices, at any two ranks."""
    first = {hit.chunk_id: hit for hit in reversed(hits)}
    order = sorted(first.values(), key=lambda hit: hit.rank)[:depth]
    return [replace(hit, rank=rank) for rank, hit in enumerate(order, start=1)]


def _askable(legs: Sequence[str], embedding: Embedding | None) -> list[str]:
    return [leg for leg in legs if embedding is not None and getattr(embedding, leg) is not None]


async def _both(one: Coroutine[Any, Any, S], other: Coroutine[Any, Any, T]) -> tuple[S, T]:
    """Return what two give at once. When one fails the other is ended first, so that nobody is left asking."""
    try:
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(one), group.create_task(other)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return first.result(), second.result()


async def _nothing() -> list[LegHit]:
    return []
