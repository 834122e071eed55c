"""Checksums: kept, renewed when a file changes, and compared with what they must be."""

import hashlib
import os
from pathlib import Path

import pytest

from ray_app.checksums import checksums
from shirabe.errors import InvalidInput, NotFound

GOOD = hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "w").write_bytes(b"weights")
    return folder


def _sums(folder: Path, expected: dict[str, str] | None = None, *, fixed: bool = False) -> dict[str, str]:
    return checksums(folder, ["w"], expected or {}, folder.parent / "cache", fixed=fixed)


def test_a_file_is_read_again_only_when_its_size_or_time_changes(folder: Path) -> None:
    assert _sums(folder) == {"w": GOOD}
    status = (folder / "w").stat()
    (folder / "w").write_bytes(b"WEIGHTS")
    os.utime(folder / "w", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _sums(folder) == {"w": GOOD}
    os.utime(folder / "w", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert _sums(folder) == {"w": hashlib.sha256(b"WEIGHTS").hexdigest()}


def test_a_file_that_must_be_another_is_refused(folder: Path) -> None:
    assert _sums(folder, {"w": GOOD}) == {"w": GOOD}
    with pytest.raises(InvalidInput, match="expected 000000000000"):
        _sums(folder, {"w": "0" * 64})


def test_only_a_fixed_folder_must_stay_as_it_was(folder: Path) -> None:
    _sums(folder)
    (folder / "w").write_bytes(b"tuned further")
    assert _sums(folder) != {"w": GOOD}
    (folder / "w").write_bytes(b"cut")
    with pytest.raises(InvalidInput, match="damaged or replaced") as caught:
        _sums(folder, fixed=True)
    assert caught.value.place.endswith("w")


def test_a_touched_but_equal_file_is_fine(folder: Path) -> None:
    _sums(folder, fixed=True)
    os.utime(folder / "w", ns=(0, 0))
    assert _sums(folder, fixed=True) == {"w": GOOD}


def test_a_blob_of_the_hub_s_cache_is_named_after_its_checksum(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / "a"
    blobs = tmp_path / "blobs"
    for one in (snapshot, blobs):
        one.mkdir(parents=True)
    (blobs / GOOD).write_bytes(b"weights")
    (snapshot / "w").symlink_to(blobs / GOOD)
    assert checksums(snapshot, ["w"], {}, tmp_path / "cache", fixed=True) == {"w": GOOD}
    (blobs / GOOD).write_bytes(b"weigh")
    with pytest.raises(InvalidInput, match="damaged"):
        checksums(snapshot, ["w"], {}, tmp_path / "other cache", fixed=True)


def test_a_missing_file_and_a_broken_record_are_named(folder: Path) -> None:
    with pytest.raises(NotFound, match="no x in"):
        checksums(folder, ["x"], {}, folder.parent / "cache", fixed=False)
    _sums(folder)
    (record,) = (folder.parent / "cache" / "checksums").iterdir()
    record.write_text("[]")
    with pytest.raises(InvalidInput, match="delete it") as caught:
        _sums(folder)
    assert caught.value.place == str(record)


def test_a_cache_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder.parent / "cache").write_text("a file, not a folder")
    with pytest.raises(InvalidInput, match="not writable"):
        _sums(folder)
