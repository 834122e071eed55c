"""Small real models of what the facade depends on: a store that can fail, an embedder over hashed words, sources."""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from fake_store import InMemoryStore

from shirabe.errors import Forbidden, InvalidInput, NotFound, ShirabeError
from shirabe.types import (
    Acl,
    Document,
    Drift,
    Embedding,
    Floats,
    LegHit,
    ModelInfo,
    Output,
    Principal,
    Query,
    Record,
    Source,
    SourceStatus,
    Stored,
    SyncReport,
    TextKind,
    document_id,
    make_chunk,
)

DIM = 64
NOW = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+|[^\W\da-z_]", text.lower())


def vector(word: str) -> Floats:
    drawn = np.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIM).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn), dtype=np.float32)


def embed_text(text: str) -> Embedding:
    rows = np.stack([vector(word) for word in words(text)] or [np.zeros(DIM, dtype=np.float32)])
    total = rows.sum(axis=0)
    return Embedding(
        dense=np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), dtype=np.float32),
        sparse={zlib.crc32(word.encode()) % 1_000: 1.0 for word in words(text)},
        tokens=rows.astype(np.float16),
        bits=np.packbits(rows > 0, axis=1),
    )


def record(
    path: str,
    text: str,
    *,
    kind: str = "section",
    lang: str = "en",
    source: str = "docs",
    ordinal: int = 0,
    title: str = "",
    headings: tuple[str, ...] = (),
    public: bool = True,
) -> Record:
    document = Document(
        doc_id=document_id(source, path),
        source_id=source,
        path=path,
        uri=f"https://example.org/{path}",
        title=title or path,
        content=b"",
        media_type="text/markdown",
        revision="a1b2c3d4e5",
        updated_at=NOW,
        acl=Acl(public=public),
    )
    chunk = make_chunk(
        document,
        ordinal,
        kind=kind,
        text=text,
        locator=f"{path}#{ordinal}",
        lang=lang,
        headings=headings,
        context=document.title,
    )
    return Record(document, chunk, embed_text(text))


class FaultyStore(InMemoryStore):
    """The store of the contract suite; `error`, while set, is what it answers, and `asked` keeps the legs asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.error: ShirabeError | None = None
        self.asked: list[tuple[str, ...]] = []

    def _fail(self) -> None:
        if self.error:
            raise self.error

    async def legs(
        self, query: Query, legs: Collection[str], embedding: Embedding | None, depth: int
    ) -> dict[str, list[LegHit]]:
        self._fail()
        self.asked.append(tuple(sorted(legs)))
        return await super().legs(query, legs, embedding, depth)

    async def document(self, doc_id: str, principal: Principal) -> list[Stored]:
        self._fail()
        return await super().document(doc_id, principal)

    async def generation(self) -> str:
        self._fail()
        return await super().generation()


async def filled(records: Sequence[Record], store: FaultyStore | None = None) -> FaultyStore:
    """Return a store that holds records."""
    store = store or FaultyStore()
    await store.write(records, [], 1)
    await store.refresh()
    return store


class FakeEmbedder:
    """Hashed words as a model; `error`, while set, is raised."""

    def __init__(self) -> None:
        self.error: ShirabeError | None = None
        self.calls = 0

    async def info(self) -> ModelInfo:
        if self.error:
            raise self.error
        return ModelInfo("hashed-words", "1", DIM, 512)

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        self.calls += 1
        if self.error:
            raise self.error
        made = [embed_text(text) for text in texts]
        return [
            Embedding(
                dense=one.dense if "dense" in outputs else None,
                sparse=one.sparse if "sparse" in outputs else None,
                tokens=one.tokens if "tokens" in outputs else None,
            )
            for one in made
        ]


class FakeReranker:
    """Scores a passage by the share of the query's words in it; `error`, while set, is raised."""

    def __init__(self) -> None:
        self.error: ShirabeError | None = None
        self.passages: list[str] = []

    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        if self.error:
            raise self.error
        self.passages = list(passages)
        asked = set(words(query))
        return [len(asked & set(words(passage))) / len(asked) for passage in passages]


class FakeSources:
    """Sources in a dict; pushed documents in another."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.pushed: dict[str, Document] = {}
        self.told: list[tuple[str, bytes]] = []
        self.error: ShirabeError | None = None

    async def list(self) -> list[SourceStatus]:
        if self.error:
            raise self.error
        totals = {"chunks_embedded": 7}
        return [SourceStatus(source, 3, 9, "a1b2c3d4e5", NOW, 12.0, totals=totals) for source in self.sources.values()]

    async def add(self, source: Source) -> None:
        if source.source_id in self.sources:
            raise InvalidInput(f"there is a source named {source.source_id} already", "name")
        self.sources[source.source_id] = source

    def _known(self, source_id: str) -> str:
        if self.error:
            raise self.error
        if source_id not in self.sources:
            raise NotFound(f"no source is named {source_id}")
        return source_id

    async def sync(self, source_id: str, *, full: bool = False) -> SyncReport:
        return SyncReport(self._known(source_id), "a1b2c3d4e5", documents=3 if full else 1, chunks=9)

    async def notify(self, source_id: str, headers: Mapping[str, str], body: bytes) -> None:
        if headers.get("x-gitlab-token") != "right":
            raise Forbidden("the call is not signed")
        self.told.append((self._known(source_id), body))

    async def drift(self, source_id: str) -> Drift:
        return Drift(self._known(source_id), "a1b2c3d4e5", 3, missing=("new.md",))

    async def put(self, document: Document) -> SyncReport:
        self.pushed[document.doc_id] = document
        return SyncReport(document.source_id, document.revision, documents=1, chunks=1)

    async def delete(self, doc_id: str) -> None:
        if self.pushed.pop(doc_id, None) is None:
            raise NotFound("there is no such document")
