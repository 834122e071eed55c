"""The files in which a collector keeps what a service held at one moment, and what it was told to look at again.

The cursor of such a source is the digest of what was held. The last few are kept, because a difference is asked for
from wherever the last run ended.
"""

from __future__ import annotations

import contextlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from shirabe.types import digest

S = TypeVar("S")

_KEPT: Final = 8
_LATEST: Final = "latest"
_TOLD: Final = "told-"
_TAKEN: Final = "taken-"


class SnapshotFiles(ABC, Generic[S]):
    """Snapshots by their cursors, as JSON documents in one folder. Methods block for a file's time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, cursor: str) -> bool:
        """Tell whether what a cursor names is kept."""
        return cursor.isalnum() and self._path(cursor).is_file()

    def load(self, cursor: str) -> S | None:
        """Return a snapshot, None when it is not kept or of another version."""
        if not cursor.isalnum():
            return None
        try:
            return self._decoded(json.loads(self._path(cursor).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def latest(self) -> S | None:
        """Return the snapshot that was kept last."""
        return self.load(self.latest_cursor())

    def latest_cursor(self) -> str:
        """Return the cursor that was written last, the empty string when there is none."""
        try:
            return (self._folder / _LATEST).read_text("ascii").strip()
        except (OSError, ValueError):
            return ""

    def write(self, cursor: str, value: Mapping[str, Any]) -> None:
        """Keep what a cursor names; the oldest go."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(self._path(cursor), json.dumps(dict(value), ensure_ascii=False))
        write_whole(self._folder / _LATEST, cursor)
        for old in sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)[:-_KEPT]:
            old.unlink(missing_ok=True)

    @contextlib.contextmanager
    def told(self) -> Iterator[list[dict[str, Any]]]:
        """Yield what the source was told of since the last time; it is forgotten when the block ends well."""
        for file in self._folder.glob(f"{_TOLD}*"):
            # Under another name: what is told while this is looked at is looked at the next time.
            file.replace(file.with_name(file.name.replace(_TOLD, _TAKEN, 1)))
        files = sorted(self._folder.glob(f"{_TAKEN}*"))
        notes: list[dict[str, Any]] = []
        for file in files:
            with contextlib.suppress(OSError, ValueError):
                notes.append(json.loads(file.read_bytes()))
        yield notes
        for file in files:
            file.unlink(missing_ok=True)

    def tell(self, note: Mapping[str, Any]) -> None:
        """Leave a note for the next look."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(dict(note))
        # Told twice is told once.
        write_whole(self._folder / f"{_TOLD}{digest('note', text)}", text)

    @abstractmethod
    def _decoded(self, value: Any) -> S:
        """Return the snapshot that was written. Raises: ValueError, KeyError, TypeError when it is none."""

    def _path(self, cursor: str) -> Path:
        return self._folder / f"{cursor}.json"


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, "utf-8")
    part.replace(path)
