"""Models of the HTTP surface without weights: the fake embedder in arrays, and a scorer that counts shared words."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import numpy as np
from fake_embedder import FakeEmbedder
from pydantic import SecretStr
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ray_app.lane import Lane
from ray_app.providers.usage import Usage
from ray_app.service import Bounds, Service
from ray_app.surface.parts import Encoded, ModelCard, PairScorer, Scored, too_long
from ray_app.surface.routes import open_service
from ray_app.wire import Row
from shirabe.types import Embedding, Output, TextKind

MAX_TOKENS = 64
REVISION = "rev-1"


class FakeModel:
    """An `EmbeddingModel` over `FakeEmbedder`; a token is a character, `failure` is raised instead of an answer."""

    def __init__(self, dim: int = 64, smallest_dim: int | None = None) -> None:
        self._embedder = FakeEmbedder(dim, MAX_TOKENS)
        self.card = ModelCard(
            name="acme/fake-m3",
            revision=REVISION,
            max_tokens=MAX_TOKENS,
            dim=dim,
            smallest_dim=smallest_dim,
            outputs=("dense", "sparse", "tokens", "bits"),
            pooling="mean",
            dtype="float16",
            prefixes={"query": "query: ", "passage": "passage: "},
        )
        self.queued_tokens = 0
        self.usage: Usage | None = None
        self.failure: Exception | None = None
        self.calls: list[tuple[TextKind, Lane, tuple[str, ...]]] = []

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        self.check()
        self.calls.append((kind, lane, tuple(texts)))
        long = [number for number, text in enumerate(texts) if len(text) > MAX_TOKENS]
        if long and not cut:
            raise too_long(long[0], MAX_TOKENS)
        embeddings = await self._embedder.embed([text[:MAX_TOKENS] for text in texts], kind, outputs)
        tokens = sum(min(len(text), MAX_TOKENS) for text in texts)
        return Encoded([row_of(one) for one in embeddings], tokens, len(long))


class FakeScorer:
    """A `PairScorer`: the logit is how many words passage and query share, less two."""

    card = ModelCard("acme/fake-reranker", REVISION, MAX_TOKENS)

    async def score(self, query: str, passages: Sequence[str], *, cut: bool = True) -> Scored:
        long = [number for number, passage in enumerate(passages) if len(query) + len(passage) > MAX_TOKENS]
        if long and not cut:
            raise too_long(long[0], MAX_TOKENS)
        words = set(query.split())
        scores = [float(len(words & set(passage.split())) - 2) for passage in passages]
        relevances = [float(1 / (1 + np.exp(-score))) for score in scores]
        return Scored(scores, relevances, sum(len(query) + len(passage) for passage in passages), len(long))


def serve(
    model: FakeModel,
    scorer: PairScorer | None = None,
    *,
    requests: int = 8,
    timeout_s: float = 5.0,
    api_key: str | None = None,
) -> tuple[httpx.AsyncClient, Service]:
    """Return a client of the whole surface over the models, in this process."""
    key = None if api_key is None else SecretStr(api_key)
    service = open_service(model, scorer, Bounds(requests, timeout_s), key)
    return httpx.AsyncClient(transport=httpx.ASGITransport(asgi(service)), base_url="http://models"), service


def asgi(service: Service) -> ASGIApp:
    """Return a service as an application for a server."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await service.answer(Request(scope, receive))
        await response(scope, receive, send)

    return app


def row_of(embedding: Embedding) -> Row:
    sparse = None if embedding.sparse is None else sorted(embedding.sparse.items())
    return Row(
        dense=embedding.dense,
        sparse_ids=None if sparse is None else np.array([index for index, _ in sparse], np.int32),
        sparse_weights=None if sparse is None else np.array([weight for _, weight in sparse], np.float32),
        tokens=embedding.tokens,
        bits=embedding.bits,
    )
