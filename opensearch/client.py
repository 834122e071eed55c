"""The connection to OpenSearch, and its errors as ours: the one file that knows the client library's exceptions."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import ServerDisconnectedError
from opensearchpy import AsyncOpenSearch
from opensearchpy.exceptions import (
    AuthorizationException,
    ConnectionTimeout,
    RequestError,
    SerializationError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as EngineUnreachable
from opensearchpy.serializer import JSONSerializer

from opensearch.tls import tls_context, tls_trouble
from shirabe.errors import InvalidInput, Overloaded, ShirabeError, Timeout, Unavailable
from shirabe.settings import OpenSearchSettings

MAX_CONNECTIONS = 16
OLDEST_VERSION = (3, 6)
CREATE_TIMEOUT_S = 60.0  # an engine that has just started reads its dictionaries for the first index
_TOO_COMPLEX = "Determinizing automaton"
BLOCKED = "cluster_block_exception"
_RESOURCE_EXISTS = "resource_already_exists_exception"


class FastJson(JSONSerializer):
    """The client library's JSON, by orjson: while a question is written or its hits are read, no engine searches."""

    def dumps(self, data: Any) -> Any:
        """Return what is sent; what is text or bytes goes as it is. Raises: InvalidInput."""
        if isinstance(data, (str, bytes)):
            return data
        try:
            return orjson.dumps(data, default=self.default).decode()
        except TypeError as error:
            raise InvalidInput(f"the search engine cannot be asked this: {error}") from error

    def loads(self, s: str) -> Any:
        """Return what was answered. Raises: SerializationError."""
        try:
            return orjson.loads(s)
        except ValueError as error:
            raise SerializationError(s, error) from error


def build_client(settings: OpenSearchSettings) -> AsyncOpenSearch:
    """Return a client; it connects with the first request.

    Raises: InvalidInput when no URL is set or it holds a password, for a user without a password, and for a file of
        authorities that is none.
    """
    if settings.url is None:
        raise InvalidInput("no address: the embedded node is not started", "opensearch.url")
    if "@" in settings.url:
        raise InvalidInput("put the user name and password in their own settings", "opensearch.url")
    return AsyncOpenSearch(
        hosts=[settings.url],
        headers=_authorization(settings),
        ssl_context=tls_context(settings) if settings.url.lower().startswith("https:") else None,
        timeout=settings.timeout_s,
        pool_maxsize=MAX_CONNECTIONS,
        serializer=FastJson(),
        # Once, for a connection gone stale. Every request may be repeated: writes carry versions.
        max_retries=1,
        retry_on_timeout=False,
        retry_on_status=(),
    )


def _authorization(settings: OpenSearchSettings) -> dict[str, str]:
    """Return the header that says who asks. The client library's own is in Latin-1, and the engine reads UTF-8."""
    if settings.username is None:
        return {}
    if settings.password is None:
        raise InvalidInput("this user has no password: set SHIRABE_OPENSEARCH__PASSWORD", "opensearch.username")
    told = f"{settings.username}:{settings.password.get_secret_value()}"
    return {"authorization": f"Basic {base64.b64encode(told.encode()).decode()}"}


@contextmanager
def asking() -> Iterator[None]:
    """Turn the client's errors into ours.

    Raises: Timeout, Unavailable, Overloaded, InvalidInput.
    """
    try:
        yield
    except ConnectionTimeout as error:
        raise Timeout("the search engine did not answer in time") from error
    except EngineUnreachable as error:
        raise Unavailable(f"the search engine cannot be reached{_why(error)}") from error
    except SerializationError as error:
        raise Unavailable("the search engine gave an answer that is not JSON") from error
    except TransportError as error:
        status = error.status_code if isinstance(error.status_code, int) else 0
        raise refusal(status, error.info) from error


def _why(error: EngineUnreachable) -> str:
    """Return what is known of why nothing answered, to go on with."""
    if trouble := tls_trouble(error.info if isinstance(error.info, BaseException) else None):
        return f": {trouble}"
    if isinstance(error.info, ServerDisconnectedError):
        return ": it hung up without an answer, as one does that expects https"
    return ""


def refusal(status: int, info: object) -> ShirabeError:
    """Return our error for an HTTP status and the error object the engine sent with it."""
    reason = reason_of(info)
    if status == 429:
        return Overloaded(f"the search engine is overloaded: {reason}")
    if status in (408, 504):
        return Timeout(f"the search engine did not finish in time: {reason}")
    if status == 400 and _TOO_COMPLEX in reason:
        return InvalidInput("a regular expression is too complex for the search engine: ask for less at once", "query")
    if status in (400, 413):
        return InvalidInput(f"the search engine refused the request: {reason}")
    if status == 401:
        return Unavailable("the search engine does not know our user or password")
    if status == 403:
        told = "blocks the index" if BLOCKED in reason else "does not grant our user the right"
        return Unavailable(f"the search engine {told}: {reason}")
    if status == 404:
        return Unavailable(f"the index is not there: {reason}")
    return Unavailable(f"the search engine answered {status}: {reason}")


def reason_of(info: object) -> str:
    """Return `type: reason` of an engine error, the root cause where there is one, cut to a line."""
    error = info.get("error", info) if isinstance(info, Mapping) else info
    if not isinstance(error, Mapping):
        return str(error)[:300]
    cause = (error.get("root_cause") or [error])[0]
    # The security plugin's own API answers with a status and a reason or a message.
    kind, reason = cause.get("type") or cause.get("status", "error"), cause.get("reason") or cause.get("message", "")
    return f"{kind}: {reason}"[:300]


async def create_index(client: AsyncOpenSearch, name: str, body: Mapping[str, Any]) -> bool:
    """Create an index; False when it was there already.

    Raises: InvalidInput, Unavailable, Timeout.
    """
    with asking():
        try:
            await client.indices.create(index=name, body=dict(body), request_timeout=CREATE_TIMEOUT_S)
        except RequestError as error:
            if error.error != _RESOURCE_EXISTS:
                raise
            return False
    return True


async def alias_members(client: AsyncOpenSearch, alias: str) -> dict[str, bool]:
    """Return index name -> is it the one written to, for every index behind an alias; empty when there is none.

    Raises: Unavailable, Timeout.
    """
    with asking():
        # Not by `_cat/aliases`: the security plugin takes that for a question about every index there is.
        found = await client.indices.get(index=alias, params={"filter_path": "*.aliases", "ignore_unavailable": "true"})
    return members_among(found, alias)


def members_among(found: Mapping[str, Any], alias: str) -> dict[str, bool]:
    """Return index name -> is it the one written to, for those of the indices that were found behind an alias."""
    flags = {name: index.get("aliases", {}).get(alias) for name, index in found.items()}
    return {name: bool(its.get("is_write_index")) for name, its in flags.items() if its is not None}


async def node_plugins(client: AsyncOpenSearch) -> Mapping[str, Any] | None:
    """Return every node with its roles and plugins, as `_nodes/plugins` has them; None when our user may not ask.

    Raises: Unavailable, Timeout.
    """
    with asking():
        try:
            answer: Mapping[str, Any] = await client.nodes.info(metric="plugins")
        except AuthorizationException:
            return None
    return answer


async def open_client(settings: OpenSearchSettings) -> AsyncOpenSearch:
    """Connect. Raises: InvalidInput when the engine is too old, or another one; Unavailable, Timeout."""
    client = build_client(settings)
    try:
        with asking():
            version = (await client.info())["version"]
        if reason := version_refusal(version.get("distribution"), version["number"]):
            raise InvalidInput(reason, "opensearch.url")
    except BaseException:
        await client.close()
        raise
    return client


def version_refusal(distribution: str | None, number: str) -> str:
    """Return why an engine is not one for us; empty when it is."""
    parts = tuple(int(part) if part.isdigit() else 0 for part in number.split(".")[:2])
    if distribution == "opensearch" and parts >= OLDEST_VERSION:
        return ""
    return f"this is {distribution} {number}; needs OpenSearch >= {'.'.join(map(str, OLDEST_VERSION))}"
