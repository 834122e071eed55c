"""What a model server says of itself, and how the cluster reaches it."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from shirabe.errors import Forbidden, InvalidInput, Timeout, Unavailable
from shirabe.trust import trust_for

_TIMEOUT_S = 10.0
_SYNTAX = re.compile(r"([.+*?^$(){}|\[\]\\])")
_ESCAPED = r"\\\1"


@dataclass(frozen=True, slots=True)
class ServedModels:
    """A model server: its address, the embedding model and the reranker behind it, and what the model gives.

    `private`: its address is one that ml-commons calls only when told that it may.
    """

    url: str
    name: str
    revision: str
    dim: int
    max_tokens: int
    sparse: bool
    reranker: str | None
    reranker_revision: str
    private: bool
    key: SecretStr | None = None

    @property
    def trusted_pattern(self) -> str:
        """The Java regular expression of the addresses below this server's, and no other's."""
        return f"^{_SYNTAX.sub(_ESCAPED, self.url)}/.*$"


async def read_served(url: str, key: SecretStr | None) -> ServedModels:
    """Ask a model server what it serves.

    Raises: InvalidInput for an address that is none; Forbidden when it does not take the key; Unavailable, Timeout.
    """
    address = _checked(url)
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    try:
        trusted = trust_for(address)
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False, headers=headers, verify=trusted) as client:
            response = await client.get(f"{address}/info")
    except httpx.TimeoutException as error:
        raise Timeout(f"the model server at {address} did not answer in time") from error
    except httpx.TransportError as error:
        raise Unavailable(f"the model server at {address} is not reachable: {error}") from error
    if response.status_code in (401, 403):
        raise Forbidden(f"the model server at {address} does not take the key; set models.api_key")
    if response.status_code != httpx.codes.OK:
        raise Unavailable(f"the model server at {address} answered {response.status_code}")
    private = await _is_private(httpx.URL(address).host)
    try:
        return _served(address, response.json(), private, key)
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"what answers at {address} is not a model server of Shirabe: {error!r}") from error


def _served(url: str, info: Mapping[str, Any], private: bool, key: SecretStr | None) -> ServedModels:
    outputs = info["outputs"]
    # Without a cross-encoder the token vectors rerank; a model that has none reranks nothing.
    reranks = "tokens" in outputs or not str(info["reranker"]["model_id"]).endswith("-maxsim")
    return ServedModels(
        url=url,
        name=info["model_id"],
        revision=info["model_sha"],
        dim=int(info["dimensions"]),
        max_tokens=int(info["max_input_length"]),
        sparse="sparse" in outputs,
        reranker=info["reranker"]["model_id"] if reranks else None,
        reranker_revision=info["reranker"]["model_sha"],
        private=private,
        key=key,
    )


def _checked(url: str) -> str:
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInput("give it as http://HOST:PORT or https://HOST", "--models-url")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise InvalidInput(
            "only scheme, host, port and path belong here; the key goes into models.api_key", "--models-url"
        )
    return str(parsed).rstrip("/")


async def _is_private(host: str) -> bool:
    """Tell whether ml-commons takes an address for a private one: it looks at every address of the name."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidInput(f"{host} has no address: {error.strerror}", "--models-url") from error
    return any(_private(ipaddress.ip_address(row[4][0])) for row in found)


def _private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_private or address.is_link_local or address.is_unspecified
