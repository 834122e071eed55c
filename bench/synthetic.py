"""Made-up chunks of the true shapes: words and lines of this project's own documents, clustered vectors, Zipf's tokens.

Good for sizes and times. Not for quality: no vector knows what its text says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from shirabe.types import Acl, Document, Embedding, Floats, Query, Record, chunk_id, document_id, make_chunk

TEXT_CHARS: Final = 700
FEATURES: Final = 80
TOKENS: Final = 120
QUERY_FEATURES: Final = 12
QUERY_WORDS: Final = 5
_SOURCE: Final = "bench"
_VOCABULARY: Final = 250_002
_CHUNKS_PER_CLUSTER: Final = 50
_NOISE: Final = 0.8
"""Of a vector, against the centre of its cluster: near neighbours are not all of one cluster."""
_WHEN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LINE: Final = re.compile(r"[^|`#\n]{20,200}")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its text, its embedding."""

    query: Query
    embedding: Embedding


class Chunks:
    """Chunks by number: the same number gives the same chunk, whatever was asked before."""

    def __init__(self, dim: int, count: int, folder: Path = Path()) -> None:
        """Read the lines that texts are made of from the documents under `folder`."""
        paths = [*(folder / "docs").rglob("*.md"), *(folder / "samples").rglob("*.md")]
        self._lines: list[str] = [
            line for path in sorted(paths) for line in _LINE.findall(path.read_text(encoding="utf-8"))
        ]
        self._dim = dim
        drawn = np.random.default_rng(0)
        self._centres = drawn.standard_normal((max(1, count // _CHUNKS_PER_CLUSTER), dim)).astype(np.float32)
        self._ids = drawn.permutation(_VOCABULARY - 5) + 5

    def vector(self, number: int) -> Floats:
        """Return a chunk's dense vector, (dim,), L2 norm 1."""
        drawn = np.random.default_rng((1, number))
        centre = self._centres[drawn.integers(len(self._centres))]
        found = centre + np.float32(_NOISE) * drawn.standard_normal(self._dim).astype(np.float32)
        return np.asarray(found / np.linalg.norm(found), np.float32)

    def chunk_id(self, number: int) -> str:
        """Return a chunk's id."""
        return chunk_id(document_id(_SOURCE, _path(number)), 0)

    def records(self, start: int, end: int) -> Iterator[Record]:
        """Yield chunks, each a document of its own."""
        for number in range(start, end):
            drawn = np.random.default_rng((2, number))
            path = _path(number)
            document = Document(
                document_id(_SOURCE, path), _SOURCE, path, f"https://git.example.org/docs/{path}", self._line(drawn),
                b"", "text/markdown", "0f" * 20, _WHEN, Acl(public=True),
            )  # fmt: skip
            text = ""
            while len(text) < TEXT_CHARS:
                text += self._line(drawn) + "\n"
            chunk = make_chunk(
                document, 0, kind="section", text=text[:TEXT_CHARS], locator=f"{path}#{number}", lang="ja",
                context=document.title, headings=(document.title,), meta={"start_line": 1, "end_line": 20},
            )  # fmt: skip
            bits = drawn.integers(0, 256, (TOKENS, self._dim // 8), dtype=np.uint8)
            yield Record(document, chunk, Embedding(self.vector(number), self._features(drawn, FEATURES), None, bits))

    def questions(self, count: int, chunks: int) -> list[Asked]:
        """Return questions near the chunks with numbers below `chunks`."""
        asked = []
        for number in range(count):
            drawn = np.random.default_rng((3, number))
            near = self.vector(int(drawn.integers(chunks))) + 0.02 * drawn.standard_normal(self._dim)
            words = self._line(drawn).split()[:QUERY_WORDS]
            embedding = Embedding(
                np.asarray(near / np.linalg.norm(near), np.float32), self._features(drawn, QUERY_FEATURES)
            )
            asked.append(Asked(Query(" ".join(words)), embedding))
        return asked

    def _line(self, drawn: np.random.Generator) -> str:
        return self._lines[int(drawn.integers(len(self._lines)))].strip()

    def _features(self, drawn: np.random.Generator, count: int) -> dict[int, float]:
        ranks = np.minimum(drawn.zipf(1.3, 4 * count), len(self._ids)) - 1
        tokens = dict.fromkeys(self._ids[ranks].tolist())
        return dict(zip(list(tokens)[:count], drawn.uniform(0.02, 0.4, count).tolist(), strict=False))


def _path(number: int) -> str:
    return f"docs/{number % 1000:03d}/{number}.md"
