"""What tests of the whole system share: an index of their own, the facade over real parts, where a locator leads."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from opensearchpy import AsyncOpenSearch

from api.live import LiveSearch
from api.main import create_app
from api.search import SearchPath
from shirabe.cli.compose import Parts
from shirabe.protocols import Embedder, Searcher
from shirabe.settings import Settings

BASE = "http://127.0.0.1:8080"
LINES = re.compile(r"#L(\d+)-L(\d+)$")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: *\{ *#([\w-]+) *\})? *$")


def own(settings: Settings, **opensearch: object) -> Settings:
    """Return settings with an alias, a state directory and a cache of their own."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    folder = settings.state_dir.parent / name
    (folder / "state").mkdir(parents=True)
    engine = settings.opensearch.model_copy(update={"alias": name, **opensearch})
    # The embeddings are kept in the cache directory, and no test should live on those of another.
    return settings.model_copy(
        update={"opensearch": engine, "state_dir": folder / "state", "cache_dir": folder / "cache"}
    )


async def drop(url: str, alias: str) -> None:
    """Delete every generation of an alias."""
    async with AsyncOpenSearch(hosts=[url]) as client:
        for name in await client.indices.get(index=f"{alias}-*", params={"allow_no_indices": "true"}):
            await client.indices.delete(index=name)


@asynccontextmanager
async def facade(
    parts: Parts, settings: Settings, embedder: Embedder | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the facade over these parts, searching with another embedder where one is given."""
    search: Searcher = LiveSearch(parts.index, None, settings.search)
    if embedder is not None:
        search = SearchPath(parts.store, embedder, None, settings.search)
    app = create_app(search, parts.documents, embedder or parts.embedder, parts.sources, settings.api, parts.activity)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def found(client: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    """Search, and return the answer of a search that went well."""
    response = await client.post("/v1/search", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def opened(content: str, locator: str) -> str:
    """Return what a reader sees who follows a locator into a text: its lines, or everything from its heading on."""
    lines = content.splitlines()
    if found := LINES.search(locator):
        start, end = int(found[1]), int(found[2])
        assert 1 <= start <= end <= len(lines)
        return "\n".join(lines[start - 1 : end])
    _, _, anchor = locator.partition("#")
    if not anchor:
        return content
    for number, line in enumerate(lines):
        if (heading := _HEADING.match(line)) and anchor == (heading[2] or _slug(heading[1])):
            return "\n".join(lines[number:])
    raise AssertionError(f"nothing at {locator}")


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
