"""The model server's HTTP surface over fake models, on a real port, that can be stopped and started again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import httpx
import uvicorn
from fake_models import FakeModel, FakeScorer, asgi, serve
from waiting import until

from shirabe.ports import LOOPBACK, require_free_port

PATIENCE_S = 10.0


class StoppableModels:
    """A model server in this process."""

    def __init__(self, model: FakeModel | None = None, api_key: str | None = None) -> None:
        self.port = require_free_port(LOOPBACK, 0)
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.model = model or FakeModel()
        self._api_key = api_key
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, on the same port every time."""
        _, service = serve(self.model, FakeScorer(), api_key=self._api_key)
        config = uvicorn.Config(
            asgi(service), LOOPBACK, self.port, log_level="error", lifespan="off", ws="none", timeout_keep_alive=1
        )
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve())
        async with httpx.AsyncClient(trust_env=False) as client:

            async def answers() -> bool:
                with suppress(httpx.TransportError):
                    await client.get(f"{self.url}/health")
                    return True
                return False

            await until(answers, f"{self.url} answers", PATIENCE_S)

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._task
            self._server = self._task = None
