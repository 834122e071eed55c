"""One writer per source on this machine: file locks that the system lets go when their process ends."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from shirabe.errors import Overloaded
from shirabe.types import digest

WAIT_S = 0.1
_PAUSE_S = 0.02
RETRY_AFTER_S = 5.0


class AlreadySyncing(Overloaded):
    """Another sync of the source runs: what is asked for is being done."""


class SourceLocks:
    """The locks under `state_dir/locks`."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "locks"

    @contextlib.asynccontextmanager
    async def hold(self, source_id: str, wait_s: float = WAIT_S) -> AsyncIterator[None]:
        """Hold a source's lock, waiting at most `wait_s` for it (the default outlasts a look by `held`).

        Raises: AlreadySyncing when another sync holds it.
        """
        handle = self._open(source_id)
        try:
            deadline = time.monotonic() + wait_s
            while not _try_lock(handle, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    raise AlreadySyncing(f"{source_id} is already syncing", RETRY_AFTER_S)
                await asyncio.sleep(_PAUSE_S)
            yield
        finally:
            os.close(handle)

    def held(self, source_id: str) -> bool:
        """Tell whether a sync of the source runs now, in any process."""
        handle = self._open(source_id)
        try:
            return not _try_lock(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)

    def _open(self, source_id: str) -> int:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{digest('lock', source_id)}.lock"
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
