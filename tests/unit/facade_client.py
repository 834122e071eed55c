"""A facade over fakes, and an HTTP client to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from facade_fakes import FakeEmbedder, FakeSources, FaultyStore, filled, record
from fake_activity_log import InMemoryActivityLog
from fastapi import FastAPI

from api.main import create_app
from api.search import SearchPath
from shirabe.settings import ApiSettings, SearchSettings

BASE = "http://127.0.0.1:8080"
ROWS = (
    record("docs/en/cancel.md", "how to cancel an order <b>before</b> it ships", title="Cancelling"),
    record("docs/ja/cancel.md", "注文を取り消す方法", lang="ja", title="注文の取り消し"),
    record("src/orders.py", "def cancel_order(order_id): ...", kind="function"),
)
SECRET = record("secret.md", "cancel order secret", public=False)


@dataclass
class Facade:
    store: FaultyStore = field(default_factory=FaultyStore)
    embedder: FakeEmbedder = field(default_factory=FakeEmbedder)
    sources: FakeSources = field(default_factory=FakeSources)
    activity: InMemoryActivityLog | None = field(default_factory=InMemoryActivityLog)

    def app(self, settings: ApiSettings | None = None) -> FastAPI:
        search = SearchPath(self.store, self.embedder, None, SearchSettings())
        return create_app(search, self.store, self.embedder, self.sources, settings or ApiSettings(), self.activity)

    @asynccontextmanager
    async def client(self, settings: ApiSettings | None = None) -> AsyncIterator[httpx.AsyncClient]:
        await filled([*ROWS, SECRET], self.store)
        transport = httpx.ASGITransport(self.app(settings))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            yield client


def assert_problem(response: httpx.Response, status: int, kind: str) -> dict[str, object]:
    """Check that a response is the problem expected, and return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == f"urn:shirabe:problem:{kind}"
    assert body["status"] == status
    assert body["instance"].startswith("urn:uuid:")
    assert body["title"] and body["detail"]
    assert isinstance(body, dict)
    return body
