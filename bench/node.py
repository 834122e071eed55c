"""The engine of a benchmark, without a model server beside it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from opensearch.node import EmbeddedNode
from shirabe.settings import Settings


@asynccontextmanager
async def own_engine(settings: Settings) -> AsyncIterator[Settings]:
    """Start the embedded node on an empty data folder, and give settings that lead to it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        # The engine's unprivileged user must reach it.
        Path(folder).chmod(0o755)
        node = EmbeddedNode(settings.opensearch, Path(folder), settings.cache_dir)
        try:
            engine = settings.opensearch.model_copy(update={"url": await node.start()})
            yield settings.model_copy(update={"opensearch": engine})
        finally:
            await node.stop()


@asynccontextmanager
async def named_engine(settings: Settings) -> AsyncIterator[Settings]:
    """Give settings that lead to the engine that `opensearch.url` names, where it names one, else to one of our own."""
    if settings.opensearch.url is not None:
        yield settings
    else:
        async with own_engine(settings) as with_engine:
            yield with_engine
