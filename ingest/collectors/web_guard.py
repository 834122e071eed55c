"""Connections to the hosts of sources: a name is resolved once, checked, and the checked address is connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpcore

from ingest.addresses import is_public
from shirabe.errors import Forbidden, NotFound

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the IP addresses of a host, best first; `resolve` is the system's."""


async def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host. Raises: NotFound, httpcore.ConnectError when it may be known later."""
    try:
        answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise NotFound(f"{host} is no name of a host") from None
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise httpcore.ConnectError(f"the name of {host} cannot be looked up at the moment") from None
        raise NotFound(f"there is no host {host}") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses, and to private ones at the one (host, port) of `private`.

    TLS names and checks the host as it was asked for, because only the connection is told the address.
    """

    def __init__(
        self,
        private: tuple[str, int] | None,
        find: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._private = private
        self._find = find
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises: Forbidden when any address of the host is private, NotFound, httpcore's errors.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._find(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"the name of {host} was not looked up in time") from None
        if (host, port) != self._private and not all(map(is_public, addresses)):
            raise Forbidden(f"{host} is inside a private network, which the source's options do not allow")
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        if not addresses:
            raise NotFound(f"there is no host {host}")
        return await self._network.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._network.sleep(seconds)


def is_certificate_refusal(error: BaseException) -> bool:
    """Tell whether a connection failed because the host could not show who it is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
