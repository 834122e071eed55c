"""Asking the facade: the commands that only read speak REST like any other client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError, Timeout, Unavailable
from shirabe.runtime import Runtime

TIMEOUT_S = 60.0
BY_STATUS: dict[int, type[ShirabeError]] = {
    400: InvalidInput,
    403: Forbidden,
    404: NotFound,
    429: Overloaded,
    504: Timeout,
}


class Facade:
    """A client of the REST API of a running Shirabe."""

    def __init__(self, runtime: Runtime) -> None:
        self._client = httpx.AsyncClient(base_url=runtime.api_url, timeout=TIMEOUT_S)

    async def __aenter__(self) -> Facade:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> Any:
        """Return the JSON at a path. Raises: ShirabeError."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post JSON and return the answer. Raises: ShirabeError."""
        return await self._ask("POST", path, body)

    async def search(self, body: Mapping[str, Any]) -> Any:
        """Search. Raises: ShirabeError."""
        return await self.post("/v1/search", body)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            response = await self._client.request(method, path, json=body)
        except httpx.TimeoutException:
            raise Timeout(f"the facade did not answer within {TIMEOUT_S:.0f} s") from None
        except httpx.TransportError as error:
            raise Unavailable(f"the facade cannot be reached: {error}") from None
        if response.is_success:
            return response.json()
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        message = str(problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}")
        kind = BY_STATUS.get(response.status_code, Unavailable)
        if kind is InvalidInput:
            raise InvalidInput(message, str(problem.get("place") or ""))
        raise kind(message)


def get_json(runtime: Runtime, path: str) -> Any:
    """Return the JSON at a path, synchronously. Raises: ShirabeError."""

    async def ask() -> Any:
        async with Facade(runtime) as facade:
            return await facade.get(path)

    return asyncio.run(ask())
