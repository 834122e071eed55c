"""A provider's model as an `EmbeddingModel` of the surface: dense vectors only, made elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ray_app.config import ServerConfig
from ray_app.lane import Lane
from ray_app.observer import Observer
from ray_app.providers.clock import Clock
from ray_app.providers.embedder import ProviderEmbedder
from ray_app.providers.text_length import estimated_tokens
from ray_app.providers.usage import Usage
from ray_app.surface.parts import Encoded, ModelCard, too_long
from ray_app.wire import Row
from shirabe.errors import InvalidInput, Overloaded
from shirabe.settings import ModelSettings
from shirabe.types import ModelInfo, Output, TextKind

_RETRY_AFTER_S: Final = 2.0


class ProviderService:
    """Embeds many callers' texts at a vendor's. Used from one event loop."""

    def __init__(self, config: ServerConfig, observer: Observer, clock: Clock | None = None) -> None:
        """Read the key; where only the server knows the width of its vectors, ask it.

        Raises: InvalidInput naming the setting; where it is asked, Forbidden, NotFound, Unavailable, Timeout.
        """
        self._embedder = ProviderEmbedder(config, clock)
        self._observer = observer
        self._queue_tokens = config.queue_tokens
        self._queued = 0
        self._told = self.usage
        model = self._embedder.model
        info = identity(config)
        self.card = ModelCard(
            name=info.name,
            revision=info.revision,
            max_tokens=info.max_tokens,
            dim=info.dim,
            smallest_dim=1 if model.adjustable and model.licence == "proprietary" else None,
            outputs=info.outputs,
            pooling="",
            aliases=(model.name,),
        )

    @property
    def usage(self) -> Usage:
        """What was asked and billed since the start."""
        return self._embedder.usage

    @property
    def queued_tokens(self) -> int:
        """Tokens, estimated, that wait or are being embedded."""
        return self._queued

    def check(self) -> None:
        """Find nothing wrong: each caller hears of a vendor that does not answer, and a new replica would not help."""

    def reconfigure(self, config: ServerConfig) -> None:
        """Take another queue limit."""
        self._queue_tokens = config.queue_tokens

    async def encode(
        self, texts: Sequence[str], kind: TextKind, outputs: frozenset[Output], lane: Lane, *, cut: bool = True
    ) -> Encoded:
        """Return the vector of each text. Texts estimated to be too long are cut, or refused without `cut`.

        A vendor that cuts by itself knows better than the estimate which to refuse; how many it cut it does not say.

        Raises: InvalidInput for another output, TooLong, Forbidden, NotFound, Overloaded, Unavailable, Timeout.
        """
        if outputs - set(self.card.outputs):
            raise InvalidInput(f"{self.card.name} gives dense vectors only", "outputs")
        long = [number for number, text in enumerate(texts) if self._embedder.cuts(text)]
        if long and not cut and not self._embedder.model.truncates:
            raise too_long(long[0], self.card.max_tokens)
        tokens = sum(min(estimated_tokens(text), self.card.max_tokens) for text in texts)
        if self._queued and self._queued + tokens > self._queue_tokens:
            self._observer.rejected()
            raise Overloaded(f"about {self._queued} tokens wait for the provider already", _RETRY_AFTER_S)
        self._count(tokens)
        try:
            vectors, billed = await self._embedder.encode(texts, kind, lane, cut=cut)
        finally:
            self._count(-tokens)
            before, self._told = self._told, self.usage
            self._observer.used(self._told.since(before))
        truncated = len(long) if cut else 0
        if truncated:
            self._observer.truncated(truncated)
        return Encoded([Row(dense=vector) for vector in vectors], billed, truncated)

    async def close(self) -> None:
        """Close the connections."""
        await self._embedder.close()

    def _count(self, tokens: int) -> None:
        self._queued += tokens
        self._observer.queued(self._queued)


def identity(settings: ModelSettings) -> ModelInfo:
    """Return what the configured model is. Blocks: where only the server knows the width, it is asked.

    Raises: InvalidInput naming the setting; where it is asked, Forbidden, NotFound, Unavailable, Overloaded, Timeout.
    """

    async def ask() -> ModelInfo:
        embedder = ProviderEmbedder(settings)
        try:
            return await embedder.info()
        finally:
            await embedder.close()

    # A thread of its own has no event loop that runs already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, ask()).result()
