"""The reranker's route: POST /m3/rerank."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ray_app.bodies import read_rerank
from ray_app.config import ServerConfig
from ray_app.cross_encoder import CrossEncoder
from ray_app.device import limits, open_device
from ray_app.scheduler import Scheduler
from ray_app.service import Routes
from shirabe.errors import InvalidInput
from shirabe.types import Floats

# What the special tokens of a pair may add.
_EXTRA_TOKENS = 8


class RerankerService:
    """One cross-encoder checkpoint behind a scheduler."""

    def __init__(self, config: ServerConfig) -> None:
        """Load the model and warm it. Raises: NotFound, InvalidInput naming the file."""
        if config.reranker is None:
            raise InvalidInput("no reranker is configured", "reranker")
        device = open_device(config)
        self._encoder = CrossEncoder(config.reranker, device)
        self._encoder.encode_core(self._encoder.encode_pre("warm", ["up"]))
        self._scheduler: Scheduler[Floats, float] = Scheduler(
            lambda batch, _: self._encoder.encode_core(batch), lambda scores, _: scores.tolist(), limits(config, device)
        )
        self._scheduler.start()
        self.routes: Routes = {("POST", "/m3/rerank"): self._rerank}

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._scheduler.check()

    async def _rerank(self, request: Request) -> Response:
        body = await read_rerank(request)
        longest = self._encoder.max_tokens
        most = sum(min(len(body.query) + len(passage) + _EXTRA_TOKENS, longest) for passage in body.passages)
        scores = await self._scheduler.submit(
            lambda: self._encoder.encode_pre(body.query, body.passages), most, frozenset(), "query"
        )
        return JSONResponse({"scores": scores})
