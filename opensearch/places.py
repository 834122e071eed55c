"""Folders of the embedded node: made with open modes, locked, and checked for room."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from shirabe.errors import Unavailable

READABLE = 0o755


def make_folder(path: Path, mode: int = READABLE) -> None:
    """Make a folder and its missing ancestors with exactly `mode`, whatever the umask; existing ones are left alone.

    Raises: Unavailable if it cannot be made.
    """
    try:
        missing = [p for p in (path, *path.parents) if not p.exists()]
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
    except OSError as error:
        raise Unavailable(f"the folder {path} cannot be made: {error.strerror}") from error


def free_bytes_of(folder: Path) -> int:
    """Return the bytes an unprivileged user may still write on the disk of `folder`."""
    return shutil.disk_usage(folder).free


def check_room(folder: Path, needed: int, free_bytes: Callable[[Path], int] = free_bytes_of) -> None:
    """Check that `needed` bytes fit on the disk of `folder`.

    Raises: Unavailable saying how much is needed, how much is free, and where.
    """
    free = free_bytes(folder)
    if free < needed:
        raise Unavailable(
            f"the disk of {folder} has {free / 1e6:.0f} MB free and {needed / 1e6:.0f} MB are needed; "
            "free some, or set SHIRABE_CACHE_DIR to a folder on another disk"
        )


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, waiting for another process that holds it; the kernel frees it if we die."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_new(path: Path, text: str, mode: int) -> None:
    """Write a file anew without following a link: the folder may be the engine user's, and the writer root."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, mode)
        file.write(text)
    os.replace(draft, path)


def read_end(path: Path, limit: int) -> str:
    """Return the last `limit` bytes of a file as text, without following a link; empty if it cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as file:
        file.seek(max(0, os.fstat(handle).st_size - limit))
        return file.read(limit).decode("utf-8", errors="replace")


def open_new(path: Path, mode: int) -> int:
    """Return a descriptor of an empty new file in place of what was there, without following a link."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND, mode)


def size_of(path: Path) -> int:
    """Return the size of a file in bytes, 0 if there is none."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0
