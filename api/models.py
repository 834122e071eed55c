"""The shapes of searching over REST, and the words the other shapes share; unknown fields are refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shirabe.types import Acl, Hit, Mode, Query, Recognised, Rerank, SearchResult

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, StringConstraints(max_length=1_000, pattern=NO_CONTROL)]
NonEmptyLine = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=NO_CONTROL)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_CONTROL)]
SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class Strict(BaseModel):
    """A shape whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchRequest(Strict):
    """What is asked."""

    query: str = Field(
        description=(
            "Question, term or identifier, in Japanese or English. Among the words, `sym:NAME` asks for what defines "
            'NAME, `file:PATH` and `lang:NAME` for files and languages; in mode `code`, `"text"` and `/regex/` for '
            "lines (RE2's syntax). A `-` before any of them leaves out what it finds. Names, paths and texts are found "
            "anywhere in their place, whatever their case unless they hold capitals. Without other words, the answer "
            "is the exact matches, definitions first"
        ),
        examples=["注文のキャンセル", "sym:include_router -file:test lang:python"],
    )
    top_k: int = Field(10, ge=1, strict=True, description="Number of hits")
    filters: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description="A field and the value, or any of the values, it must have",
        examples=[{"lang": "ja", "kind": ["section", "table"]}],
    )
    mode: Mode = Field("hybrid", description="The legs that are asked; `code`: all legs, over code only")
    rerank: Rerank = Field(
        "auto",
        description="`auto`: the cross-encoder where there is one, else late interaction; none in single-leg modes",
    )
    explain: bool = Field(False, strict=True, description="Give each hit's rank and score in each leg and stage")
    client_id: ClientId | None = Field(None, description="Who asks, to tell one asker's searches; a pseudonym is kept")

    def to_query(self) -> Query:
        """Return the query this request asks, by an anonymous principal: it sees what is public."""
        return Query(
            text=self.query,
            top_k=self.top_k,
            filters={
                name: (value,) if isinstance(value, str) else tuple(value) for name, value in self.filters.items()
            },
            mode=self.mode,
            rerank=self.rerank,
            explain=self.explain,
        )


class LegPlace(BaseModel):
    """Where a hit stood in one leg or stage; scores of two stages are not comparable."""

    rank: int
    score: float


class HitBody(BaseModel):
    """One hit."""

    chunk_id: str
    doc_id: str
    title: str
    text: str
    context: str = Field(description="Title, headings or scope that the text stands under")
    highlights: list[str] = Field(description="HTML-escaped fragments, or lines, with what matched in <em>")
    uri: str
    locator: str = Field(
        description="The exact place, at the revision given; the first of `lines` where there are some"
    )
    path: str
    source: str
    revision: str
    lang: str
    kind: str
    score: float
    headings: list[str]
    updated_at: datetime
    lines: list[int] | None = Field(None, description="Lines of the source that the query's operators ask for, if any")
    legs: dict[str, LegPlace] | None = Field(None, description="Present when `explain` is asked for")

    @classmethod
    def of(cls, hit: Hit, *, explain: bool) -> Self:
        """Return the body of a hit."""
        stored, chunk = hit.stored, hit.stored.chunk
        legs = {name: LegPlace(rank=rank, score=score) for name, (rank, score) in hit.legs.items()} if explain else None
        return cls(
            chunk_id=chunk.chunk_id,
            doc_id=chunk.doc_id,
            title=stored.title,
            text=chunk.text,
            context=chunk.context,
            highlights=list(stored.highlights),
            uri=stored.uri,
            locator=chunk.locator,
            path=stored.path,
            source=stored.source_id,
            revision=stored.revision,
            lang=chunk.lang,
            kind=chunk.kind,
            score=hit.score,
            headings=list(chunk.headings),
            updated_at=stored.updated_at,
            lines=list(hit.lines) or None,
            legs=legs,
        )


class TermBody(BaseModel):
    """A term of the glossary that the query names."""

    ja: str
    en: str
    reading: str
    abbreviations: list[str]
    synonyms: list[str]
    forbidden: list[str] = Field(description="Names not to write")
    definition: str
    scope: str
    also_searched: list[str] = Field(description="Names of the term that were searched for besides the query")
    chunk_id: str
    doc_id: str
    source: str
    uri: str
    locator: str

    @classmethod
    def of(cls, recognised: Recognised) -> Self:
        """Return the body of a recognised term."""
        term, stored = recognised.term, recognised.stored
        return cls(
            ja=term.ja,
            en=term.en,
            reading=term.reading,
            abbreviations=list(term.abbreviations),
            synonyms=list(term.synonyms),
            forbidden=list(term.forbidden),
            definition=term.definition,
            scope=term.scope,
            also_searched=list(recognised.others),
            chunk_id=stored.chunk.chunk_id,
            doc_id=stored.chunk.doc_id,
            source=stored.source_id,
            uri=stored.uri,
            locator=stored.chunk.locator,
        )


class SearchAnswer(BaseModel):
    """What a search returns."""

    hits: list[HitBody]
    glossary: list[TermBody] = Field(description="Terms of the glossary that the query names")
    took_ms: float
    stages_ms: dict[str, float]
    generation: str = Field(description="The index generation that answered")
    degraded: list[str] = Field(description="Parts that were missing: `embedder`, `rerank`")
    query_id: str | None = Field(None, description="What events about this search refer to; absent where none are kept")

    @classmethod
    def of(cls, result: SearchResult, query_id: str | None, *, explain: bool) -> Self:
        """Return the body of a result."""
        return cls(
            hits=[HitBody.of(hit, explain=explain) for hit in result.hits],
            glossary=[TermBody.of(item) for item in result.glossary],
            took_ms=round(result.took_ms, 2),
            stages_ms={name: round(took, 2) for name, took in result.stages_ms.items()},
            generation=result.generation,
            degraded=list(result.degraded),
            query_id=query_id,
        )


class AclBody(Strict):
    """Who may see: everyone when `public`, else the named principals."""

    public: bool = False
    principals: list[NonEmptyLine] = Field(default_factory=list, max_length=1_000)

    def to_acl(self) -> Acl:
        """Return the ACL."""
        return Acl(self.public, tuple(self.principals))


PUBLIC = AclBody(public=True)
