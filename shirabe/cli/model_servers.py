"""Which model server embeds for which index generation: the one whose model built it, wherever it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from opensearch.generations import Generation, check_meta, serves
from ray_app.client import ModelClient
from shirabe.errors import InvalidInput, ShirabeError, Unavailable
from shirabe.runtime import read_runtime
from shirabe.settings import ModelSettings
from shirabe.types import Embedding, ModelInfo, Output, TextKind

MODELS_URL = "models_url"
"""Where a generation's model is served, when it was built with `--models-url`: recorded in its `_meta`."""
SERVED = "served"
"""How `shirabe up` serves a generation's model (name and width as configured): recorded in its `_meta`."""


class ModelServers:
    """The model servers that are known: the configured one, those beside it, and those that generations name.

    `beside` returns the addresses of the second kind.
    """

    def __init__(
        self, primary: ModelClient, primary_url: str, settings: ModelSettings, beside: Callable[[], Sequence[str]]
    ) -> None:
        self._clients = {primary_url: primary}
        self._primary_url = primary_url
        self._settings = settings
        self._beside = beside
        self._found: dict[str, str] = {}

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    def client(self, url: str) -> ModelClient:
        """Return the client of a server."""
        if url not in self._clients:
            self._clients[url] = ModelClient(url, self._settings.timeout_s, api_key=self._settings.api_key)
        return self._clients[url]

    async def url_of(self, generation: Generation) -> str:
        """Return the server of the model that a generation was built by.

        Raises: InvalidInput naming the generation when every server has another model; Unavailable, Timeout.
        """
        if (known := self._found.get(generation.uuid)) is not None:
            return known
        away: ShirabeError | None = None
        for url in await self._urls(generation):
            try:
                model = await self.client(url).info()
            except ShirabeError as error:
                away = away or error
                continue
            if serves(generation, model):
                self._found[generation.uuid] = url
                return url
        if away is not None:
            raise away
        check_meta(generation, await self.client(self._primary_url).info())
        raise AssertionError("unreachable: the check refuses what no server has")

    def forget(self, generation: Generation) -> None:
        """Look for a generation's server anew when it is needed next: it may have started again elsewhere."""
        self._found.pop(generation.uuid, None)

    async def _urls(self, generation: Generation) -> list[str]:
        beside = await asyncio.to_thread(self._beside)
        named = generation.meta.get(MODELS_URL)
        code = self._settings.code.url
        return list(dict.fromkeys(url for url in (named, self._primary_url, *beside, code) if url))


def beside_in(state_dir: Path) -> list[str]:
    """Return where a running `shirabe up` serves more models."""
    runtime = read_runtime(state_dir)
    return [served.url for served in runtime.more_models if served.url] if runtime else []


class GenerationEmbedder:
    """The `Embedder` of one generation. It never embeds with another model than the one that built it."""

    def __init__(self, generation: Generation, servers: ModelServers) -> None:
        self._generation = generation
        self._servers = servers

    async def info(self) -> ModelInfo:
        """Return the identity of the model. Raises: Unavailable when nobody serves it, Timeout."""
        return await (await self._client()).info()

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        """Return one embedding per text. Raises: as every embedder."""
        client = await self._client()
        try:
            return await client.embed(texts, kind, outputs)
        except Unavailable:
            self._servers.forget(self._generation)
            raise

    async def _client(self) -> ModelClient:
        try:
            return self._servers.client(await self._servers.url_of(self._generation))
        except InvalidInput as error:
            raise Unavailable(error.message) from error
