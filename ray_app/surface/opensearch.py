"""POST /opensearch/sparse: learned sparse vectors as ml-commons remote connectors want them.

The other two need no route of their own: dense vectors go over /v1/embeddings
(`connector.post_process.openai.embedding`) and reranking over /v2/rerank (`connector.post_process.cohere.rerank`).
"""

from __future__ import annotations

import json
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ray_app.bodies import Body, Texts, check_texts, read_body
from ray_app.service import Route, Routes
from ray_app.surface.headers import said
from ray_app.surface.parts import EmbeddingModel, interactive
from ray_app.wire import Row
from shirabe.types import TextKind

# XLM-R's <unk>, which no text's weights contain. A rank_features field without a feature could not be found again, so a
# text without weights gets this one: it matches no other text.
_NOTHING: Final = {"3": 1e-4}


class SparseRequest(Body):
    """The body that `connector.pre_process.default.embedding` fills in."""

    input: Texts
    input_type: TextKind = "passage"
    revision: str | None = None


class OpenSearchApi:
    """What ml-commons calls that no other API has."""

    def __init__(self, model: EmbeddingModel) -> None:
        self._model = model
        self.routes: Routes = {("POST", "/opensearch/sparse"): Route(self._sparse)}

    async def _sparse(self, request: Request) -> Response:
        body = await read_body(request, SparseRequest)
        self._model.card.check_revision(body.revision)
        check_texts("input", body.input)
        lane = interactive(body.input_type, body.input)
        encoded = await self._model.encode(body.input, body.input_type, frozenset({"sparse"}), lane)
        answer = {"response": [_weights(row) for row in encoded.rows]}
        return Response(json.dumps(answer), headers=said(self._model.card, encoded), media_type="application/json")


def _weights(row: Row) -> dict[str, float]:
    """Return positive weights by token id; never an empty map."""
    return {str(index): weight for index, weight in row.sparse_items() if weight > 0} or _NOTHING
