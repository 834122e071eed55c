"""A `Store` in memory: a small real one. What is written is seen after a refresh; versions, ACL and filters hold."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from uuid import uuid4

from opensearch.code_search import DEFINES, EXACT, PREFIX, condition_clauses
from opensearch.filters import check_filters
from shirabe.conditions import fulfils
from shirabe.definitions import definitions_in, is_code
from shirabe.names import name_key
from shirabe.types import Acl, Condition, Embedding, LegHit, Principal, Query, Record, Saved, Stored, Term
from shirabe.versions import version_key

LEGS = ("lexical", "dense", "sparse")
_UNITS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[぀-ヿ一-鿿]")


@dataclass(frozen=True)
class _Row:
    version: int
    record: Record | None


class InMemoryStore:
    """Chunk id -> newest row; a deleted chunk leaves a row without a record, so an older writer cannot revive it."""

    def __init__(self) -> None:
        self._written: dict[str, _Row] = {}
        self._visible: dict[str, Record] = {}
        self._identity = uuid4().hex

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        for record in records:
            self._put(record.chunk.chunk_id, _Row(version, record))
        for name in deletes:
            self._put(name, _Row(version, None))

    def _put(self, name: str, row: _Row) -> None:
        held = self._written.get(name)
        if held is None or row.version >= held.version:
            self._written[name] = row

    async def refresh(self) -> None:
        self._visible = {name: row.record for name, row in self._written.items() if row.record is not None}

    async def legs(
        self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
    ) -> dict[str, list[LegHit]]:
        rows = self._matching(query)
        found = {leg: _ranking(rows, _scorer(leg, query, embedding), depth) for leg in LEGS if leg in legs}
        return found | ({"exact": _exact(rows, query.conditions, depth)} if "exact" in legs else {})

    async def scores(
        self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None
    ) -> dict[str, dict[str, float]]:
        legs = ["lexical"] if query.text.strip() else []
        if embedding is not None:
            legs += [leg for leg in ("dense", "sparse") if getattr(embedding, leg) is not None]
        rows = [row for row in self._matching(query) if row.chunk.chunk_id in chunk_ids]
        return {
            leg: {hit.chunk_id: hit.score for hit in _ranking(rows, _scorer(leg, query, embedding), len(rows))}
            for leg in (legs if chunk_ids else ())
        }

    async def fetch(self, chunk_ids: Sequence[str], query: Query, embedding: Embedding | None) -> list[Stored]:
        seen = {name: row for name, row in self._visible.items() if _may_see(row.document.acl, query.principal)}
        return [
            _stored(seen[name], bits=embedding is not None, marked=query.text) for name in chunk_ids if name in seen
        ]

    async def versions_of(self, keys: Sequence[str], query: Query) -> list[Stored]:
        rows = sorted(self._matching(query), key=lambda row: row.chunk.chunk_id, reverse=True)
        first = {row.chunk.doc_id: row for row in rows if _version_key(row) in keys}
        return [_stored(row) for row in sorted(first.values(), key=lambda row: (row.chunk.ordinal, row.chunk.doc_id))]

    async def terms(self, names: Collection[str], principal: Principal) -> list[Stored]:
        rows = [row for row in self._visible.values() if _may_see(row.document.acl, principal)]
        held = {row.chunk.chunk_id: row for row in rows if set(names) & _names(row)}
        return [_stored(held[name]) for name in sorted(held)]

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        rows = [row for row in self._visible.values() if row.chunk.doc_id == doc_id]
        return [
            _stored(row)
            for row in sorted(rows, key=lambda row: row.chunk.ordinal)
            if _may_see(row.document.acl, principal)
        ]

    async def chunk_hashes(self, source_id: str) -> dict[str, str]:
        return {
            name: row.chunk.content_hash for name, row in self._visible.items() if row.document.source_id == source_id
        }

    async def counts(self) -> dict[str, tuple[int, int]]:
        chunks = Counter(row.document.source_id for row in self._visible.values())
        documents = Counter(row.document.source_id for row in self._visible.values() if row.chunk.ordinal == 0)
        return {source: (documents[source], count) for source, count in chunks.items()}

    async def saved(self, chunk_ids: Sequence[str]) -> list[Saved]:
        rows = [self._written[name].record for name in chunk_ids if name in self._written]
        return [Saved(replace(row.document, content=b""), row.chunk) for row in rows if row is not None]

    async def generation(self) -> str:
        return "in-memory-000001"

    async def identity(self) -> str:
        return self._identity

    def _matching(self, query: Query) -> list[Record]:
        check_filters(query.filters)
        rows = [row for row in self._visible.values() if _may_see(row.document.acl, query.principal)]
        if query.mode == "code":
            rows = [row for row in rows if is_code(row.chunk)]
        condition_clauses(query.conditions)  # refuses what the engine would
        return [
            row
            for row in rows
            if _passes(row, query.filters)
            and all(fulfils(each, row.chunk, row.document.path) for each in query.conditions)
        ]


class InMemoryWords:
    """The words of several stores in memory, for a pair of them."""

    def __init__(self, *stores: InMemoryStore) -> None:
        self._stores = stores

    async def ranking(self, query: Query, depth: int) -> list[LegHit]:
        rows = [row for store in self._stores for row in store._matching(query)]
        return _ranking(rows, _scorer("lexical", query, None), depth)

    async def exact(self, query: Query, depth: int) -> list[LegHit]:
        rows = [row for store in self._stores for row in store._matching(query)]
        return _exact(rows, query.conditions, depth)

    async def scores(self, chunk_ids: Sequence[str], query: Query) -> dict[str, float]:
        found = await self.ranking(query, 2 * len(chunk_ids) + 10_000)
        return {hit.chunk_id: hit.score for hit in found if hit.chunk_id in chunk_ids}


def _names(row: Record) -> set[str]:
    term = row.chunk.meta.get("term")
    return {name_key(name) for name in Term.of_meta(term).names} if term else set()


def _may_see(acl: Acl, principal: Principal) -> bool:
    return acl.public or bool(set(acl.principals) & set(principal.names))


def _passes(row: Record, filters: Mapping[str, tuple[str, ...]]) -> bool:
    fields = {
        "source": row.document.source_id,
        "kind": row.chunk.kind,
        "lang": row.chunk.lang,
        "path": row.document.path,
        "doc_id": row.chunk.doc_id,
        "revision": row.document.revision,
    }
    return all(any(_equals(name, fields[name], value) for value in values) for name, values in filters.items())


def _equals(name: str, held: str, value: str) -> bool:
    return held.startswith(value[:-1]) if name == "path" and value.endswith("*") else held == value


def _scorer(leg: str, query: Query, embedding: Embedding | None) -> Callable[[Record], float | None]:
    if leg == "lexical":
        asked = _units(query.text)
        return lambda row: _either(
            _overlap(asked, _units(f"{row.document.title} {row.chunk.text}")), 0.01 * _named(query.also, row.chunk.text)
        )
    if leg == "dense":
        if embedding is None or embedding.dense is None:
            raise ValueError("the dense leg needs a dense embedding")
        vector = embedding.dense
        return lambda row: None if row.embedding.dense is None else float(vector @ row.embedding.dense)
    if embedding is None or embedding.sparse is None:
        raise ValueError("the sparse leg needs a sparse embedding")
    weights = embedding.sparse
    return lambda row: _dot(weights, row.embedding.sparse or {})


def _dot(query: Mapping[int, float], passage: Mapping[int, float]) -> float | None:
    whole = sum(passage.values())
    total = sum(weight * passage.get(token, 0.0) for token, weight in query.items())
    return total / whole**0.25 if total else None


def _either(score: float | None, more: float) -> float | None:
    return (score or 0.0) + more or None


def _named(also: Sequence[Sequence[str]], text: str) -> int:
    """Count the terms that a text has another name of, as a phrase."""
    return sum(any(name.casefold() in text.casefold() for name in names) for names in also)


def _overlap(asked: Counter[str], held: Counter[str]) -> float | None:
    common = sum(1 for unit in asked if unit in held)
    return common / (1.0 + 0.01 * sum(held.values())) if common else None


def _units(text: str) -> Counter[str]:
    """Split into words and single kana or kanji; identifiers count by part and joined."""
    folded = unicodedata.normalize("NFKC", text)
    joined = [re.sub(r"[_-]", "", word).lower() for word in re.findall(r"[A-Za-z0-9_-]+", folded)]
    return Counter([*(unit.lower() for unit in _UNITS.findall(folded)), *joined])


def _ranking(rows: Sequence[Record], score: Callable[[Record], float | None], depth: int) -> list[LegHit]:
    scored = [(row.chunk.chunk_id, value) for row in rows if (value := score(row)) is not None]
    best = sorted(scored, key=lambda item: (-item[1], item[0]))[:depth]
    return [LegHit(name, rank, value) for rank, (name, value) in enumerate(best, start=1)]


def _exact(rows: Sequence[Record], conditions: Sequence[Condition], depth: int) -> list[LegHit]:
    """Rank what fulfils conditions: the definitions that were named, then definitions, then the rest, each by path."""
    scores = {row.chunk.chunk_id: sum(_worth(each, row) for each in conditions if not each.negated) for row in rows}
    ordered = sorted(rows, key=lambda row: (-scores[row.chunk.chunk_id], row.document.path, row.chunk.ordinal))
    names = [row.chunk.chunk_id for row in ordered[:depth]]
    return [LegHit(name, rank, scores[name]) for rank, name in enumerate(names, start=1)]


def _worth(condition: Condition, row: Record) -> float:
    definitions = definitions_in(row.chunk)
    on_line = condition.target == "line"
    score = DEFINES if on_line and definitions else 0.0
    if condition.literal and (
        condition.target in ("symbol", "qualified") or (on_line and condition.text.isidentifier())
    ):
        fold = str.lower if condition.ignore_case else str
        names = [fold(each.qualified if condition.target == "qualified" else each.name) for each in definitions]
        asked = fold(condition.text)
        score += EXACT * (asked in names) + PREFIX * any(name.startswith(asked) for name in names)
    return score


def _version_key(row: Record) -> str:
    return version_key(row.document.source_id, row.document.path)


def _stored(row: Record, *, bits: bool = False, marked: str = "") -> Stored:
    document = row.document
    asked = [escape(word) for word in marked.split()]
    text = escape(row.chunk.text)
    for word in asked:
        text = text.replace(word, f"<em>{word}</em>")
    return Stored(
        chunk=row.chunk,
        source_id=document.source_id,
        path=document.path,
        uri=document.uri,
        title=document.title,
        revision=document.revision,
        updated_at=document.updated_at,
        version_key=_version_key(row),
        bits=row.embedding.bits if bits else None,
        highlights=(text,) if "<em>" in text else (),
    )
