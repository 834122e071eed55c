"""Where Ray keeps its sockets: nobody else may reach them, and every start finds them usable."""

from pathlib import Path

import pytest

from ray_app import ray_node
from shirabe.errors import Unavailable

LONG = "a-state-directory-whose-name-is-too-long-for-a-socket"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep temporary folders and the environment to the test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr("os.environ", {})


def as_ray_does(folder: Path) -> None:
    (folder / "session_2026-01-01_00-00-00_1_1").mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)


@pytest.mark.usefixtures("temporary")
@pytest.mark.parametrize("limit", [10_000, 0], ids=["in the state directory", "in a short one"])
def test_what_ray_opens_to_everybody_nobody_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(ray_node, "_LONGEST_FOLDER", limit)
    first, token = ray_node.prepare(tmp_path / LONG)
    as_ray_does(first)
    again, token_again = ray_node.prepare(tmp_path / LONG)
    assert (again, token_again) == (first, token)
    for folder in (first.parent, token.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert token.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("temporary")
def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray").chmod(0o777)
    _, token = ray_node.prepare(tmp_path)
    assert token.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("temporary")
def test_a_short_folder_that_others_can_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_node, "_LONGEST_FOLDER", 0)
    folder, _ = ray_node.prepare(tmp_path / LONG)
    folder.parent.chmod(0o755)
    with pytest.raises(Unavailable, match="not ours alone"):
        ray_node.prepare(tmp_path / LONG)


@pytest.mark.usefixtures("temporary")
def test_only_the_latest_sessions_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_node, "_LONGEST_FOLDER", 10_000)
    folder, _ = ray_node.prepare(tmp_path)
    for day in (1, 2, 3, 4):
        (folder / f"session_2026-01-0{day}_00-00-00_1_1").mkdir(parents=True)
    ray_node.prepare(tmp_path)
    assert sorted(path.name[16:18] for path in folder.iterdir()) == ["03", "04"]
