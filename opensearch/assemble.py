"""An OpenSearch home, assembled from the locked artifacts.

A home is read-only for the node and shared by every node of the machine with the same lock. Its name carries a digest
of what goes in, so a new lock gives a new home beside the old one, and a node that runs from the old one is not
disturbed. It is built in a folder beside it and renamed: a home is there whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import structlog

from opensearch.artifacts import Artifact, Lock, fetch_all, missing_bytes, read_lock
from opensearch.layout import DESCRIPTORS, EMPTY_FOLDERS
from opensearch.places import check_room, free_bytes_of, held, make_folder
from shirabe.errors import Unavailable

_MAX_UNPACKED_BYTES = 2_000_000_000
_MAX_ENTRIES = 20_000
_SPARE_BYTES = 50_000_000
_DESCRIPTOR_FILE = "plugin-descriptor.properties"

log = structlog.get_logger(__name__)


def assemble(
    cache_dir: Path,
    *,
    ml_commons: bool = False,
    quiet: bool = True,
    lock: Lock | None = None,
    free_bytes: Callable[[Path], int] = free_bytes_of,
) -> Path:
    """Return the home for the lock, assembling it first if it is absent or damaged. Blocks; needs the network then.

    Processes that assemble at the same time wait for one another. `lock` defaults to the committed one.

    Raises: Unavailable for an artifact that cannot be had or is not what the lock pins, or a disk without room.
    """
    artifacts = (lock or read_lock()).chosen(ml_commons)
    folder = cache_dir / "opensearch"
    home = folder / f"home-{digest(artifacts)}"
    if is_whole(home, artifacts):
        return home
    make_folder(folder)
    repository = folder / "m2"
    with held(folder / "assemble.lock"):
        if is_whole(home, artifacts):
            return home
        for leftover in folder.glob("*.partial"):  # of a run that died: we hold the lock
            shutil.rmtree(leftover)
        unpacked = sum(a.size * len(a.folders) for a in artifacts)
        check_room(folder, missing_bytes(artifacts, repository) + unpacked + _SPARE_BYTES, free_bytes)
        log.info("assembling OpenSearch", home=str(home), artifacts=len(artifacts))
        files = fetch_all(artifacts, repository, quiet)
        draft = home.with_suffix(".partial")
        try:
            _build(draft, files)
            if home.exists():  # damaged
                os.replace(home, home.with_suffix(".damaged.partial"))
            os.replace(draft, home)
        except OSError as error:
            raise Unavailable(f"the engine's home {home} cannot be assembled: {error}") from error
        finally:
            for leftover in folder.glob("*.partial"):
                shutil.rmtree(leftover, ignore_errors=True)
    return home


def digest(artifacts: Sequence[Artifact]) -> str:
    """Return a short digest of everything that decides what a home holds."""
    content = hashlib.sha256()
    for artifact in sorted(artifacts, key=lambda a: a.coordinate):
        content.update(f"{artifact.filename} {artifact.sha256} {' '.join(artifact.folders)}\n".encode())
    for descriptor in DESCRIPTORS:
        content.update(f"{descriptor.folder}\n{descriptor.text}".encode())
    content.update(" ".join(EMPTY_FOLDERS).encode())
    return content.hexdigest()[:12]


def is_whole(home: Path, artifacts: Sequence[Artifact]) -> bool:
    """Tell whether a home has every file; contents were checked when it was assembled."""
    for artifact in artifacts:
        for folder in artifact.folders:
            place = home / folder / (artifact.filename if artifact.packaging == "jar" else _DESCRIPTOR_FILE)
            if not place.is_file() or (artifact.packaging == "jar" and place.stat().st_size != artifact.size):
                return False
    return all((home / d.folder / _DESCRIPTOR_FILE).is_file() for d in DESCRIPTORS)


def extract(archive: Path, folder: Path) -> None:
    """Extract a plugin zip.

    Raises: Unavailable for an entry that would land outside of `folder`, is a link, or makes the whole too large.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            entries = source.infolist()
            if len(entries) > _MAX_ENTRIES or sum(e.file_size for e in entries) > _MAX_UNPACKED_BYTES:
                raise Unavailable(f"{archive.name} is larger than a plugin can be")
            for entry in entries:
                path = PurePosixPath(entry.filename.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
                    raise Unavailable(f"{archive.name} has an entry that leaves its folder: {entry.filename!r}")
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise Unavailable(f"{archive.name} has an entry that is a link: {entry.filename!r}")
            source.extractall(folder)
    except zipfile.BadZipFile as error:
        raise Unavailable(f"{archive.name} is not a zip file") from error


def _build(home: Path, files: Mapping[Artifact, Path]) -> None:
    for artifact, file in files.items():
        for name in artifact.folders:
            folder = home / name
            folder.mkdir(parents=True, exist_ok=True)
            if artifact.packaging == "zip":
                extract(file, folder)
            else:
                _link(file, folder / artifact.filename)
    for descriptor in DESCRIPTORS:
        folder = home / descriptor.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _DESCRIPTOR_FILE).write_text(descriptor.text, encoding="utf-8")
    for name in EMPTY_FOLDERS:
        (home / name).mkdir(exist_ok=True)
    # Readable by the unprivileged user the node runs as, whatever our umask.
    home.chmod(0o755)
    for path in home.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _link(file: Path, place: Path) -> None:
    """Put a file in place without a second copy on the disk where the file system allows."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)
