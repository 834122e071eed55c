"""OpenAI's API: POST /v1/embeddings, GET /v1/models. Errors in OpenAI's shape, which everything under /v1/ has."""

from __future__ import annotations

import base64
import json
from typing import Any, Final, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ray_app.bodies import Body, Texts, check_texts, read_body
from ray_app.problems import TooLarge, TooLong, Unauthorized, headers_of, status_of, statuses_with
from ray_app.service import Route, Routes
from ray_app.surface.headers import said
from ray_app.surface.parts import EmbeddingModel, ModelCard
from ray_app.surface.vectors import dense_vectors
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError
from shirabe.types import TextKind

_STATUSES: Final = statuses_with({TooLong: (400, "Too long"), TooLarge: (400, "Too large")})
# OpenAI names its errors by type and code; its clients choose their exception by the status.
_KINDS: Final[tuple[tuple[type[ShirabeError], str, str | None], ...]] = (
    (Unauthorized, "invalid_request_error", "invalid_api_key"),
    (Forbidden, "invalid_request_error", "insufficient_permissions"),
    (NotFound, "invalid_request_error", "model_not_found"),
    (TooLong, "invalid_request_error", "context_length_exceeded"),
    (InvalidInput, "invalid_request_error", None),
    (Overloaded, "rate_limit_error", "rate_limit_exceeded"),
    (ShirabeError, "server_error", None),
)


class EmbeddingsRequest(Body):
    """The body of `POST /v1/embeddings`; `input_type` (for models that know prefixes) and what follows it are ours."""

    input: Texts
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1)
    input_type: TextKind = "passage"
    truncate: bool = True
    revision: str | None = None


class OpenAiApi:
    """The embedder as OpenAI's clients see it, and the list of all models."""

    def __init__(self, model: EmbeddingModel, others: tuple[ModelCard, ...]) -> None:
        """Take the embedder, and the cards of what else is served."""
        self._model = model
        self._cards = (model.card, *others)
        routes: dict[tuple[str, str], Route] = {
            ("POST", "/v1/embeddings"): Route(self._embeddings, refuse),
            ("GET", "/v1/models"): Route(self._models, refuse),
        }
        for card in self._cards:
            for name in card.names:
                routes.setdefault(("GET", f"/v1/models/{name}"), Route(_answering(card), refuse))
        self.routes: Routes = routes

    async def _embeddings(self, request: Request) -> Response:
        body = await read_body(request, EmbeddingsRequest)
        card = self._model.card
        card.check_name(body.model)
        card.check_revision(body.revision)
        check_texts("input", body.input)
        encoded, vectors = await dense_vectors(
            self._model, body.input, body.input_type, body.dimensions, cut=body.truncate
        )
        spoken = [
            base64.b64encode(vector.astype("<f4").tobytes()).decode()
            if body.encoding_format == "base64"
            else vector.tolist()
            for vector in vectors
        ]
        data = [{"object": "embedding", "index": number, "embedding": one} for number, one in enumerate(spoken)]
        usage = {"prompt_tokens": encoded.tokens, "total_tokens": encoded.tokens}
        answer = {"object": "list", "data": data, "model": card.name, "usage": usage}
        return Response(json.dumps(answer), headers=said(card, encoded), media_type="application/json")

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_model(card) for card in self._cards]})


def _answering(card: ModelCard) -> Any:
    async def answer(_: Request) -> Response:
        return JSONResponse(_model(card))

    return answer


def _model(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.name,
        "object": "model",
        "created": 0,
        "owned_by": card.name.rpartition("/")[0] or "shirabe",
        "revision": card.revision,
        "max_model_len": card.max_tokens,
    }


def refuse(error: ShirabeError) -> Response:
    """Return an error in OpenAI's shape."""
    status, _ = status_of(error, _STATUSES)
    kind, code = next((kind, code) for cause, kind, code in _KINDS if isinstance(error, cause))
    place = error.place if isinstance(error, InvalidInput) and error.place else None
    body: dict[str, Any] = {"message": str(error), "type": kind, "param": place, "code": code}
    return JSONResponse({"error": body}, status, headers_of(error))
