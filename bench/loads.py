"""What dense vectors are measured on: made-up chunks, or documents that the bundled model embeds in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.progress import track

from bench.indexing import read_corpus
from bench.synthetic import Asked, Chunks
from evaluation.judged import load_judged
from ingest.chunkers import StructureChunker
from ray_app.checkpoint import read_checkpoint
from ray_app.encoder import M3Encoder
from shirabe.cli.models_process import ensure_checkpoint
from shirabe.settings import Settings
from shirabe.tokens import CheckpointTokens
from shirabe.types import Embedding, Floats, Output, Query, Record

_QUESTIONS: Final = 200
_BATCH: Final = 32
_ONLY: Final[tuple[Output, ...]] = ("dense",)


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """What is written, with its ids and vectors, float32 (chunks, dim), and what is asked of it."""

    records: Callable[[], Iterator[Record]]
    ids: Sequence[str]
    vectors: Floats
    questions: Sequence[Asked]


def made_up(dim: int, count: int) -> Load:
    """Return made-up chunks, and questions near them."""
    chunks = Chunks(dim, count)

    def records() -> Iterator[Record]:
        for record in chunks.records(0, count):
            yield replace(record, embedding=Embedding(dense=record.embedding.dense))

    ids = [chunks.chunk_id(number) for number in range(count)]
    vectors = np.stack([chunks.vector(number) for number in range(count)])
    return Load(records, ids, vectors, chunks.questions(_QUESTIONS, count))


async def embedded(settings: Settings, places: Sequence[Path], queries: Path) -> Load:
    """Return the chunks of folders, files and bundles, and judged questions. Raises: ShirabeError."""
    checkpoint = await ensure_checkpoint(settings)
    chunker = StructureChunker(CheckpointTokens(checkpoint), settings.ingest.chunk_tokens)
    bare: list[Record] = []
    for place in places:
        corpus = await read_corpus(place, chunker, settings, 1_000_000)
        for document, chunks in zip(corpus.documents, await chunker.chunk(corpus.documents), strict=True):
            bare += [Record(document, chunk, Embedding()) for chunk in chunks]
    bare.sort(key=lambda record: len(record.chunk.embedded_text))
    texts = [record.chunk.embedded_text for record in bare]
    encoder = M3Encoder(read_checkpoint(checkpoint), torch.device("cpu"), "fp32")
    vectors: list[Floats] = []
    for start in track(range(0, len(texts), _BATCH), description="embedding"):
        vectors += [_dense(row.dense) for row in encoder.encode(texts[start : start + _BATCH], "passage", _ONLY)]
    questions = []
    for one in load_judged(queries):
        [row] = encoder.encode([one.query], "query", _ONLY)
        questions.append(Asked(Query(one.query), Embedding(dense=_dense(row.dense))))

    def records() -> Iterator[Record]:
        for record, vector in zip(bare, vectors, strict=True):
            yield replace(record, embedding=Embedding(dense=vector))

    return Load(records, [record.chunk.chunk_id for record in bare], np.stack(vectors), questions)


def _dense(values: object) -> Floats:
    return np.asarray(values, np.float32)
