"""How much memory a process has held."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> float:
    """Return this process's peak resident memory, MiB, since its program began (Linux).

    Not `ru_maxrss`: that counts what the parent held when it forked, whatever program runs since.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise RuntimeError("this system does not tell a process's peak memory")
    return int(found[1]) / 1024
