"""What is asked about the server: GET /info (TEI's shape, with our caps), /health and /healthz."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ray_app.bodies import MAX_BODY_BYTES, MAX_CHARS, MAX_TEXTS, MAX_TOKEN_VECTOR_BYTES
from ray_app.service import Bounds, Route, Routes
from ray_app.surface import tei
from ray_app.surface.parts import EmbeddingModel, ModelCard


class OperationsApi:
    """Facts and health."""

    def __init__(self, model: EmbeddingModel, reranker: ModelCard, bounds: Callable[[], Bounds]) -> None:
        """Take the embedder, the card of what reranks, and what bounds the requests now."""
        self._model = model
        self._reranker = reranker
        self._bounds = bounds
        self.routes: Routes = {
            ("GET", "/info"): Route(self._info, tei.refuse),
            ("GET", "/health"): Route(self._health, tei.refuse, open=True),
            ("GET", "/healthz"): Route(self._health, open=True),
        }

    async def _info(self, _: Request) -> Response:
        card, bounds = self._model.card, self._bounds()
        info: dict[str, Any] = {
            "model_id": card.name,
            "model_sha": card.revision,
            "model_dtype": card.dtype,
            "model_type": {"embedding": {"pooling": card.pooling}},
            "max_input_length": card.max_tokens,
            "max_client_batch_size": MAX_TEXTS,
            "max_concurrent_requests": bounds.requests,
            "payload_limit": MAX_BODY_BYTES,
            "auto_truncate": True,
            "max_request_chars": MAX_CHARS,
            "max_token_vector_bytes": MAX_TOKEN_VECTOR_BYTES,
            "request_timeout_s": bounds.timeout_s,
            "dimensions": card.dim,
            "outputs": card.outputs,
            "prompts": dict(card.prefixes),
            "reranker": {"model_id": self._reranker.name, "model_sha": self._reranker.revision},
            "queued_tokens": self._model.queued_tokens,
            "version": version("shirabe"),
        }
        if (usage := self._model.usage) is not None:
            info["provider_usage"] = asdict(usage)
        return JSONResponse(info)

    async def _health(self, _: Request) -> Response:
        self._model.check()
        return JSONResponse({"status": "ok"})
