"""Model servers over real HTTP on loopback, with models of no weights: good ones of any width, and one that is bad."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from fake_embedder import FakeEmbedder
from fake_models import FakeModel, asgi, row_of
from fastapi import FastAPI

from api.server import ApiServer
from ray_app.lane import Lane
from ray_app.service import Bounds
from ray_app.surface.parts import Encoded
from ray_app.surface.routes import open_service
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.types import Embedding, ModelInfo, Output, TextKind


class NoSense(FakeEmbedder):
    """A model that is broken: what it makes of a query has nothing to do with what it makes of a passage."""

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        told = [f"{kind} {sum(map(ord, text))}" for text in texts]
        return await super().embed(told, kind, outputs)


class Served(FakeModel):
    """An embedder as the surface has it; texts are taken whole."""

    def __init__(self, name: str, embedder: FakeEmbedder, info: ModelInfo) -> None:
        super().__init__(info.dim)
        self._whole = embedder
        self.card = replace(self.card, name=name, revision=info.revision, max_tokens=info.max_tokens)

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        return Encoded([row_of(one) for one in await self._whole.embed(texts, kind, outputs)], len(texts), 0)


@asynccontextmanager
async def model_server(name: str, embedder: FakeEmbedder) -> AsyncIterator[str]:
    """Serve an embedder under a name; gives the address."""
    model = Served(name, embedder, await embedder.info())
    app = FastAPI()
    app.mount("/", asgi(open_service(model, None, Bounds(64, 30.0), None)))
    server = ApiServer(app, LOOPBACK, require_free_port(LOOPBACK, 0))
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()
