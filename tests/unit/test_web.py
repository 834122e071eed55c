"""The guarded client against real servers on loopback; `Dialled` stands for the internet between them."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpcore
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from ingest.addresses import is_public
from ingest.collectors.web import WebClient, WebLimits, bearer
from ingest.collectors.web_answer import shown
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, Timeout, Unavailable

TOKEN = "secret-token-0123456789"
PUBLIC = "93.184.216.34"
LIMITS = WebLimits(max_bytes=100_000, connect_s=5, idle_s=5, total_s=30)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Dialled(httpcore.AsyncNetworkBackend):
    """Every address leads to loopback; `calls` are the addresses that were connected to."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.calls.append((host, port))
        return await self._real.connect_tcp("127.0.0.1", port, timeout, local_address, socket_options)


class Names:
    """A name service whose answers change from one question to the next; the last one stays."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {name.replace("_", "."): list(addresses) for name, addresses in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.answers.get(host, [host])
        return [answers.pop(0) if len(answers) > 1 else answers[0]]


class Sleeps(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def local(port: int, *, limits: WebLimits = LIMITS, sleep: Any = None) -> WebClient:
    return WebClient(
        f"http://127.0.0.1:{port}/wiki",
        secret_headers=bearer(SecretStr(TOKEN)),
        allow_private=True,
        limits=limits,
        sleep=Sleeps() if sleep is None else sleep,
    )


async def echo(request: web.Request) -> web.StreamResponse:
    return web.json_response({"path": request.path_qs, "headers": dict(request.headers), "host": request.host})


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *[(address, True) for address in (PUBLIC, "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808")],
        *[(address, False) for address in ("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.31.0.1", "169.254.169.254")],
        *[(address, False) for address in ("100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1")],
        *[(address, False) for address in ("::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "fec0::1")],
        *[(address, False) for address in ("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "64:ff9b::a00:1")],
    ],
)
def test_public_addresses_are_told_from_the_others(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_paths_are_joined_and_credentials_shown_to_the_source() -> None:
    async with server(echo) as port, local(port) as client:
        below = await client.get_json("rest/api/content", {"cql": 'title = "設計 & 書"', "limit": "5"})
        assert below["path"] == "/wiki/rest/api/content?cql=title+%3D+%22%E8%A8%AD%E8%A8%88+%26+%E6%9B%B8%22&limit=5"
        assert below["headers"]["Authorization"] == f"Bearer {TOKEN}"
        assert below["host"] == f"127.0.0.1:{port}"
        assert (await client.get_json("/rest/next?start=25"))["path"] == "/rest/next?start=25"
        form = await client.post_form("token", {"grant": "a b"})
        assert form["path"] == "/wiki/token"


@pytest.mark.parametrize(
    "base",
    [
        "http://wiki.example.org",
        "ftp://wiki.example.org",
        "wiki.example.org",
        "https://",
        "https://u:p@wiki.example.org",
        "https://wiki.example.org?a=b",
        "https://wiki.example.org:x",
        "file:///etc/passwd",
    ],
)
def test_only_plain_https_addresses_are_taken(base: str) -> None:
    with pytest.raises(InvalidInput, match="location"):
        WebClient(base)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.8", "[::ffff:127.0.0.1]"]
)
async def test_a_private_address_is_refused_before_anything_is_sent(host: str) -> None:
    network = Dialled()
    async with WebClient(f"https://{host}/", network=network, limits=LIMITS) as client:
        with pytest.raises(Forbidden, match="private network"):
            await client.get_json("x")
    assert network.calls == []


async def test_a_name_with_any_private_address_is_refused() -> None:
    async def both(host: str, port: int) -> list[str]:
        return [PUBLIC, "10.0.0.1"]

    network = Dialled()
    async with WebClient("https://wiki.example.org", find=both, network=network, limits=LIMITS) as client:
        with pytest.raises(Forbidden, match="private network"):
            await client.get_json("x")
    assert network.calls == []


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS for a host, and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{host}.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    return context, pem


async def test_the_checked_address_is_connected_to_and_tls_names_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, trusted = certificate(tmp_path, "wiki.example.org")
    asked_for: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    # The second answer is what a rebinding name service would give to whoever looks the name up again.
    names, network = Names(wiki_example_org=[PUBLIC, "127.0.0.1"]), Dialled()
    async with server(echo, tls) as port:
        base = f"https://wiki.example.org:{port}/"
        async with WebClient(base, find=names, network=network, limits=LIMITS) as client:
            answer = await client.get_json("x")
            assert answer["host"] == f"wiki.example.org:{port}"
        assert (asked_for, network.calls, names.asked) == (["wiki.example.org"], [(PUBLIC, port)], ["wiki.example.org"])
        async with WebClient(base, find=names, network=network, limits=LIMITS) as client:
            with pytest.raises(Forbidden, match="private"):
                await client.get_json("x")
        other = Names(evil_example_org=[PUBLIC])
        async with WebClient(f"https://evil.example.org:{port}/", find=other, network=network, limits=LIMITS) as client:
            with pytest.raises(Unavailable, match=r"certificate of evil\.example\.org"):
                await client.get_json("x")


async def test_every_redirect_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, trusted = certificate(tmp_path, "wiki.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    served: list[str] = []
    where = {"internal": "http://127.0.0.1:{port}/secret", "metadata": "https://169.254.169.254/latest"}
    where |= {"plain": "http://wiki.example.org:{port}/x", "file": "file:///etc/passwd", "own": "/moved?to=x"}
    where |= {
        "renamed": "https://inside.example.org/x",
        "loop": "/loop",
        "user": "https://u:p@wiki.example.org:{port}/x",
    }

    async def handle(request: web.Request) -> web.StreamResponse:
        served.append(request.path)
        name = request.path.removeprefix("/")
        if name in where:
            raise web.HTTPFound(where[name].format(port=request.url.port))
        return web.json_response({"path": request.path_qs, "token": request.headers.get("Authorization")})

    names = Names(wiki_example_org=[PUBLIC], inside_example_org=["10.1.1.1"])
    async with server(handle, tls) as port:
        base, network = f"https://wiki.example.org:{port}/", Dialled()
        async with WebClient(
            base, secret_headers=bearer(SecretStr(TOKEN)), find=names, network=network, limits=LIMITS
        ) as client:
            assert await client.get_json("own") == {"path": "/moved?to=x", "token": f"Bearer {TOKEN}"}
            for name, error in (
                *(("internal", Forbidden), ("metadata", Forbidden), ("renamed", Forbidden), ("plain", Forbidden)),
                *(("file", InvalidInput), ("user", InvalidInput), ("loop", Unavailable)),
            ):
                with pytest.raises(error):
                    await client.get_json(name)
        assert set(network.calls) == {(PUBLIC, port)}
    assert served.count("/loop") == LIMITS.redirects + 1
    assert "/secret" not in served


async def test_no_other_host_is_shown_the_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, trusted = certificate(tmp_path, "wiki.example.org")
    other_tls, other_trusted = certificate(tmp_path, "media.example.org")
    both = tmp_path / "both.pem"
    both.write_bytes(trusted.read_bytes() + other_trusted.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(both))
    seen: list[tuple[str, dict[str, str]]] = []
    ports: dict[str, int] = {}

    async def media(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, dict(request.headers)))
        if request.path == "/back":
            raise web.HTTPFound(f"https://wiki.example.org:{ports['wiki']}/target")
        return web.Response(body=b"picture")

    async def wiki(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, dict(request.headers)))
        if request.path == "/target":
            return web.Response(body=b"target")
        raise web.HTTPFound(f"https://media.example.org:{ports['media']}{request.path}")

    names = Names(wiki_example_org=[PUBLIC], media_example_org=[PUBLIC])
    async with (
        server(wiki, tls) as ports["wiki"],
        server(media, other_tls) as ports["media"],
        WebClient(
            f"https://wiki.example.org:{ports['wiki']}/",
            secret_headers=bearer(SecretStr(TOKEN)),
            find=names,
            network=Dialled(),
            limits=LIMITS,
        ) as client,
    ):
        answer = await client.get("file", headers={"X-Atlassian-Token": "no-check"})
        assert answer.body == b"picture"
        # Nor is the source itself, when somebody else chose what is asked of it.
        assert await client.get_bytes("back") == b"target"
    shown_to = [(path, "Authorization" in headers, "X-Atlassian-Token" in headers) for path, headers in seen]
    assert shown_to == [
        *(("/file", True, True), ("/file", False, False)),
        *(("/back", True, False), ("/back", False, False), ("/target", False, False)),
    ]


@pytest.mark.parametrize("packed", [False, True])
async def test_too_much_is_not_read(packed: bool) -> None:
    stopped = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"} if packed else {})
        await response.prepare(request)
        part = gzip.compress(b"\0" * 5_000_000) if packed else b"x" * 10_000
        try:
            while True:  # the other end is who ends it
                await response.write(part)
        finally:
            stopped.set()

    async with server(endless) as port, local(port) as client:
        with pytest.raises(InvalidInput, match="more than the 100000 bytes"):
            await client.get_bytes("x")
        async with asyncio.timeout(10):
            await stopped.wait()
        with pytest.raises(InvalidInput, match="more than the 7 bytes"):
            await client.get_bytes("x", max_bytes=7)


async def test_a_declared_size_is_refused_at_once() -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "2000000000"})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with server(large) as port, local(port) as client:
        with pytest.raises(InvalidInput, match="more than"):
            await client.get_bytes("x")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (WebLimits(idle_s=0.05, attempts=2), "did not answer in time"),
        (WebLimits(idle_s=30, total_s=0.05, attempts=2), "did not end"),
    ],
)
async def test_a_server_that_never_answers_is_left(limits: WebLimits, message: str) -> None:
    asked = 0

    async def silent(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    async with server(silent) as port, local(port, limits=limits) as client:
        with pytest.raises(Timeout, match=message):
            await client.get_json("x")
    assert asked == (2 if limits.total_s > 1 else 1)


async def test_a_server_that_answers_for_ever_is_left() -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with server(trickle) as port, local(port, limits=WebLimits(idle_s=5, total_s=0.3)) as client:
        with pytest.raises(Timeout, match=r"did not end its answer in 0.3 s"):
            await client.get_json("x")


async def test_what_may_pass_is_asked_again_and_the_server_says_when() -> None:
    answers: list[tuple[int, dict[str, str]]] = []
    asked = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if answers:
            status, headers = answers.pop(0)
            return web.Response(status=status, headers=headers)
        return web.json_response("fine")

    soon = format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30), usegmt=True)
    async with server(handle) as port:
        sleeps = Sleeps()
        async with local(port, sleep=sleeps) as client:
            answers[:] = [(429, {"Retry-After": "7"}), (503, {"Retry-After": soon}), (502, {})]
            assert await client.get_json("x") == "fine"
            assert sleeps[0] == 7
            assert 20 < sleeps[1] <= 30
            assert 0 < sleeps[2] <= 2
            window = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "100"}
            answers[:] = [(403, window)]
            assert await client.get_json("x") == "fine"
            assert sleeps[3] == 0
        sleeps.clear()
        async with local(port, sleep=sleeps) as client:
            answers[:] = [(429, {"Retry-After": "3600"})]
            with pytest.raises(Overloaded) as told:
                await client.get_json("x")
            assert (told.value.retry_after_s, list(sleeps)) == (3600, [])
            asked = 0
            answers[:] = [(500, {})] * 10
            with pytest.raises(Unavailable, match="answered 500"):
                await client.get_json("x")
            assert (asked, len(sleeps)) == (LIMITS.attempts, LIMITS.attempts - 1)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InvalidInput), (401, Forbidden), (403, Forbidden), (404, NotFound), (410, NotFound), (501, Unavailable)],
)
async def test_what_will_not_pass_is_not_asked_again(status: int, error: type[Exception]) -> None:
    asked = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        said = f'{{"message": "No. You sent {request.headers["Authorization"]}\x07"}}'
        return web.Response(status=status, text=said)

    async with server(handle) as port, local(port) as client:
        with pytest.raises(error, match=f"answered {status}.*You sent") as told:
            await client.get_json("x?token=abc")
    assert asked == 1
    assert TOKEN not in str(told.value)
    assert "abc" not in str(told.value)
    assert "\x07" not in str(told.value)


async def test_nobody_there_is_told_after_trying(tmp_path: Path) -> None:
    async with server(echo) as port:
        pass
    sleeps = Sleeps()
    async with local(port, sleep=sleeps) as client:
        with pytest.raises(Unavailable, match="cannot be reached"):
            await client.get_json("x")
    assert len(sleeps) == LIMITS.attempts - 1


async def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    asked = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        packed = gzip.compress(b'"whole"')
        return web.Response(body=packed if asked > 1 else packed[:-9], headers={"Content-Encoding": "gzip"})

    async with server(handle) as port, local(port) as client:
        assert await client.get_json("x") == "whole"


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"<html>Log in</html>", {}, "not JSON"),
        (b"[" * 50_000, {}, "not JSON"),
        (b"\xff\xfe", {}, "not JSON"),
        (b"not gzip at all", {"Content-Encoding": "gzip"}, "cannot be unpacked"),
        (b"x", {"Content-Encoding": "br"}, "encoding 'br'"),
    ],
)
async def test_answers_that_are_not_what_was_asked(body: bytes, headers: dict[str, str], message: str) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, headers=headers)

    async with server(handle) as port, local(port) as client:
        with pytest.raises(Unavailable, match=message):
            await client.get_json("x")


async def test_few_requests_are_under_way_at_once() -> None:
    now, most, go = 0, 0, asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        if now == 2:
            go.set()
        await go.wait()
        await asyncio.sleep(0)
        now -= 1
        return web.json_response(1)

    limits = WebLimits(concurrent=2)
    async with server(handle) as port, local(port, limits=limits) as client:
        assert await asyncio.gather(*(client.get_json("x") for _ in range(12))) == [1] * 12
    assert most == 2


async def test_a_header_that_would_break_the_request_is_not_told() -> None:
    headers = {"Authorization": SecretStr(f"Bearer {TOKEN}\r\nX-Evil: 1")}
    async with (
        server(echo) as port,
        WebClient(f"http://127.0.0.1:{port}", secret_headers=headers, allow_private=True) as client,
    ):
        with pytest.raises(InvalidInput, match="malformed") as told:
            await client.get_json("x")
    assert TOKEN not in str(told.value)


def test_addresses_are_shown_without_secrets() -> None:
    assert shown("https://u:p@h/a/b?token=x#y") == "https://h/a/b"
