"""How the engine is asked: who asks, whose certificate is believed, and what is told when either is refused."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path

import pytest
from aiohttp import web
from own_authority import Authority, listening
from pydantic import SecretStr

from opensearch.client import open_client, reason_of, refusal
from opensearch.plugin.saved_objects import Dashboards
from opensearch.tls import tls_context
from shirabe.errors import InvalidInput, Unavailable
from shirabe.ports import LOOPBACK
from shirabe.settings import OpenSearchSettings

USER, PASSWORD = "調べ係", "pässwörd-秘密"
ENGINE = {"version": {"distribution": "opensearch", "number": "3.6.0"}}
ROW = b'{"type": "dashboard", "id": "one", "attributes": {"title": "One"}}'


async def guarded(request: web.Request) -> web.Response:
    """Answer as the security plugin does: it reads UTF-8, and refuses in plain text."""
    told = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
    if told != f"{USER}:{PASSWORD}":
        return web.Response(status=401, text="Unauthorized")
    return web.json_response(ENGINE)


async def open_(url: str, **settings: object) -> str:
    """Return what opening a client says; empty when it succeeds."""
    given = {"username": USER, "password": SecretStr(PASSWORD), **settings}
    try:
        client = await open_client(OpenSearchSettings.model_validate({"url": url, "timeout_s": 5.0, **given}))
    except Unavailable as error:
        return error.message
    await client.close()
    return ""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_a_user_and_a_password_may_be_in_any_script(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(guarded) as at:
        assert await open_(f"http://{at}") == ""
        wrong = await open_(f"http://{at}", password=SecretStr("another-秘密"))
        assert wrong == "the search engine does not know our user or password"
        with pytest.raises(InvalidInput, match="SHIRABE_OPENSEARCH__PASSWORD"):
            await open_(f"http://{at}", password=None)
    told = "".join(record.getMessage() for record in caplog.records)
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert at in told, "requests were logged"
    assert PASSWORD not in told and "another-秘密" not in told and encoded not in told


async def test_a_private_authority_is_believed_when_it_is_named(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    async with listening(guarded, authority.server()) as at:
        for scheme in ("https", "HTTPS"):
            assert await open_(f"{scheme}://{at}", ca_certs=authority.file) == ""
        assert await open_(f"https://{at}", verify_certs=False) == ""
        for named in (None, other.file):
            said = await open_(f"https://{at}", ca_certs=named)
            assert "its certificate is not trusted" in said and "opensearch.ca_certs" in said


@pytest.mark.parametrize(
    ("address", "days_left", "said"), [(LOOPBACK, -1, "expired"), ("127.0.0.9", 1, f"not valid for '{LOOPBACK}'")]
)
async def test_what_is_wrong_with_a_certificate_is_told(
    address: str, days_left: int, said: str, authority: Authority
) -> None:
    async with listening(guarded, authority.server(address, days_left=days_left)) as at:
        told = await open_(f"https://{at}", ca_certs=authority.file)
    assert "its certificate is not trusted: " in told and said in told
    assert "opensearch.ca_certs" not in told, "no other authority would help"


async def test_tls_and_plain_text_that_meet_are_told_apart(authority: Authority) -> None:
    async with listening(guarded) as at:
        assert "is its address one of http?" in await open_(f"https://{at}", ca_certs=authority.file)

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # As the security plugin does on a request that is not TLS.
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, LOOPBACK, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert "expects https" in await open_(f"http://{LOOPBACK}:{port}")


def test_a_file_that_holds_no_authority_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name, said in (("empty.pem", "holds no certificates"), ("absent.pem", "cannot be read")):
        with pytest.raises(InvalidInput, match=f"{name} {said}") as refused:
            tls_context(OpenSearchSettings(ca_certs=tmp_path / name))
        assert refused.value.place == "opensearch.ca_certs"


async def test_dashboards_is_believed_by_the_same_authority(authority: Authority) -> None:
    async def absent(_: web.Request) -> web.Response:
        return web.json_response({"statusCode": 404}, status=404)

    async def taken(url: str, settings: OpenSearchSettings) -> list[str]:
        dashboards = Dashboards(url, settings)
        try:
            return await dashboards.taken(ROW)
        finally:
            await dashboards.close()

    async with listening(absent, authority.server()) as at:
        assert await taken(f"https://{at}", OpenSearchSettings(ca_certs=authority.file)) == []
        with pytest.raises(Unavailable, match=r"certificate is not trusted.*opensearch.ca_certs"):
            await taken(f"https://{at}", OpenSearchSettings())


REFUSED_BY_API = {"status": "FORBIDDEN", "message": "No permission to access REST API"}
INVALID_TO_API = {"status": "error", "reason": "Invalid configuration"}


def test_the_security_plugins_own_refusals_are_read() -> None:
    assert reason_of(REFUSED_BY_API) == "FORBIDDEN: No permission to access REST API"
    assert reason_of(INVALID_TO_API) == "error: Invalid configuration"


@pytest.mark.parametrize(
    ("kind", "said"), [("security_exception", "right"), ("cluster_block_exception", "blocks the index")]
)
def test_a_missing_right_is_told_from_a_block(kind: str, said: str) -> None:
    told = refusal(403, {"error": {"type": kind, "reason": "because"}}).message
    assert said in told and f"{kind}: because" in told
