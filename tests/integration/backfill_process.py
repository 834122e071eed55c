"""A backfill in a process of its own: `backfill_process.py SOURCE OPENSEARCH MODELS CHECKPOINT TOKEN RAY DIES_AFTER`.

Settings come from the environment. Prints the report as JSON; with DIES_AFTER above 0 it dies of SIGKILL as soon as
the ledger has settled that many documents.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from ingest.backfill import RayWriter, connected
from ingest.block import Limits
from ingest.writing import Progress
from shirabe.cli.compose import backfill_tools, open_parts
from shirabe.cli.output import plain
from shirabe.settings import load_settings

BLOCK_DOCUMENTS = 3


async def main(
    source_id: str, opensearch_url: str, models_url: str, checkpoint: Path, token: Path, address: str, dies_after: int
) -> None:
    settings = load_settings()

    def die(done: Progress) -> None:
        if dies_after and done.documents >= dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    async with open_parts(settings, opensearch_url, models_url, checkpoint) as parts:
        tools = backfill_tools(settings, opensearch_url, models_url, checkpoint, await parts.models.info())
        with connected(address, token):
            writer = RayWriter(tools, Limits(documents=BLOCK_DOCUMENTS))
            report = await parts.job.sync(source_id, full=True, progress=die, writer=writer)
    print(json.dumps(plain(report)))


if __name__ == "__main__":
    source_id, opensearch_url, models_url, checkpoint, token, address, dies_after = sys.argv[1:]
    asyncio.run(main(source_id, opensearch_url, models_url, Path(checkpoint), Path(token), address, int(dies_after)))
