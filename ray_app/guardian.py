"""A parent for the server that outlives it just long enough to take down what it leaves behind.

Ray's processes notice a killed head after a minute; until then they hold memory and processors. On Linux the server
is a child of a small process that adopts its orphans (`PR_SET_CHILD_SUBREAPER`) and kills them when it is gone. Should
that parent be the one that is killed, the server is told to stop (`PR_SET_PDEATHSIG`). See prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

import psutil

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT)


def run_guarded(main: Callable[[], int]) -> int:
    """Run `main` in a child process, and return its exit status once nothing of it is left; on Linux only, else here.

    A second signal kills the child. One that a signal ended gives 128 and the signal's number.
    """
    if sys.platform != "linux":
        return main()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    parent = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
    child = os.fork()
    if child == 0:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # killed before it could be told
            os._exit(128 + signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
        return main()

    asked = False

    def forward(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL if asked else number)
        asked = True

    for number in _FORWARDED:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FORWARDED)
    # The pipes are the child's: whoever listens at their other ends is to hear when it closes them.
    _let_go_of_pipes()
    _, status = os.waitpid(child, 0)
    _end_orphans()
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _let_go_of_pipes() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    os.close(nothing)


def _end_orphans() -> None:
    """Kill what the child started and left; what they leave comes here in turn."""
    while orphans := psutil.Process().children(recursive=True):
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        psutil.wait_procs(orphans)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
