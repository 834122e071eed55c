"""Assembling a home: whole or not at all, safe against hostile archives, checked for room."""

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensearch.artifacts import Artifact, Lock
from opensearch.assemble import assemble, extract, is_whole
from opensearch.layout import VERSION
from shirabe.errors import Unavailable


def locked(cache: Path, name: str, file: Path, folders: tuple[str, ...]) -> Artifact:
    """Put a file into the cache's Maven repository and return its lock entry."""
    body = file.read_bytes()
    artifact = Artifact(
        group="org.example",
        artifact=name,
        version="1.0",
        packaging="zip" if file.suffix == ".zip" else "jar",
        part="core",
        folders=folders,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    place = cache / "opensearch" / "m2" / "org" / "example" / name / "1.0" / artifact.filename
    place.parent.mkdir(parents=True)
    place.write_bytes(body)
    return artifact


def zipped(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    jar = tmp_path / "core.jar"
    jar.write_bytes(b"jar of the core")
    plugin = zipped(tmp_path / "plugin.zip", {"plugin-descriptor.properties": "name=p", "sub/a.jar": "a"})
    cache = tmp_path / "cache"
    return Lock(
        opensearch=VERSION,
        artifacts=(
            locked(cache, "core", jar, ("lib", "modules/reindex")),
            locked(cache, "plugin", plugin, ("plugins/example",)),
        ),
    )


@pytest.fixture
def tight_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_home_has_jars_plugins_and_descriptors(tmp_path: Path, lock: Lock) -> None:
    home = assemble(tmp_path / "cache", lock=lock)
    assert (home / "lib" / "core-1.0.jar").read_bytes() == b"jar of the core"
    assert (home / "modules" / "reindex" / "core-1.0.jar").is_file()
    assert (home / "plugins" / "example" / "sub" / "a.jar").read_text() == "a"
    assert f"opensearch.version={VERSION}" in (home / "modules" / "reindex" / "plugin-descriptor.properties").read_text(
        encoding="utf-8"
    )
    before = home.stat().st_mtime_ns
    assert assemble(tmp_path / "cache", lock=lock) == home
    assert home.stat().st_mtime_ns == before, "a whole home is not touched"


def test_another_lock_gives_another_home_beside_the_first(tmp_path: Path, lock: Lock) -> None:
    first = assemble(tmp_path / "cache", lock=lock)
    second = assemble(tmp_path / "cache", lock=lock.model_copy(update={"artifacts": lock.artifacts[:1]}))
    assert first != second and first.is_dir() and second.is_dir()
    assert not (second / "plugins" / "example").exists()


def test_a_damaged_home_is_built_again(tmp_path: Path, lock: Lock) -> None:
    home = assemble(tmp_path / "cache", lock=lock)
    (home / "lib" / "core-1.0.jar").unlink()
    assert not is_whole(home, lock.artifacts)
    assert assemble(tmp_path / "cache", lock=lock) == home
    assert is_whole(home, lock.artifacts)


def test_leftovers_of_a_run_that_died_are_removed(tmp_path: Path, lock: Lock) -> None:
    leftover = tmp_path / "cache" / "opensearch" / "home-000000000000.partial"
    (leftover / "lib").mkdir(parents=True)
    assemble(tmp_path / "cache", lock=lock)
    assert not leftover.exists()


@pytest.mark.usefixtures("tight_umask")
def test_a_home_is_readable_by_the_engines_user_whatever_the_umask(tmp_path: Path, lock: Lock) -> None:
    home = assemble(tmp_path / "cache", lock=lock)
    for path in (home, *home.rglob("*")):
        wanted = 0o755 if path.is_dir() else 0o644
        assert path.stat().st_mode & 0o777 == wanted, path


@pytest.mark.parametrize("name", ["../escaped.txt", "a/../../escaped.txt", "/escaped.txt", "..\\escaped.txt", "C:/x"])
def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "evil.zip", {"good.txt": "g", name: "bad"})
    folder = tmp_path / "in" / "folder"
    folder.mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"evil\.zip has an entry that leaves its folder"):
        extract(archive, folder)
    assert not list(tmp_path.rglob("*.txt")), "refused before anything is written"


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(Unavailable, match="is a link"):
        extract(tmp_path / "evil.zip", tmp_path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "evil.zip").write_bytes(b"hello")
    with pytest.raises(Unavailable, match="not a zip"):
        extract(tmp_path / "evil.zip", tmp_path)


def test_a_refused_archive_leaves_no_home(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    evil = zipped(tmp_path / "plugin.zip", {"../escaped.txt": "bad"})
    bad = Lock(opensearch=VERSION, artifacts=(locked(cache, "plugin", evil, ("plugins/example",)),))
    with pytest.raises(Unavailable, match="leaves its folder"):
        assemble(cache, lock=bad)
    assert not list((cache / "opensearch").glob("home-*"))


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path: Path, lock: Lock) -> None:
    with pytest.raises(Unavailable, match=r"1 MB free and 50 MB are needed") as caught:
        assemble(tmp_path / "cache", lock=lock, free_bytes=lambda _: 1_000_000)
    assert str(tmp_path / "cache") in caught.value.message
    assert not list((tmp_path / "cache" / "opensearch").glob("home-*"))
    assert assemble(tmp_path / "cache", lock=lock, free_bytes=lambda _: 60_000_000).is_dir()
