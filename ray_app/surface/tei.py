"""The API of text-embeddings-inference: POST /embed (and /), /embed_sparse, rerank bodies with `texts`.

Hugging Face's InferenceClient posts to the address it is given, so / embeds too. Errors are problem+json with TEI's two
members, at TEI's statuses.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from ray_app.bodies import Body, Texts, check_query, check_texts, parse, read_body
from ray_app.problems import TooLarge, TooLong, Unauthorized, problem, statuses_with
from ray_app.service import Route, Routes
from ray_app.surface.headers import said
from ray_app.surface.parts import EmbeddingModel, PairScorer, interactive
from ray_app.surface.vectors import dense_vectors
from shirabe.errors import Forbidden, InvalidInput, NotFound, Overloaded, ShirabeError
from shirabe.types import TextKind

_STATUSES: Final = statuses_with(
    {TooLarge: (413, "Too large"), TooLong: (422, "Too long"), InvalidInput: (422, "Invalid input")}
)
_TYPES: Final[tuple[tuple[type[ShirabeError], str], ...]] = (
    (InvalidInput, "Validation"),
    (NotFound, "Validation"),
    (Unauthorized, "Unauthorized"),
    (Forbidden, "Backend"),
    (Overloaded, "Overloaded"),
    (ShirabeError, "Unhealthy"),
)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class _Cut(Body):
    """What TEI's bodies say of long texts. Cutting the beginning off is not offered: prefixes stand there."""

    truncate: bool | None = None
    truncation_direction: Annotated[Literal["right"], BeforeValidator(_lower)] = "right"

    @property
    def cut(self) -> bool:
        """Whether to cut: unless refused, as `auto_truncate` of /info says."""
        return self.truncate is not False


class EmbedRequest(_Cut):
    """The body of `POST /embed`; `prompt_name` chooses the prefix."""

    inputs: Texts
    normalize: Literal[True] = True
    prompt_name: TextKind = "passage"
    dimensions: int | None = Field(None, ge=1)
    encoding_format: Literal["float"] = "float"


class SparseRequest(_Cut):
    """The body of `POST /embed_sparse`."""

    inputs: Texts
    prompt_name: TextKind = "passage"


class RerankRequest(_Cut):
    """The body of `POST /rerank` when it has `texts`."""

    query: str
    texts: list[str] = Field(min_length=1)
    raw_scores: bool = False
    return_text: bool = False


class TeiApi:
    """The models as TEI's clients see them."""

    def __init__(self, model: EmbeddingModel, scorer: PairScorer) -> None:
        self._model = model
        self._scorer = scorer
        self.routes: Routes = {
            ("POST", "/"): Route(self._embed, refuse),
            ("POST", "/embed"): Route(self._embed, refuse),
            ("POST", "/embed_sparse"): Route(self._embed_sparse, refuse),
        }

    async def _embed(self, request: Request) -> Response:
        body = await read_body(request, EmbedRequest)
        check_texts("inputs", body.inputs)
        encoded, vectors = await dense_vectors(
            self._model, body.inputs, body.prompt_name, body.dimensions, cut=body.cut
        )
        return _json([vector.tolist() for vector in vectors], said(self._model.card, encoded))

    async def _embed_sparse(self, request: Request) -> Response:
        body = await read_body(request, SparseRequest)
        check_texts("inputs", body.inputs)
        lane = interactive(body.prompt_name, body.inputs)
        encoded = await self._model.encode(body.inputs, body.prompt_name, frozenset({"sparse"}), lane, cut=body.cut)
        answer = [[{"index": index, "value": value} for index, value in row.sparse_items()] for row in encoded.rows]
        return _json(answer, said(self._model.card, encoded))

    async def rerank(self, raw: bytes) -> Response:
        """Answer the body of a rerank request that has `texts`: best first."""
        body = parse(raw, RerankRequest)
        check_query(body.query)
        check_texts("texts", body.texts)
        scored = await self._scorer.score(body.query, body.texts, cut=body.cut)
        scores = scored.scores if body.raw_scores else scored.relevances
        order = sorted(range(len(scores)), key=lambda number: -scores[number])
        answer: list[dict[str, Any]] = [{"index": number, "score": scores[number]} for number in order]
        if body.return_text:
            for one in answer:
                one["text"] = body.texts[one["index"]]
        return _json(answer, said(self._scorer.card, scored))


def _json(answer: Any, headers: dict[str, str]) -> Response:
    return Response(json.dumps(answer), headers=headers, media_type="application/json")


def refuse(error: ShirabeError) -> Response:
    """Return an error as TEI's clients expect it."""
    kind = next(kind for cause, kind in _TYPES if isinstance(error, cause))
    return problem(error, _STATUSES, error=str(error), error_type=kind)
