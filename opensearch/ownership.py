"""Who runs the node of a state directory: one live process of ours at a time, and nothing left of dead ones.

A file lock tells the truth about the owner: the kernel frees it however the owner ends. A record beside it names the
node, so that one that outlived its owner is found and ended before the next starts.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

import psutil
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from opensearch.node_config import MAIN_CLASS
from opensearch.places import write_new
from shirabe.errors import InvalidInput, Unavailable

_END_DEADLINE_S = 20.0

log = structlog.get_logger(__name__)


class NodeRecord(BaseModel):
    """The node process and the process that started it."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    owner_pid: int


class Ownership:
    """The right to run the node whose things lie in `folder`."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._lock_path = folder / "owner.lock"
        self._record_path = folder / "node.json"
        self._mark = f"-Dopensearch.path.conf={config}"
        self._lock: TextIO | None = None

    def take(self) -> None:
        """Become the owner and end a node that a dead owner left; does nothing if we are the owner. Blocks.

        Raises: InvalidInput naming the process that is the owner; Unavailable if a left node cannot be ended.
        """
        if self._lock is None:
            lock = self._lock_path.open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.close()
                raise InvalidInput(self._occupied(), place=str(self._lock_path.parent)) from error
            self._lock = lock
        self._end_left_node()

    def record(self, pid: int) -> None:
        """Write down the node that was started."""
        try:
            started = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:  # ended at once: nothing to find later
            return
        record = NodeRecord(pid=pid, started=started, owner_pid=os.getpid())
        write_new(self._record_path, record.model_dump_json(), 0o644)

    def release(self) -> None:
        """Stop being the owner; the node must have ended."""
        if self._lock is not None:
            self._record_path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _occupied(self) -> str:
        record = self._read()
        if record is None:
            return "another process of Shirabe is starting OpenSearch on this data"
        return (
            f"OpenSearch runs on this data already: process {record.pid}, started by process {record.owner_pid}; "
            "stop that one first (shirabe down), or set SHIRABE_STATE_DIR to another folder"
        )

    def _read(self) -> NodeRecord | None:
        try:
            return NodeRecord.model_validate_json(self._record_path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def _end_left_node(self) -> None:
        record = self._read()
        if record is None:
            return
        process = self._find(record)
        if process is not None:
            log.warning("ending an OpenSearch that outlived its Shirabe", pid=process.pid, owner_pid=record.owner_pid)
            try:
                process.terminate()
                try:
                    process.wait(_END_DEADLINE_S)
                except psutil.TimeoutExpired:
                    process.kill()
                    process.wait(_END_DEADLINE_S)
            except psutil.NoSuchProcess:
                pass
            except psutil.Error as error:
                raise Unavailable(f"process {record.pid}, left by an earlier run, cannot be ended: {error}") from error
        self._record_path.unlink(missing_ok=True)

    def _find(self, record: NodeRecord) -> psutil.Process | None:
        """Return the recorded process if it lives and is the node of this folder: process ids are used again."""
        try:
            process = psutil.Process(record.pid)
            if abs(process.create_time() - record.started) >= 1.0 or process.status() == psutil.STATUS_ZOMBIE:
                return None
            command = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # closed to us: another user's, so not our node
            return None
        return process if self._mark in command and MAIN_CLASS in command else None
