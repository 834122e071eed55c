"""The server's parent: it tells how the server ended, and leaves nothing of it behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

PATIENCE_S = 20.0
# What stands for the server: it starts a process in a session of its own, as Ray does, and waits for its end.
SERVER = """
import signal, subprocess, sys, time
from ray_app.guardian import run_guarded

def main():
    {on_term}
    own = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    print(own.pid, flush=True)
    {then}

sys.exit(run_guarded(main))
"""
WAIT = "time.sleep(1000)"
STOP = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


class Guarded:
    """The guardian, the server it guards, and what that started."""

    def __init__(self, on_term: str = STOP, then: str = WAIT) -> None:
        code = SERVER.format(on_term=on_term, then=then)
        self.guardian = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert self.guardian.stdout is not None
        # One line is all that is said.
        with self.guardian.stdout as said:
            pid = int(said.readline())
        self.started = psutil.Process(pid)
        self.server = psutil.Process(self.guardian.pid).children()[0] if then == WAIT else None

    def assert_gone(self) -> int:
        """Check that nothing is left, and return the exit status."""
        status = self.guardian.wait(PATIENCE_S)
        assert psutil.wait_procs([self.started, *([self.server] if self.server else [])], PATIENCE_S)[1] == []
        return status


@pytest.fixture(autouse=True)
def _only_on_linux() -> Iterator[None]:
    if sys.platform != "linux":
        pytest.skip("orphans are adopted on Linux only")
    yield


def test_its_exit_status_is_the_servers() -> None:
    assert Guarded(then="return 3").assert_gone() == 3


def test_a_killed_server_leaves_nothing() -> None:
    guarded = Guarded()
    assert guarded.server is not None
    guarded.server.kill()
    assert guarded.assert_gone() == 128 + signal.SIGKILL


def test_a_signal_reaches_the_server() -> None:
    guarded = Guarded()
    guarded.guardian.terminate()
    assert guarded.assert_gone() == 7


def test_a_second_signal_kills_a_server_that_does_not_listen() -> None:
    guarded = Guarded(on_term=DEAF)
    guarded.guardian.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        guarded.guardian.wait(0.2)
    guarded.guardian.terminate()
    assert guarded.assert_gone() == 128 + signal.SIGKILL


def test_a_killed_guardian_stops_the_server() -> None:
    guarded = Guarded()
    assert guarded.server is not None
    guarded.guardian.kill()
    assert psutil.wait_procs([guarded.server], PATIENCE_S)[1] == []
    guarded.started.kill()
    guarded.guardian.wait(PATIENCE_S)
