"""Become the engine's Java process: drop root, tie our life to the parent's, then exec. A script, never imported.

A step between fork and exec in the parent (`preexec_fn`) is unsafe in a process with threads; this is a process with
one. It takes no other module of ours, and starts as root because the Python it runs on may lie where the unprivileged
user cannot read. The process id stays the same through exec.

    python -I -S launch.py PARENT_PID UID GID JAVA ARGUMENT...        (UID -1: keep ours)
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_OPEN_FILES = 65_535


def _main() -> None:
    parent, uid, gid = (int(value) for value in sys.argv[1:4])
    command = sys.argv[4:]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the documents
    os.umask(0o077)
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if prctl is not None:  # Linux; elsewhere the next start ends a node that outlived its parent
        # After the change of user, which clears it. The kernel sends it when the parent's thread that started us ends.
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0 or prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
        if os.getppid() != parent:
            sys.exit("the parent ended before the engine was started")
    os.execv(command[0], command)  # noqa: S606 - a fixed argument vector, no shell


if __name__ == "__main__":
    _main()
