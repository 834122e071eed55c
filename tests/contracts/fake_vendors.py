"""Servers that answer as the vendors' API references say, refusals and limits included; over real HTTP on loopback.

`FakeVendor.faults` holds answers to give first, instead of the right one. `requests` holds what arrived.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from aiohttp import web

from shirabe.types import Floats

KEY = "sk-test-0123456789abcdef"
OPENAI_DIMS = {"text-embedding-3-large": 3072, "text-embedding-3-small": 1536, "ada-like": 1536, "text-embedding-ö": 64}
COHERE_DIMS = {"embed-multilingual-v3.0": 1024, "embed-multilingual-light-v3.0": 384}

_PIECE = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")


def vendor_tokens(text: str) -> int:
    """Count as a byte-level tokenizer might: four letters a token, one a kanji or kana, three an emoji."""
    return sum(
        -(-len(piece) // 4) if piece.isascii() else (3 if ord(piece) > 0xFFFF else 1) for piece in _PIECE.findall(text)
    )


@functools.lru_cache(maxsize=4096)
def _direction(piece: str, dim: int) -> Floats:
    seed = int.from_bytes(hashlib.blake2b(piece.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


def vector(text: str, full: int, dim: int) -> Floats:
    """Return the sum of the words' directions, cut to `dim` and brought back to length 1 as OpenAI does."""
    pieces = [piece.lower() for piece in _PIECE.findall(text)] or ["<none>"]
    total = np.sum([_direction(piece, full) for piece in pieces], axis=0)[:dim]
    return np.asarray(total / np.linalg.norm(total), np.float32)


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer to give instead."""

    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FakeVendor:
    """One vendor's server. `headers` go with every answer."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    headers: dict[str, str] = field(default_factory=dict)
    keys: list[str | None] = field(default_factory=list)
    most_at_once: int = 0
    count_tokens: Callable[[str], int] = vendor_tokens
    gate: Callable[[], Awaitable[None]] | None = None
    _ongoing: int = 0

    async def answer(self, request: web.Request, right: Callable[[dict[str, Any]], web.Response]) -> web.Response:
        """Give the next fault, else the right answer."""
        self.keys.append(request.headers.get("Authorization"))
        self._ongoing += 1
        self.most_at_once = max(self.most_at_once, self._ongoing)
        try:
            body: dict[str, Any] = await request.json()
            self.requests.append(body)
            if self.gate is not None:
                await self.gate()
            if self.faults:
                fault = self.faults.popleft()
                if isinstance(fault.body, str):
                    return web.Response(status=fault.status, text=fault.body, headers=dict(fault.headers))
                return web.json_response(dict(fault.body), status=fault.status, headers=dict(fault.headers))
            response = right(body)
            response.headers.update(self.headers)
            return response
        finally:
            self._ongoing -= 1


def openai_error(status: int, message: str, kind: str, *, param: str | None = None, code: str | None = None) -> Fault:
    """Return an error as OpenAI writes it."""
    return Fault(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


QUOTA = openai_error(
    429,
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    code="insufficient_quota",
)
RATE = openai_error(
    429,
    "Rate limit reached for text-embedding-3-large in organization org-x on requests per min (RPM): Limit 3, Used 3.",
    "requests",
    code="rate_limit_exceeded",
)


@asynccontextmanager
async def fake_openai() -> AsyncIterator[FakeVendor]:
    """Serve `POST /v1/embeddings`."""
    vendor = FakeVendor()

    def right(body: dict[str, Any]) -> web.Response:
        refused = _refused_by_openai(vendor, body)
        if refused is not None:
            return web.json_response(refused.body, status=refused.status)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        full = OPENAI_DIMS[body["model"]]
        vectors = [vector(text, full, body.get("dimensions", full)) for text in texts]
        in_base64 = body.get("encoding_format") == "base64" and body["model"] != "ada-like"
        tokens = sum(map(vendor.count_tokens, texts))
        rows = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode() if in_base64 else row.tolist(),
            }
            for index, row in enumerate(vectors)
        ]
        return web.json_response(
            {
                "object": "list",
                # The index says which text a row belongs to, not its place.
                "data": rows[::-1],
                "model": body["model"],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            },
            headers={"x-request-id": f"req_{uuid.uuid4().hex}", "openai-processing-ms": "7"},
        )

    async def embeddings(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
            fault = openai_error(
                401, f"Incorrect API key provided: {shown}.", "invalid_request_error", code="invalid_api_key"
            )
            return web.json_response(fault.body, status=401)
        return await vendor.answer(request, right)

    async with _serving(vendor, "/v1/embeddings", embeddings):
        vendor.url += "/v1"
        yield vendor


def _refused_by_openai(vendor: FakeVendor, body: dict[str, Any]) -> Fault | None:
    invalid = "invalid_request_error"
    full = OPENAI_DIMS.get(body["model"])
    if full is None:
        message = f"The model `{body['model']}` does not exist or you do not have access to it."
        return openai_error(404, message, invalid, code="model_not_found")
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    if not texts or not all(isinstance(text, str) and text for text in texts) or len(texts) > 2048:
        return openai_error(400, "'$.input' is invalid. Please check the API reference.", invalid)
    dimensions = body.get("dimensions", full)
    if not 1 <= dimensions <= full:
        message = f"Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {full}."
        return openai_error(400, message, invalid, param="dimensions")
    counts = [vendor.count_tokens(text) for text in texts]
    if max(counts) > 8192:
        message = (
            f"This model's maximum context length is 8192 tokens, however you requested {max(counts)} tokens"
            f" ({max(counts)} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
        )
        return openai_error(400, message, invalid)
    if sum(counts) > 300_000:
        message, code = f"Requested {sum(counts)} tokens, max 300000 tokens per request", "max_tokens_per_request"
        return openai_error(400, message, code, code=code)
    return None


@asynccontextmanager
async def fake_cohere() -> AsyncIterator[FakeVendor]:
    """Serve `POST /v2/embed`."""
    vendor = FakeVendor()

    def right(body: dict[str, Any]) -> web.Response:
        full = COHERE_DIMS.get(body["model"])
        if full is None:
            return web.json_response({"message": f"model '{body['model']}' not found"}, status=404)
        texts = body["texts"]
        if len(texts) > 96:
            return web.json_response({"message": "invalid request: at most 96 texts per call"}, status=400)
        if body.get("input_type") not in ("search_query", "search_document"):
            message = "valid input_type must be provided with the provided model"
            return web.json_response({"message": message}, status=400)
        if not all(texts):
            return web.json_response({"message": "invalid request: a text is empty"}, status=400)
        if body.get("output_dimension") not in (None, full):
            return web.json_response({"message": "output_dimension is not supported by this model"}, status=400)
        counts = [vendor.count_tokens(text) for text in texts]
        if max(counts) > 512 and body.get("truncate", "END") == "NONE":
            return web.json_response({"message": "too many tokens: a text is longer than 512"}, status=400)
        return web.json_response(
            {
                "id": str(uuid.uuid4()),
                "embeddings": {"float": [(7 * vector(text, full, full)).tolist() for text in texts]},
                "texts": texts,
                "meta": {
                    "api_version": {"version": "2"},
                    "billed_units": {"input_tokens": float(sum(min(count, 512) for count in counts))},
                },
                "response_type": "embeddings_by_type",
            }
        )

    async def embed(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"message": "invalid api token"}, status=401)
        return await vendor.answer(request, right)

    async with _serving(vendor, "/v2/embed", embed):
        yield vendor


@asynccontextmanager
async def _serving(
    vendor: FakeVendor, path: str, handle: Callable[[web.Request], Awaitable[web.Response]]
) -> AsyncIterator[None]:
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post(path, handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        vendor.url = f"http://{host}:{port}"
        yield
    finally:
        await runner.cleanup()
