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
_LONGEST_WAIT_S = 30.0
_SYNC, _MOMENT, _READING, _GENERATIONS = "lock", "moment", "reading ", "generations"


class AlreadySyncing(Overloaded):
    """Another sync of the source runs: what is asked for is being done."""


class SourceLocks:
    """The locks under `state_dir/locks`."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "locks"

    @contextlib.asynccontextmanager
    async def hold(self, source_id: str, wait_s: float = WAIT_S) -> AsyncIterator[None]:
        """Hold a source's lock, waiting at most `wait_s` for it (the default outlasts a look by `held`).

        Who holds it briefly is waited out.

        Raises: AlreadySyncing when another sync holds it.
        """
        async with self._held(_SYNC, source_id, wait_s):
            yield

    @contextlib.asynccontextmanager
    async def hold_briefly(self, source_id: str, wait_s: float) -> AsyncIterator[None]:
        """Hold a source's lock for a moment, in which nobody who wants to sync it is told that it is syncing.

        Raises: AlreadySyncing when a sync holds it for longer than `wait_s`.
        """
        async with self._held(_SYNC, source_id, wait_s), self._held(_MOMENT, source_id, wait_s):
            yield

    @contextlib.asynccontextmanager
    async def hold_reading(self, source_id: str, index_id: str) -> AsyncIterator[None]:
        """Hold the lock of a source in one index while it is read into it, with the source's own lock free.

        Raises: AlreadySyncing when somebody else does.
        """
        async with self._held(_READING + index_id, source_id, WAIT_S):
            yield

    @contextlib.asynccontextmanager
    async def hold_generations(self) -> AsyncIterator[None]:
        """Hold the lock of whoever builds, switches or collects whole generations.

        Raises: Overloaded when somebody else does.
        """
        if self._is_held(_GENERATIONS, ""):
            raise Overloaded("another `shirabe index` command is at work", RETRY_AFTER_S)
        async with self._held(_GENERATIONS, "", WAIT_S):
            yield

    def held(self, source_id: str) -> bool:
        """Tell whether a sync of the source runs now, in any process."""
        return self._is_held(_SYNC, source_id)

    def reading(self, source_id: str, index_id: str) -> bool:
        """Tell whether the source is being read into an index now."""
        return self._is_held(_READING + index_id, source_id)

    @contextlib.asynccontextmanager
    async def _held(self, kind: str, source_id: str, wait_s: float) -> AsyncIterator[None]:
        handle = self._open(kind, source_id)
        try:
            now = time.monotonic()
            deadline, last = now + wait_s, now + max(wait_s, _LONGEST_WAIT_S)
            while not _try_lock(handle, fcntl.LOCK_EX):
                now = time.monotonic()
                if kind == _SYNC and self._is_held(_MOMENT, source_id):
                    deadline = min(last, max(deadline, now + wait_s))
                if now >= deadline:
                    raise AlreadySyncing(f"{source_id} is already syncing", RETRY_AFTER_S)
                await asyncio.sleep(_PAUSE_S)
            yield
        finally:
            os.close(handle)

    def _is_held(self, kind: str, source_id: str) -> bool:
        handle = self._open(kind, source_id)
        try:
            return not _try_lock(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)

    def _open(self, kind: str, source_id: str) -> int:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{digest(kind, source_id)}.lock"
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
