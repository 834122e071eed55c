"""The HTTP client of sources: everything that a collector fetches goes through it.

A host is checked when it is connected to, on every redirect anew (`web_guard`); answers are bounded in size, packed and
unpacked, and in time; what may pass is asked again within bounds. Proxies of the environment are not used.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from urllib.parse import urlencode

import httpcore
import httpx
from pydantic import SecretStr

from ingest.collectors.web_answer import Answer, MayPass, read_beginning, read_body, refuse, shown
from ingest.collectors.web_guard import GuardedNetwork, Resolve, is_certificate_refusal, resolve
from ingest.streams import closing
from shirabe.errors import Forbidden, InvalidInput, Timeout, Unavailable

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class WebLimits:
    """Bounds on talking to one source; times in seconds.

    `max_bytes`: of one answer, unpacked. `total_s`: one attempt with its redirects, `idle_s`: without a byte.
    `longest_wait_s`: what a server may have us wait before the same is asked again.
    """

    max_bytes: int = 10_000_000
    connect_s: float = 10.0
    idle_s: float = 20.0
    total_s: float = 120.0
    longest_wait_s: float = 60.0
    attempts: int = 4
    redirects: int = 5
    concurrent: int = 4


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked; `trusted`: it has not left the source's own origin, so it carries the credentials."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    content: bytes
    max_bytes: int
    trusted: bool


class WebClient:
    """Talks to one source: `async with WebClient(base_url) as web`.

    Paths are taken relative to `base_url` as a link on a page there would be (`rest/api` below it, `/rest/api` from the
    host's root). `secret_headers` go to the origin of `base_url` and nowhere else.
    """

    def __init__(
        self,
        base_url: str,
        *,
        secret_headers: Mapping[str, SecretStr] | None = None,
        allow_private: bool = False,
        limits: WebLimits | None = None,
        find: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Connect nothing yet.

        allow_private: the host of `base_url` may be inside a private network, and speak http. find, network, sleep:
        in place of the system's.

        Raises: InvalidInput for an address that is not read.
        """
        self._base = base_address(base_url, allow_private=allow_private)
        self._secret_headers = dict(secret_headers or {})
        self._limits = limits or WebLimits()
        self._allow_private = allow_private
        self._sleep = sleep
        own = (self._base.raw_host.decode("ascii"), _port(self._base))
        self._network = GuardedNetwork(own if allow_private else None, find, network)
        self._slots = asyncio.Semaphore(self._limits.concurrent)
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def __aenter__(self) -> Self:
        """Open a pool of connections."""
        self._pool = httpcore.AsyncConnectionPool(
            # A source without TLS needs no certificates to compare with; a redirect to one with it loads them then.
            ssl_context=httpx.create_ssl_context() if self._base.scheme == "https" else None,
            max_connections=self._limits.concurrent,
            network_backend=self._network,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def get_json(self, path_or_url: str, params: Mapping[str, str] | None = None) -> Any:
        """Return what a JSON document holds. Raises: as `get` does."""
        return (await self.get(path_or_url, params, headers={"Accept": "application/json"})).json()

    async def get_bytes(
        self, path_or_url: str, params: Mapping[str, str] | None = None, *, max_bytes: int | None = None
    ) -> bytes:
        """Return the bytes at an address. Raises: as `get` does."""
        return (await self.get(path_or_url, params, max_bytes=max_bytes)).body

    async def get(
        self,
        path_or_url: str,
        params: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """Return an answer of status 2xx, or 304; `headers` are left behind when it is found at another origin.

        Raises: Forbidden when the credentials are refused or the host is inside a private network, NotFound,
            InvalidInput when the answer is too large or the request was wrong; Overloaded, Timeout, Unavailable when
            it did not pass with asking again.
        """
        return await self._send("GET", path_or_url, params, headers, b"", max_bytes)

    async def post_form(self, path_or_url: str, fields: Mapping[str, str]) -> Any:
        """Return the JSON that a form is answered with; a form may be sent more than once. Raises: as `get` does."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        return (await self._send("POST", path_or_url, None, headers, urlencode(fields).encode(), None)).json()

    async def _send(
        self,
        method: str,
        path_or_url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        content: bytes,
        max_bytes: int | None,
    ) -> Answer:
        url = self._checked(self._joined(self._base, path_or_url))
        if params:
            url = url.copy_merge_params(dict(params))
        bound = self._limits.max_bytes if max_bytes is None else max_bytes
        request = _Request(method, url, headers or {}, content, bound, self._is_own(url))
        async with self._slots:
            for attempt in range(1, self._limits.attempts + 1):
                try:
                    return await self._attempt(request)
                except MayPass as failure:
                    wait_s = self._wait_s(failure, attempt)
                    if wait_s is None:
                        raise failure.error from None
                await self._sleep(wait_s)
        raise AssertionError("the last attempt has no wait")

    def _wait_s(self, failure: MayPass, attempt: int) -> float | None:
        """Return how long to wait before the next attempt, None when there is none."""
        if attempt >= self._limits.attempts:
            return None
        if failure.after_s is not None:
            return failure.after_s if failure.after_s <= self._limits.longest_wait_s else None
        wait_s = min(_FIRST_WAIT_S * 2.0 ** (attempt - 1), _LONGEST_WAIT_S)
        return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads callers, not a secret

    async def _attempt(self, request: _Request) -> Answer:
        try:
            async with asyncio.timeout(self._limits.total_s):
                for _ in range(self._limits.redirects + 1):
                    answer = await self._exchange(request)
                    where = answer.headers.get("location", "")
                    if answer.status not in _REDIRECTS or not where or request.method != "GET":
                        refuse(answer, self._secrets())
                        return answer
                    request = self._redirected(request, where)
        except TimeoutError:
            # One that answers for ever would do so again.
            raise Timeout(f"{shown(str(request.url))} did not end its answer in {self._limits.total_s:g} s") from None
        raise Unavailable(f"{shown(str(request.url))} is behind more than {self._limits.redirects} redirects")

    async def _exchange(self, request: _Request) -> Answer:
        if self._pool is None:
            raise RuntimeError("open the client first: `async with`")
        url, limits = request.url, self._limits
        timeout = {"connect": limits.connect_s, "read": limits.idle_s, "write": limits.idle_s, "pool": limits.total_s}
        place = shown(str(url))
        try:
            async with self._pool.stream(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=self._headers(request),
                content=request.content or None,
                extensions={"timeout": timeout},
            ) as response:
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                async with closing(response.aiter_stream()) as parts:
                    if response.status < 300:
                        body = await read_body(parts, headers, request.max_bytes, str(url))
                    else:
                        body = await read_beginning(parts)
                return Answer(response.status, str(url), headers, body)
        except httpcore.TimeoutException:
            raise MayPass(Timeout(f"{place} did not answer in time")) from None
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            if is_certificate_refusal(error):
                raise Unavailable(f"the certificate of {url.host} is not one to be trusted: {error}") from None
            raise MayPass(Unavailable(f"{place} cannot be reached: {str(error) or type(error).__name__}")) from None
        except httpcore.LocalProtocolError:
            # Its message may quote a header, and so a secret.
            raise InvalidInput(f"{place} cannot be asked for: the request would be malformed", "location") from None

    def _headers(self, request: _Request) -> list[tuple[bytes, bytes]]:
        names = {"User-Agent": "shirabe", "Accept-Encoding": "gzip", "Accept": "*/*", **request.headers}
        if request.trusted:
            names |= {name: value.get_secret_value() for name, value in self._secret_headers.items()}
        pairs = [(name.encode("ascii", "replace"), value.encode("ascii", "replace")) for name, value in names.items()]
        return [(b"Host", request.url.netloc), *pairs]

    def _redirected(self, request: _Request, where: str) -> _Request:
        url = self._checked(self._joined(request.url, where))
        trusted = request.trusted and self._is_own(url)
        # Who left the source does not come back with its credentials: the way there was chosen by others.
        return replace(request, url=url, headers=request.headers if trusted else {}, trusted=trusted)

    def _joined(self, base: httpx.URL, where: str) -> httpx.URL:
        try:
            return base.join(where).copy_with(fragment=None)
        except (httpx.InvalidURL, ValueError):
            raise InvalidInput("not an address that can be read", "location") from None

    def _checked(self, url: httpx.URL) -> httpx.URL:
        """Return an address that may be asked. Raises: Forbidden, InvalidInput."""
        if not url.host or url.scheme not in ("http", "https"):
            raise InvalidInput(f"only https addresses are read, not {url.scheme}", "location")
        if url.userinfo:
            raise InvalidInput("an address must not carry a user or a password", "location")
        if url.scheme != "https" and not (self._allow_private and self._is_own(url)):
            raise Forbidden(f"{shown(str(url))} is not https")
        return url

    def _is_own(self, url: httpx.URL) -> bool:
        return _origin(url) == _origin(self._base)

    def _secrets(self) -> tuple[str, ...]:
        return tuple(value.get_secret_value() for value in self._secret_headers.values())


def base_address(base_url: str, *, allow_private: bool) -> httpx.URL:
    """Return the address that a source's paths are relative to. Raises: InvalidInput."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        raise InvalidInput("not an address", "location") from None
    if not url.host or url.scheme not in ("http", "https"):
        raise InvalidInput("must be an https address", "location")
    if url.userinfo or url.query or url.fragment:
        raise InvalidInput("must be an address without user, password and query", "location")
    if url.scheme == "http" and not allow_private:
        raise InvalidInput("must be https; `allow_private: true` allows http inside a private network", "location")
    return url if url.path.endswith("/") else url.copy_with(path=f"{url.path}/")


def bearer(token: SecretStr) -> dict[str, SecretStr]:
    """Return the header that shows a token."""
    return {"Authorization": SecretStr(f"Bearer {token.get_secret_value()}")}


def allow_private_option(options: Mapping[str, Any]) -> bool:
    """Return the option `allow_private`, which only this machine's own configuration may set. Raises: InvalidInput."""
    value = options.get("allow_private", False)
    if not isinstance(value, bool):
        raise InvalidInput("must be true or false", "options.allow_private")
    return value


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, _port(url)


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
