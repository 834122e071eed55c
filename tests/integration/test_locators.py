"""Every chunk of real documents says where it stands, and what stands there is what it shows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import yaml
from openpyxl.utils.cell import range_boundaries

from ingest.chunkers import StructureChunker
from ingest.chunkers.source import clean_text
from ingest.collectors import open_collector
from ingest.decoding import decode_text
from shirabe.settings import load_settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Chunk, Document, Source, Upsert

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
VERBATIM = frozenset(
    {"section", "table", "code_block", "class", "function", "method", "module", "config", "manifest", "index"}
)


async def cut(source: Source, folder: Path, tokens: CheckpointTokens) -> list[tuple[Document, Chunk]]:
    settings = load_settings(state_dir=folder)
    chunker = StructureChunker(tokens, settings.ingest.chunk_tokens)
    collector = open_collector(source, settings)
    found: list[tuple[Document, Chunk]] = []
    async for change in collector.changes(None, await collector.head()):
        if isinstance(change, Upsert):
            [chunks] = await chunker.chunk([change.document])
            found += [(change.document, chunk) for chunk in chunks]
    return found


def lines_of(document: Document, chunk: Chunk) -> str:
    """What stands in a document where a chunk says it does."""
    meta = chunk.meta
    lines = clean_text(decode_text(document.content).text).split("\n")[meta["start_line"] - 1 : meta["end_line"]]
    lines[-1] = lines[-1][: meta.get("end_column")]
    lines[0] = lines[0][meta.get("start_column", 1) - 1 :]
    return "\n".join(lines)


def shows_its_lines(document: Document, chunk: Chunk) -> None:
    assert chunk.text == lines_of(document, chunk)


def shows_its_record(document: Document, chunk: Chunk) -> None:
    """Each `header=value` line is a cell of the row or range that the locator names."""
    values = [line.partition("=")[2] for line in chunk.text.split("\n")]
    if "start_line" in chunk.meta:
        cells = {cell for row in csv.reader(io.StringIO(lines_of(document, chunk))) for cell in row}
    else:
        name, _, area = chunk.locator.rpartition("#")[2].rpartition("!")
        sheet = openpyxl.load_workbook(io.BytesIO(document.content), data_only=True)[name.strip("'")]
        left, top, right, bottom = range_boundaries(area)
        rows = sheet.iter_rows(min_row=top, max_row=bottom, min_col=left, max_col=right, values_only=True)
        cells = {str(cell) for row in rows for cell in row if cell is not None}
    assert any(cells), chunk.locator
    shown = [value for value in values if value]
    assert sum(value in cells for value in shown) >= len(shown) - 1, f"{chunk.locator}: {shown} in {cells}"


def shows_its_unit(document: Document, chunk: Chunk) -> None:
    """The pointer resolves in the description, and what is there has the chunk's own summary or name."""
    pointer = chunk.locator.partition("#")[2]
    node: Any = yaml.safe_load(document.content)
    for part in pointer.split("/")[1:]:
        node = node[part.replace("~1", "/").replace("~0", "~")]
    said = json.dumps(node, ensure_ascii=False, default=str)
    words = [word for word in re.findall(r"\w{4,}", chunk.text) if word.lower() in said.lower()]
    assert len(words) >= 1, f"{chunk.locator}: {chunk.text}"


def shows_its_term(document: Document, chunk: Chunk) -> None:
    first = chunk.text.split("\n")[0].split(" / ")[0].partition("（")[0]
    assert first in lines_of(document, chunk)


RESOLVERS: dict[str, Callable[[Document, Chunk], None]] = {
    **dict.fromkeys(VERBATIM, shows_its_lines),
    "record": shows_its_record,
    **dict.fromkeys(("operation", "schema", "overview"), shows_its_unit),
    "term": shows_its_term,
}


def resolved(found: Sequence[tuple[Document, Chunk]]) -> Counter[str]:
    """Resolve every chunk's place; return how many there were of each kind."""
    kinds: Counter[str] = Counter()
    for document, chunk in found:
        assert chunk.locator.startswith(document.path), chunk.locator
        # A sheet's title, and what is left of a page whose terms are chunks of their own, are not verbatim.
        loose = chunk.kind == "text" or document.path.startswith("glossary/")
        if not loose or chunk.kind == "term":
            RESOLVERS[chunk.kind](document, chunk)
        kinds[chunk.kind] += 1
    return kinds


async def test_the_samples(tokens: CheckpointTokens, tmp_path: Path) -> None:
    kinds = resolved(await cut(Source("samples", "markdown", str(SAMPLES)), tmp_path, tokens))
    assert {"section", "table", "function", "method", "record", "operation", "schema", "term", "manifest"} <= set(kinds)
    assert kinds["record"] > 50
