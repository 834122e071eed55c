"""What tests of ingest need around it: a store that can fail, an embedder that counts, a repository to write in."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from fake_store import InMemoryStore
from fake_tokens import FakeTokens

from ingest.chunkers import StructureChunker
from ingest.collectors import open_collector
from ingest.job import SyncJob
from shirabe.errors import PartialWrite, Unavailable
from shirabe.protocols import ActivityLog, Collector
from shirabe.settings import Settings, load_settings
from shirabe.types import Embedding, ModelInfo, Output, Record, Source, TextKind

CHUNK_TOKENS = 60


class Killed(BaseException):
    """The process dies here, as far as the code under test can tell."""


class FailingStore(InMemoryStore):
    """A store that dies half-way through bulk `dies_at` or when all is written, refuses some chunks, or is `down`."""

    def __init__(self) -> None:
        super().__init__()
        self.bulks = 0
        self.versions: list[int] = []
        self.dies_at = 0
        self.dies_at_end = False
        self.refused: set[str] = set()
        self.down = False

    async def write(self, records: Sequence[Record], deletes: Sequence[str], version: int) -> None:
        self.bulks += 1
        self.versions.append(version)
        if self.down:
            raise Unavailable("the store is down")
        if self.bulks == self.dies_at:
            await super().write(records[: len(records) // 2 + 1], deletes[: len(deletes) // 2], version)
            raise Killed
        taken = [record for record in records if record.chunk.chunk_id not in self.refused]
        await super().write(taken, [name for name in deletes if name not in self.refused], version)
        failed = {record.chunk.chunk_id for record in records} | set(deletes)
        if failed & self.refused:
            raise PartialWrite(dict.fromkeys(sorted(failed & self.refused), "no"))

    async def refresh(self) -> None:
        if self.dies_at_end:
            raise Killed
        await super().refresh()

    @property
    def visible(self) -> Mapping[str, Record]:
        return self._visible

    async def held(self, source_id: str) -> dict[str, str]:
        await self.refresh()
        return await self.chunk_hashes(source_id)


class CountingEmbedder:
    """Vectors out of the text's checksum; `texts` is everything it was asked."""

    def __init__(self, revision: str = "1") -> None:
        self.model = ModelInfo("counting", revision, 8, 512)
        self.texts: list[str] = []

    async def info(self) -> ModelInfo:
        return self.model

    async def embed(self, texts: Sequence[str], kind: TextKind, outputs: Collection[Output]) -> list[Embedding]:
        assert all(text.strip() for text in texts), "no embedder takes an empty text"
        self.texts += texts
        return [_embedding(text, outputs) for text in texts]


def _embedding(text: str, outputs: Collection[Output]) -> Embedding:
    drawn = np.random.default_rng(zlib.crc32(text.encode())).standard_normal((3, 8)).astype(np.float32)
    dense = drawn[0] / np.linalg.norm(drawn[0])
    return Embedding(
        dense=dense if "dense" in outputs else None,
        sparse={5: 0.1, 7: 0.7} if "sparse" in outputs else None,
        tokens=drawn.astype(np.float16) if "tokens" in outputs else None,
        bits=np.packbits(drawn > 0, axis=1) if "bits" in outputs else None,
    )


def settings_in(folder: Path, **ingest: object) -> Settings:
    return load_settings(
        state_dir=folder / "state",
        cache_dir=folder / "cache",
        ingest={"batch_chunks": 4, "bulk_chunks": 1, "chunk_tokens": CHUNK_TOKENS, **ingest},
    )


def job_in(
    folder: Path,
    store: InMemoryStore,
    embedder: CountingEmbedder,
    open_source: Callable[[Source, Settings], Collector] = open_collector,
    activity: ActivityLog | None = None,
    **ingest: object,
) -> SyncJob:
    settings = settings_in(folder, **ingest)
    chunker = StructureChunker(FakeTokens(), settings.ingest.chunk_tokens)
    return SyncJob(store, embedder, chunker, settings, open_source=open_source, activity=activity)


class Repository:
    """A git repository with a fixed author and clock."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", f"--initial-branch={branch}")

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        names = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _IDENTITY.items()}
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            **names,
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env=environment,
            check=True,
            capture_output=True,
            input=stdin,
            text=True,
        )
        return done.stdout.strip()

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes] | None = None, *, amend: bool = False) -> str:
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change", *(("--amend",) if amend else ()))
        return self.git("rev-parse", "HEAD")


_IDENTITY = {"NAME": "Test", "EMAIL": "test@example.org", "DATE": "2026-01-02T03:04:05+00:00"}
