"""A vendor that does not let us in, from its HTTP through the model server's HTTP to a search and to an ingest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fake_models import asgi
from fake_tokens import FakeTokens
from fake_vendors import KEY, QUOTA, FakeVendor, Fault, fake_openai, openai_error
from fastapi import FastAPI
from ingest_fakes import FailingStore, settings_in

from api.server import ApiServer
from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from ray_app.client import ModelClient
from ray_app.config import ServerConfig
from ray_app.observer import Observer
from ray_app.provider_service import ProviderService
from ray_app.service import Bounds
from ray_app.surface.routes import open_service
from shirabe.errors import Forbidden, NotFound, ShirabeError
from shirabe.ports import LOOPBACK
from shirabe.types import Source, TextKind

NO_KEY = openai_error(401, f"Incorrect API key provided: {KEY}.", "invalid_request_error", code="invalid_api_key")
NO_PERMISSION = openai_error(403, "You have insufficient permissions for this operation.", "invalid_request_error")
NO_MODEL = openai_error(404, "The model `text-embedding-3-large` does not exist", "invalid_request_error")
# More than would be asked if it were taken for something that passes.
OFTEN = 100


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with fake_openai() as server:
        yield server


@pytest_asyncio.fixture
async def url(vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A model server over the vendor."""
    monkeypatch.setenv("SERVICE_KEY", KEY)
    config = ServerConfig(
        model="openai:text-embedding-3-large",
        provider_url=vendor.url,
        provider_key_env="SERVICE_KEY",
        dimensions=256,
    )
    model = ProviderService(config, Observer())
    async with serving(model) as address:
        yield address
    await model.close()


@asynccontextmanager
async def serving(model: ProviderService) -> AsyncIterator[str]:
    app = FastAPI()
    app.mount("/", asgi(open_service(model, None, Bounds(64, 10), None)))
    server = ApiServer(app, LOOPBACK, 0)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (NO_KEY, Forbidden, "does not take the key from the environment variable SERVICE_KEY; correct that"),
        (NO_PERMISSION, Forbidden, "insufficient permissions.*see to the account of the key from .*SERVICE_KEY"),
        (QUOTA, Forbidden, "exceeded your current quota.*see to the account"),
        (NO_MODEL, NotFound, "does not exist"),
    ],
)
@pytest.mark.parametrize("text_kind", ["query", "passage"])
async def test_what_asking_again_does_not_mend_is_asked_once(
    vendor: FakeVendor, url: str, fault: Fault, kind: type[ShirabeError], said: str, text_kind: TextKind
) -> None:
    vendor.faults.extend([fault] * OFTEN)
    client = ModelClient(url, 10)
    with pytest.raises(kind, match=f"the model server says: .*{said}") as refused:
        await client.embed(["在庫"], text_kind, ["dense"])
    await client.close()
    assert KEY not in str(refused.value)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v1/embeddings", {"input": "在庫", "model": "text-embedding-3-large"}, "insufficient_permissions"),
        ("/embed", {"inputs": "在庫"}, "Backend"),
        ("/m3/encode", {"texts": ["在庫"], "kind": "query", "outputs": ["dense"]}, "Forbidden"),
    ],
)
async def test_every_family_says_that_the_server_is_not_let_in(
    vendor: FakeVendor, url: str, path: str, body: dict[str, object], code: str
) -> None:
    vendor.faults.extend([NO_KEY] * OFTEN)
    async with httpx.AsyncClient(base_url=url) as http:
        answer = await http.post(path, json=body)
    assert answer.status_code == 403
    assert "WWW-Authenticate" not in answer.headers
    said = answer.json()
    assert code in (
        said.get("error_type"),
        said.get("title"),
        said["error"]["code"] if path == "/v1/embeddings" else "",
    )
    assert KEY not in answer.text
    assert len(vendor.requests) == 1


async def test_an_ingest_ends_with_the_reason_and_goes_on_when_it_is_mended(
    vendor: FakeVendor, url: str, tmp_path: Path
) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "stock.md").write_text("# Stock\n\n在庫を引き当てる。\n")
    settings, store, client = settings_in(tmp_path), FailingStore(), ModelClient(url, 10)
    job = SyncJob(store, client, StructureChunker(FakeTokens(), settings.ingest.chunk_tokens), settings)
    await job.add(Source("pages", "markdown", str(pages)))
    vendor.faults.extend([NO_KEY] * OFTEN)
    with pytest.raises(Forbidden, match="SERVICE_KEY; correct that and restart the model server"):
        await job.sync("pages")
    assert len(vendor.requests) == 1
    assert await store.held("pages") == {}
    vendor.faults.clear()
    report = await job.sync("pages")
    assert (report.documents, report.failures) == (1, ())
    await job.close()
    await client.close()
