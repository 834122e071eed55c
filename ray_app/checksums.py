"""Checksums of a checkpoint's files: computed on first use, kept, and computed anew when a file's size or time changes.

They prove that a file is the one it is meant to be, and identify weights that no hub revision identifies.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from shirabe.errors import InvalidInput, NotFound
from shirabe.types import digest

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was when its checksum was computed."""

    bytes: int
    mtime_ns: int
    sha256: str


def checksums(
    folder: Path, names: Sequence[str], expected: Mapping[str, str], cache_dir: Path, *, fixed: bool
) -> dict[str, str]:
    """Return the SHA-256 of each named file of a folder.

    expected: what the checksum must be, by file name. fixed: the folder stands for one revision, so that a file that
    differs from what it was at first use is an error; otherwise it is simply another model.

    Raises: NotFound for a missing file, InvalidInput naming one that is not what it must be.
    """
    path = cache_dir / "checksums" / f"{digest(str(folder.resolve()))}.json"
    before = _read(path)
    seen = {name: _look(folder / name, before.get(name)) for name in names}
    for name, now in seen.items():
        wanted = expected.get(name) or _name_of_blob(folder / name)
        if wanted is None and fixed and name in before:
            wanted = before[name].sha256
        if wanted is not None and now.sha256 != wanted:
            raise InvalidInput(
                f"damaged or replaced: its SHA-256 is {now.sha256[:12]}…, expected {wanted[:12]}…", str(folder / name)
            )
    if seen != before:
        _write(path, folder, seen)
    return {name: now.sha256 for name, now in seen.items()}


def _look(path: Path, before: _Seen | None) -> _Seen:
    if not path.is_file():
        raise NotFound(f"no {path.name} in {path.parent}")
    status = path.stat()
    if before is not None and (before.bytes, before.mtime_ns) == (status.st_size, status.st_mtime_ns):
        return before
    with path.open("rb") as file:
        return _Seen(status.st_size, status.st_mtime_ns, hashlib.file_digest(file, "sha256").hexdigest())


def _name_of_blob(path: Path) -> str | None:
    """Return the checksum that the hub's cache keeps a large file under; a snapshot only links to it."""
    blob = path.resolve()
    return blob.name if blob.parent.name == "blobs" and _SHA256.fullmatch(blob.name) else None


def _read(path: Path) -> dict[str, _Seen]:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: _Seen(**seen) for name, seen in files.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"not a record of checksums ({error}); delete it", str(path)) from error


def _write(path: Path, folder: Path, seen: Mapping[str, _Seen]) -> None:
    value = {"folder": str(folder.resolve()), "files": {name: asdict(one) for name, one in seen.items()}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            json.dump(value, file, indent=2)
        os.replace(file.name, path)
    except OSError as error:
        raise InvalidInput(f"the cache is not writable: {error.strerror}", str(path.parent)) from error
