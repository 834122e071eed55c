"""Reranking in Cohere's and Jina's shape: POST /v2/rerank, /v1/rerank, rerank bodies with `documents`.

Scores are written with a decimal point and eight decimals: OpenSearch's connector casts them to Double, and takes `1`
for an Integer and long literals for a BigDecimal.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ray_app.bodies import Body, check_query, check_texts, parse, read_bytes
from ray_app.problems import problem
from ray_app.service import Route, Routes
from ray_app.surface import openai
from ray_app.surface.headers import said
from ray_app.surface.parts import PairScorer, Scored
from shirabe.errors import InvalidInput, ShirabeError


class _Document(Body):
    text: str


class CohereRerankRequest(Body):
    """The body of a rerank request in Cohere's or Jina's shape."""

    query: str
    documents: list[str | _Document] = Field(min_length=1)
    model: str | None = None
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False
    max_tokens_per_doc: int | None = Field(None, ge=1)
    truncate: bool = True
    revision: str | None = None

    @property
    def texts(self) -> list[str]:
        """The documents' texts."""
        return [one if isinstance(one, str) else one.text for one in self.documents]


class CohereApi:
    """The scorer as Cohere's and Jina's clients see it."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.routes: Routes = {
            ("POST", "/v2/rerank"): Route(self._rerank, refuse),
            # Under /v1/ errors are OpenAI's.
            ("POST", "/v1/rerank"): Route(self._rerank, openai.refuse),
        }

    async def _rerank(self, request: Request) -> Response:
        return await self.rerank(await read_bytes(request))

    async def rerank(self, raw: bytes) -> Response:
        """Answer the body of a rerank request: best first, all documents unless `top_n` is smaller."""
        body = parse(raw, CohereRerankRequest)
        card = self._scorer.card
        card.check_name(body.model)
        card.check_revision(body.revision)
        texts = body.texts
        check_query(body.query)
        check_texts("documents", texts)
        if body.max_tokens_per_doc is not None and body.max_tokens_per_doc < card.max_tokens:
            raise InvalidInput(
                f"documents are cut where query and document make {card.max_tokens} tokens, not before",
                "max_tokens_per_doc",
            )
        scored = await self._scorer.score(body.query, texts, cut=body.truncate)
        answer = {
            "id": str(uuid.uuid4()),
            "model": card.name,
            "usage": {"total_tokens": scored.tokens},
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
        }
        results = _results(scored, texts if body.return_documents else None, body.top_n)
        text = f'{json.dumps(answer)[:-1]}, "results": [{results}]}}'
        return Response(text, headers=said(card, scored), media_type="application/json")


def _results(scored: Scored, texts: list[str] | None, top_n: int | None) -> str:
    """Return the members of `results` as JSON; json.dumps cannot be told how to write a float."""
    relevances = scored.relevances
    order = sorted(range(len(relevances)), key=lambda number: -scored.scores[number])
    return ", ".join(
        f'{{"index": {number}, "relevance_score": {relevances[number]:.8f}{_document(texts, number)}}}'
        for number in order[:top_n]
    )


def _document(texts: list[str] | None, number: int) -> str:
    if texts is None:
        return ""
    document: dict[str, Any] = {"text": texts[number]}
    return f', "document": {json.dumps(document)}'


def refuse(error: ShirabeError) -> Response:
    """Return an error with the member that Cohere's clients read."""
    return problem(error, message=str(error))
