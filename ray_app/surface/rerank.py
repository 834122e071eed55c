"""POST /rerank: TEI's and Cohere's (vLLM's) share the path, so the body tells which is spoken."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ray_app.bodies import Body, parse, read_bytes
from ray_app.service import Route, Routes
from ray_app.surface import cohere, tei
from shirabe.errors import ShirabeError


class _Shape(Body):
    documents: Any = None


class EitherRerank:
    """`documents` are Cohere's, anything else TEI's; errors too."""

    def __init__(self, tei_api: tei.TeiApi, cohere_api: cohere.CohereApi) -> None:
        self._tei = tei_api
        self._cohere = cohere_api
        self.routes: Routes = {("POST", "/rerank"): Route(self._rerank, tei.refuse)}

    async def _rerank(self, request: Request) -> Response:
        raw = await read_bytes(request)
        if parse(raw, _Shape).documents is None:
            return await self._tei.rerank(raw)
        try:
            return await self._cohere.rerank(raw)
        except ShirabeError as error:
            return cohere.refuse(error)
