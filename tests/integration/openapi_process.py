"""One source of API descriptions read and cut in a process of its own: `openapi_process.py LOCATION`.

Prints its chunks, its problems and the peak memory of the process, MB, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from fake_tokens import FakeTokens

from bench.memory import peak_mib
from ingest.chunkers import StructureChunker
from ingest.collectors.openapi import OpenApiCollector
from shirabe.types import Source, Upsert

MAX_TOKENS = 320
MAX_FILE_BYTES = 10_000_000


async def main(location: str) -> None:
    collector = OpenApiCollector(Source("s", "openapi", location), MAX_FILE_BYTES)
    changes = [change async for change in collector.changes(None, await collector.head())]
    documents = [change.document for change in changes if isinstance(change, Upsert)]
    cut = await StructureChunker(FakeTokens(), MAX_TOKENS).chunk(documents)
    found = [
        {"kind": chunk.kind, "locator": chunk.locator, "text": chunk.text, "context": chunk.context, **chunk.meta}
        for chunks in cut
        for chunk in chunks
    ]
    print(json.dumps({"documents": len(documents), "changes": len(changes), "chunks": found, "peak_mb": peak_mib()}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
