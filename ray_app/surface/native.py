"""Our own API: POST /m3/encode (all outputs, binary or JSON), POST /m3/rerank, GET /m3/info. Errors: problem+json."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ray_app.bodies import MAX_TOKEN_VECTOR_BYTES, check_query, check_texts, read_body
from ray_app.lane import Lane
from ray_app.problems import TooLarge
from ray_app.service import Route, Routes
from ray_app.surface.headers import said
from ray_app.surface.parts import EmbeddingModel, Encoded, PairScorer
from ray_app.wire import Row, pack
from shirabe.errors import NotFound
from shirabe.types import Output, TextKind

JSON: Final = "application/json"
_HALF_BYTES: Final = 2


class EncodeRequest(BaseModel):
    """The body of `POST /m3/encode`. The lane is the kind unless said otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: list[str] = Field(min_length=1)
    kind: TextKind
    outputs: frozenset[Output] = Field(min_length=1)
    lane: Lane | None = None
    truncate: bool = True


class RerankRequest(BaseModel):
    """The body of `POST /m3/rerank`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str
    passages: list[str] = Field(min_length=1)
    truncate: bool = True


class NativeApi:
    """The API that the rest of this project speaks."""

    def __init__(self, model: EmbeddingModel, cross_encoder: PairScorer | None) -> None:
        """Take the models; without a cross-encoder /m3/rerank is not there (our callers have the bits for MaxSim)."""
        self._model = model
        self._cross_encoder = cross_encoder
        self.routes: Routes = {
            ("POST", "/m3/encode"): Route(self._encode),
            ("POST", "/m3/rerank"): Route(self._rerank),
            ("GET", "/m3/info"): Route(self._info),
        }

    async def _encode(self, request: Request) -> Response:
        body = await read_body(request, EncodeRequest)
        check_texts("texts", body.texts)
        card = self._model.card
        if "tokens" in body.outputs:
            _check_answer(body.texts, card.max_tokens, card.dim)
        encoded = await self._model.encode(
            body.texts, body.kind, body.outputs, body.lane or body.kind, cut=body.truncate
        )
        headers = said(card, encoded)
        if JSON in request.headers.get("accept", ""):
            answer = {"model": card.name, "revision": card.revision, **_as_json(encoded, body.outputs)}
            return Response(json.dumps(answer), headers=headers, media_type=JSON)
        return Response(pack(encoded.rows, body.outputs), headers=headers, media_type="application/octet-stream")

    async def _rerank(self, request: Request) -> Response:
        body = await read_body(request, RerankRequest)
        check_query(body.query)
        check_texts("passages", body.passages)
        if self._cross_encoder is None:
            raise NotFound("no cross-encoder is served here; /v2/rerank answers with late interaction")
        scored = await self._cross_encoder.score(body.query, body.passages, cut=body.truncate)
        return JSONResponse({"scores": scored.scores}, headers=said(self._cross_encoder.card, scored))

    async def _info(self, _: Request) -> Response:
        card = self._model.card
        return JSONResponse(
            {
                "name": card.name,
                "revision": card.revision,
                "dim": card.dim,
                "max_tokens": card.max_tokens,
                "outputs": card.outputs,
                "pooling": card.pooling,
                "prefixes": dict(card.prefixes),
                "reranker": self._cross_encoder is not None,
                "queued_tokens": self._model.queued_tokens,
            }
        )


def _check_answer(texts: list[str], max_tokens: int, dim: int) -> None:
    """Raise TooLarge when token vectors of the texts could fill the memory. A token has a character at least."""
    most = sum(min(len(text) + 1, max_tokens) for text in texts) * dim * _HALF_BYTES
    if most > MAX_TOKEN_VECTOR_BYTES:
        raise TooLarge(f"token vectors may take {most} bytes, at most {MAX_TOKEN_VECTOR_BYTES}; send fewer", "texts")


def _as_json(encoded: Encoded, outputs: Collection[Output]) -> dict[str, Any]:
    return {
        "usage": {"tokens": encoded.tokens, "truncated": encoded.truncated},
        "embeddings": [_row(row, outputs) for row in encoded.rows],
    }


def _row(row: Row, outputs: Collection[Output]) -> dict[str, Any]:
    """Return one text's outputs: `sparse` by token id, `bits` as rows of base64."""
    values: dict[str, Any] = {}
    if "dense" in outputs and row.dense is not None:
        values["dense"] = row.dense.tolist()
    if "sparse" in outputs:
        values["sparse"] = {str(index): weight for index, weight in row.sparse_items()}
    if "tokens" in outputs and row.tokens is not None:
        values["tokens"] = row.tokens.tolist()
    if "bits" in outputs and row.bits is not None:
        values["bits"] = [base64.b64encode(bits.tobytes()).decode() for bits in row.bits]
    return values
