"""One owner of a state directory; a node that outlived its owner is ended, nothing else is."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from opensearch.node_config import MAIN_CLASS
from opensearch.ownership import NodeRecord, Ownership
from shirabe.errors import InvalidInput

Start = Callable[..., subprocess.Popen[bytes]]

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that waits, with the given words on its command line."""
    begun: list[subprocess.Popen[bytes]] = []

    def start_one(*words: str, first: str = "") -> subprocess.Popen[bytes]:
        code = first + "print(flush=True); import sys; sys.stdin.read()"
        process = subprocess.Popen([sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        begun.append(process)
        return process

    yield start_one
    for process in begun:
        process.kill()
        process.communicate()


def node_words(folder: Path) -> tuple[str, str]:
    return f"-Dopensearch.path.conf={folder / 'config'}", MAIN_CLASS


def test_a_second_owner_is_refused_with_the_pids(tmp_path: Path, start: Start) -> None:
    node = start(*node_words(tmp_path))
    owner, other = Ownership(tmp_path, tmp_path / "config"), Ownership(tmp_path, tmp_path / "config")
    owner.take()
    owner.record(node.pid)
    with pytest.raises(InvalidInput, match=rf"process {node.pid}, started by process {psutil.Process().pid}"):
        other.take()
    assert node.poll() is None
    owner.release()
    other.take()
    other.release()


@pytest.mark.parametrize("first", ["", STUBBORN])
def test_a_node_left_by_a_dead_owner_is_ended(
    tmp_path: Path, start: Start, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensearch.ownership._END_DEADLINE_S", 0.5)
    node = start(*node_words(tmp_path), first=first)
    dead = Ownership(tmp_path, tmp_path / "config")
    dead.record(node.pid)  # and never held the lock: as after a kill -9
    owner = Ownership(tmp_path, tmp_path / "config")
    owner.take()
    assert not psutil.pid_exists(node.pid)
    assert not (tmp_path / "node.json").exists()
    owner.release()


def test_a_process_that_only_got_the_same_id_is_left_alone(tmp_path: Path, start: Start) -> None:
    stranger = start("something", "else")
    owner = Ownership(tmp_path, tmp_path / "config")
    owner.record(stranger.pid)
    owner.take()
    assert stranger.poll() is None
    owner.release()


def test_a_node_started_at_another_time_is_left_alone(tmp_path: Path, start: Start) -> None:
    node = start(*node_words(tmp_path))
    record = NodeRecord(pid=node.pid, started=psutil.Process(node.pid).create_time() - 60, owner_pid=1)
    (tmp_path / "node.json").write_text(record.model_dump_json())
    owner = Ownership(tmp_path, tmp_path / "config")
    owner.take()
    assert node.poll() is None
    owner.release()


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"pid": "x"}'])
def test_a_broken_record_is_no_obstacle(tmp_path: Path, content: str) -> None:
    (tmp_path / "node.json").write_text(content)
    owner = Ownership(tmp_path, tmp_path / "config")
    owner.take()
    owner.take()
    owner.release()
