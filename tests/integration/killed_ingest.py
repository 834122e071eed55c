"""A process that dies of SIGKILL in the middle of a sync: `killed_ingest.py SOURCE BULK after|between`.

Settings come from the environment. `after` dies when the engine has acknowledged bulk number BULK and the ledger does
not know it yet; `between` dies when the first half of its upserts is in the index, and the rest and its deletes are
not.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from fake_embedder import FakeEmbedder
from fake_tokens import FakeTokens

from ingest.chunkers import StructureChunker
from ingest.job import SyncJob
from opensearch.client import build_client
from opensearch.store import OpenSearchStore
from shirabe.settings import OpenSearchSettings, load_settings
from shirabe.types import ModelInfo, Record


class DyingStore(OpenSearchStore):
    """The real store, and the end of its process."""

    def __init__(self, settings: OpenSearchSettings, model: ModelInfo, dies_at: int, where: str) -> None:
        super().__init__(build_client(settings), settings.alias, model.dim)
        self._dies_at = dies_at
        self._where = where
        self._bulks = 0

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        self._bulks += 1
        dies = self._bulks == self._dies_at
        if dies and self._where == "between":
            await super().write(records[: (len(records) + 1) // 2], [], version)
            os.kill(os.getpid(), signal.SIGKILL)
        await super().write(records, deletes, version)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(source_id: str, dies_at: int, where: str) -> None:
    settings, embedder = load_settings(), FakeEmbedder()
    store = DyingStore(settings.opensearch, await embedder.info(), dies_at, where)
    chunker = StructureChunker(FakeTokens(), settings.ingest.chunk_tokens)
    await SyncJob(store, embedder, chunker, settings).sync(source_id)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
