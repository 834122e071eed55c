"""The files under one folder, read as if every name in it were hostile: links never followed, sizes bounded."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.collectors.selection import Selection, Sorted, sort_content
from shirabe.errors import InvalidInput, NotFound
from shirabe.types import Delete, Failure, Skip, digest

MAX_FILES = 1_000_000


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file as read: its bytes, when it was written (UTC), and what it is."""

    content: bytes
    written: datetime
    sort: Sorted


class FolderTree:
    """A folder, or one file of it when the location is a file. Methods block; call them from a thread."""

    def __init__(self, location: str, selection: Selection) -> None:
        path = local_path(location)
        self.only = path.name if path.is_file() else ""
        self.root = path.parent if self.only else path
        self._selection = selection

    def listing(self, *, whole: bool = False) -> list[str]:
        """Return the covered files' paths relative to the root, sorted; `whole`: of the folder around a single file.

        Raises: NotFound, InvalidInput when there are too many.
        """
        if self.only and not whole:
            return [self.only]
        if not self.root.is_dir():
            raise NotFound(f"no folder or file at {self.root}")
        found: list[str] = []
        for folder, names, files in os.walk(self.root, followlinks=False):
            base = Path(folder).relative_to(self.root)
            inside = sorted(names)
            names[:] = [name for name in inside if self._selection.enters(_posix(base / name))]
            links = (name for name in inside if (Path(folder) / name).is_symlink())
            found += [path for name in (*files, *links) if self._selection.covers(path := _posix(base / name))]
            if len(found) > MAX_FILES:
                raise InvalidInput(f"more than {MAX_FILES} files", "location")
        return sorted(found)

    def manifest(self, paths: Sequence[str]) -> str:
        """Return a digest of the names, sizes and times of files; equal means that nothing was written."""
        parts = [str(self.root)]
        for path in paths:
            try:
                facts = os.lstat(self.root / path)
            except FileNotFoundError:
                continue
            parts.append(f"{path}\0{facts.st_mode}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}")
        return digest(*parts)

    def read(self, path: str) -> FileRead | Skip | Failure | Delete:
        """Read one file without following links, whatever stands at the path by now."""
        if refusal := self._selection.refusal(path, 0):
            return Skip(path, refusal)
        full = self.root / path
        try:
            if stat.S_ISLNK(os.lstat(full).st_mode):
                return Skip(path, "a symbolic link")
            if not full.resolve().is_relative_to(self.root):
                return Skip(path, "it lies outside the folder")
            # Opening a pipe would wait for a writer.
            handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return Delete(path)
        except OSError as error:
            return Failure(path, error.strerror or "cannot be opened")
        with open(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return Skip(path, "not a regular file")
            if refusal := self._selection.refusal(path, facts.st_size):
                return Skip(path, refusal)
            try:
                content = file.read(self._selection.max_file_bytes + 1)
            except OSError as error:
                return Failure(path, error.strerror or "cannot be read")
        if refusal := self._selection.refusal(path, len(content)):
            return Skip(path, refusal)
        sort = sort_content(path, content)
        if sort.refusal:
            return Skip(path, sort.refusal)
        return FileRead(content, datetime.fromtimestamp(facts.st_mtime, UTC), sort)


def local_path(location: str) -> Path:
    """Return a location on this machine as a resolved path.

    Raises: InvalidInput for an address, NotFound.
    """
    if "://" in location:
        raise InvalidInput("only folders and files of this machine are read for this kind of source", "location")
    path = Path(location).expanduser().resolve()
    if not path.exists():
        raise NotFound(f"no folder or file at {location}")
    return path


def _posix(path: Path) -> str:
    """Return a relative path as text; bytes that are not UTF-8 become U+FFFD, which is refused by name later."""
    return os.fsencode(path.as_posix()).decode("utf-8", "replace")
