"""Asking a cluster: the one place of the plugin integration that sends requests to OpenSearch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import TransportError

from opensearch.client import BLOCKED, asking, build_client, reason_of
from opensearch.plugin.calls import Call
from shirabe.errors import Forbidden, InvalidInput, Timeout, Unavailable
from shirabe.settings import OpenSearchSettings

CALL_TIMEOUT_S: Final = 60.0
SETTLE_DEADLINE_S: Final = 60.0
"""How long what was written may take to be read back as written."""
_LOOK_S: Final = 0.1
_UNREADABLE: Final = "Failed to parse"
"""What index-management says, with a 404, of a list in which there is one thing that it cannot read."""


class Cluster:
    """An OpenSearch, asked call by call."""

    def __init__(self, client: AsyncOpenSearch) -> None:
        self._client = client

    async def ask(self, call: Call) -> Any:
        """Return the JSON answer to a call; None when what was to be read or taken away is not there.

        Raises: Forbidden when our user may not; InvalidInput when it refuses; Unavailable, Overloaded, Timeout.
        """
        with asking():
            try:
                return await self._client.transport.perform_request(
                    call.method, call.path, body=call.body, params={"request_timeout": CALL_TIMEOUT_S}
                )
            except TransportError as error:
                looked = call.method in ("GET", "DELETE") or call.path.endswith("/_search")
                if error.status_code == 404 and looked and _UNREADABLE not in reason_of(error.info or error.error):
                    return None
                # A plugin may answer in plain text, which the client keeps elsewhere.
                raise_refusal(call, error.status_code, error.info or error.error)
                raise

    async def settled(self, look: Callable[[], Awaitable[bool]], what: str) -> None:
        """Look until something is so.

        Raises: Timeout saying what never was; whatever `look` raises.
        """
        deadline = time.monotonic() + SETTLE_DEADLINE_S
        while not await look():
            if time.monotonic() > deadline:
                raise Timeout(f"{what} was written, and is not read back as written after {SETTLE_DEADLINE_S:.0f} s")
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def open_cluster(settings: OpenSearchSettings) -> Cluster:
    """Return a cluster; it is asked with the first call. Raises: InvalidInput for a bad address."""
    return Cluster(build_client(settings))


def raise_refusal(call: Call, status: object, info: object) -> None:
    """Raise what a refused call means here, where it means more than for a search."""
    reason = reason_of(info)
    if status == 401:
        raise Forbidden("the cluster does not know this user or password")
    if status == 403 and BLOCKED in reason:
        raise InvalidInput(f"the cluster is read-only for {call.method} {call.path}: {reason}")
    if status == 403:
        raise Forbidden(f"this user may not {call.method} {call.path}: {reason}")
    if status == 404:
        raise Unavailable(f"the cluster does not know {call.method} {call.path}: {reason}")
    if status in (400, 409):
        raise InvalidInput(f"the cluster refuses {call.method} {call.path}: {reason}")
