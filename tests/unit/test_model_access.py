"""How a model server is asked: whose certificate is believed, and what is told when it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from own_authority import Authority, listening

from opensearch.plugin.served import read_served
from ray_app.client import ModelClient
from shirabe.errors import Unavailable

INFO = {"name": "m3-mini", "revision": "r1", "dim": 384, "max_tokens": 512, "outputs": ["dense"]}


async def answer(request: web.Request) -> web.Response:
    return web.json_response(INFO if request.path == "/m3/info" else {"what": "else"})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def url(authority: Authority) -> AsyncIterator[str]:
    async with listening(answer, authority.server()) as address:
        yield f"https://{address}"


async def test_an_authority_that_the_system_does_not_know_is_not_believed(url: str) -> None:
    client = ModelClient(url, 5.0)
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await client.info()
    await client.close()
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await read_served(url, None)


async def test_an_authority_of_the_system_is_believed(
    url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    client = ModelClient(url, 5.0)
    assert (await client.info()).name == "m3-mini"
    await client.close()
    with pytest.raises(Unavailable, match="is not a model server of Shirabe"):
        await read_served(url, None)
