"""The embedder's routes: POST /m3/encode, GET /m3/info, GET /healthz."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ray_app import m3_mini
from ray_app.bodies import read_encode
from ray_app.checkpoint import read_checkpoint
from ray_app.config import ServerConfig
from ray_app.device import limits, open_device
from ray_app.encoder import ALL_OUTPUTS, Forward, M3Encoder
from ray_app.scheduler import Scheduler
from ray_app.service import Routes
from ray_app.wire import Row, pack
from shirabe.types import Output

# What the prefix and the special tokens may add to a text.
_EXTRA_TOKENS = 8


class EmbedderService:
    """One embedding checkpoint behind a scheduler."""

    def __init__(self, config: ServerConfig) -> None:
        """Load the model and warm it. Raises: NotFound, InvalidInput naming the file."""
        device = open_device(config)
        self._checkpoint = read_checkpoint(m3_mini.resolve(config.model, config.cache_dir), config.max_tokens)
        self._encoder = M3Encoder(self._checkpoint, device)
        self._outputs: tuple[Output, ...] = ALL_OUTPUTS if self._checkpoint.has_heads else ("dense",)
        self._has_reranker = config.reranker is not None
        self._encoder.encode(["warm up"], "query", self._outputs)
        self._scheduler: Scheduler[Forward, Row] = Scheduler(
            self._encoder.encode_core, self._encoder.encode_post, limits(config, device)
        )
        self._scheduler.start()
        self.routes: Routes = {
            ("POST", "/m3/encode"): self._encode,
            ("GET", "/m3/info"): self._info,
            ("GET", "/healthz"): self._healthz,
        }

    def check(self) -> None:
        """Raise when a stage of the model has died."""
        self._scheduler.check()

    async def _encode(self, request: Request) -> Response:
        body = await read_encode(request)
        self._encoder.check_outputs(body.outputs)
        most = sum(min(len(text) + _EXTRA_TOKENS, self._checkpoint.max_tokens) for text in body.texts)
        rows = await self._scheduler.submit(
            lambda: self._encoder.encode_pre(body.texts, body.kind), most, body.outputs, body.lane or body.kind
        )
        return Response(pack(rows, body.outputs), media_type="application/octet-stream")

    async def _info(self, _: Request) -> Response:
        info = self._checkpoint.info
        return JSONResponse(
            {
                "name": info.name,
                "revision": info.revision,
                "dim": info.dim,
                "max_tokens": info.max_tokens,
                "outputs": self._outputs,
                "pooling": self._checkpoint.pooling,
                "prefixes": {"query": self._checkpoint.query_prefix, "passage": self._checkpoint.passage_prefix},
                "reranker": self._has_reranker,
                "queued_tokens": self._scheduler.queued_tokens,
            }
        )

    async def _healthz(self, _: Request) -> Response:
        self.check()
        return JSONResponse({"status": "ok"})
