"""The only part of this room the others import: a model server over HTTP, without torch or ray."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import httpx
from pydantic import SecretStr

from ray_app.wire import unpack
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, Timeout, Unavailable
from shirabe.trust import trust_for
from shirabe.types import Embedding, ModelInfo, Output, TextKind

_TEXTS: Final = 64
_CHARS: Final = 200_000
_CONCURRENT: Final = 3
_CONNECT_S: Final = 5.0
# Passages are sent again until a replica that died is replaced: ingest can wait. Whoever asks a question cannot, and is
# given one more try where another replica may answer.
_ATTEMPTS: Final[Mapping[TextKind, int]] = {"passage": 8, "query": 2}
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 10.0


class ModelClient:
    """An `Embedder` and a `Reranker` behind the URL of a model server."""

    def __init__(
        self,
        url: str,
        timeout_s: float,
        transport: httpx.AsyncBaseTransport | None = None,
        api_key: SecretStr | None = None,
    ) -> None:
        """Connect lazily.

        timeout_s: bound on one HTTP request, seconds. transport: instead of the network. api_key: shown to the server.
        """
        self._http = httpx.AsyncClient(
            base_url=url,
            transport=transport,
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_S, timeout_s)),
            headers={} if api_key is None else {"Authorization": f"Bearer {api_key.get_secret_value()}"},
            verify=trust_for(url),
            trust_env=False,  # a proxy meant for the internet must not see what is asked here
        )
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._info: ModelInfo | None = None

    async def info(self) -> ModelInfo:
        """Return the identity of the model; asked once.

        Raises: Unavailable, Timeout.
        """
        if self._info is None:
            answer = await self._json("GET", "/m3/info")
            try:
                self._info = _model_info(answer)
            except (KeyError, TypeError) as error:
                raise Unavailable(f"the model server at {self._http.base_url} is not one: {error!r}") from error
        return self._info

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        """Return one embedding per text, in order. Many texts are sent in several requests, a few at a time.

        Raises: InvalidInput; Forbidden when the server's provider, or the server, does not take the key, NotFound when
            the provider lacks the model; Unavailable, Overloaded, Timeout.
        """
        if not outputs:
            raise InvalidInput("ask for one output at least", "outputs")
        parts = _split(texts)
        if len(parts) == 1:
            return await self._embed(parts[0], kind, outputs)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._in_turn(part, kind, outputs)) for part in parts]
        except ExceptionGroup as failed:
            first = failed.exceptions[0]
            raise first from first.__cause__  # what broke that request, not the group around it
        return list(chain.from_iterable(task.result() for task in tasks))

    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        """Return one score per passage, higher is better.

        Raises: NotFound when the server has no cross-encoder; Unavailable, Overloaded, Timeout.
        """
        if not passages:
            return []
        answer = await self._json("POST", "/m3/rerank", {"query": query, "passages": list(passages)})
        scores = answer.get("scores")
        if not isinstance(scores, list) or len(scores) != len(passages):
            raise Unavailable("the model server answered something that is not scores")
        return [float(score) for score in scores]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _in_turn(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        async with self._slots:
            return await self._embed(texts, kind, outputs)

    async def _embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        body = {"texts": list(texts), "kind": kind, "outputs": sorted(outputs)}
        attempts = _ATTEMPTS[kind]
        for attempt in range(1, attempts + 1):
            try:
                data = await self._send("POST", "/m3/encode", body)
            except (Overloaded, Unavailable) as error:
                # To ask again while the queue is full would only make it longer for a query.
                if attempt == attempts or (kind == "query" and isinstance(error, Overloaded)):
                    raise
                first = error.retry_after_s if isinstance(error, Overloaded) else _FIRST_WAIT_S
                wait = min(first * 2 ** (attempt - 1), _LONGEST_WAIT_S)
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads callers, not a secret
            else:
                return unpack(data, len(texts), outputs)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = await self._send(method, path, body)
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise Unavailable(f"the model server answered something that is not JSON: {error}") from error
        if not isinstance(answer, dict):
            raise Unavailable("the model server answered something that is not a JSON object")
        return answer

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> bytes:
        try:
            content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(f"a text is not Unicode: {error.reason}", "texts") from error
        headers = {"Content-Type": "application/json"}
        try:
            response = await self._http.request(method, path, content=content, headers=headers)
        except httpx.TimeoutException as error:
            raise Timeout(f"the model server at {self._http.base_url} did not answer in time") from error
        except httpx.TransportError as error:
            raise Unavailable(f"the model server at {self._http.base_url} is not reachable: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise _error(response)
        return response.content


def _model_info(answer: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(answer["name"], answer["revision"], answer["dim"], answer["max_tokens"], tuple(answer["outputs"]))


def _split(texts: Sequence[str]) -> list[list[str]]:
    """Cut texts into requests of bounded size, keeping the order."""
    parts: list[list[str]] = []
    chars = 0
    for text in texts:
        if not parts or len(parts[-1]) == _TEXTS or chars + len(text) > _CHARS:
            parts.append([])
            chars = 0
        parts[-1].append(text)
        chars += len(text)
    return parts


def _error(response: httpx.Response) -> Exception:
    try:
        body = response.json()
        detail, place, wait = str(body["detail"]), str(body.get("place", "")), body.get("retry_after_s")
    except (ValueError, KeyError, TypeError, AttributeError):
        detail, place, wait = f"HTTP {response.status_code}", "", None
    message = f"the model server says: {detail}"
    match response.status_code:
        case 400 | 413 | 422:
            return InvalidInput(message, place)
        case 401 | 403:
            return Forbidden(message)
        case 404:
            return NotFound(message)
        case 429:
            return Overloaded(message, float(wait or response.headers.get("Retry-After", 1)))
        case 408 | 504:
            return Timeout(message)
        case _:
            return Unavailable(message)
