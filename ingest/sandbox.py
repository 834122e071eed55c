"""Reading files from strangers in a process of its own, with limits on memory, time, files and system calls.

    value = sandbox.parse("ingest.parsers.pdf:read_pdf", content, place=document.path, pages=500)

The function is named `module:function`; it takes the content and keyword options, which are plain JSON data, and
returns plain JSON data (tuples arrive as lists, keys are text). What it raises as `InvalidInput` is raised here, its
place appended to `place` (`#page=3` to `guide.pdf`); every other failure of it (an exception, a crash, too much time,
memory or output) becomes an `InvalidInput` with the reason, and the next document is read by a fresh process where the
last one is spoilt.

`parse` blocks and may be called from any thread, one document at a time: chunkers run in threads already; call it with
`asyncio.to_thread` elsewhere. The process starts with the first document, one for each process that reads documents,
Ray's workers included; nothing of it is pickled. It inherits no environment and ends with its parent.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any, Final

import structlog

from ingest.sandbox_worker import ANSWER, REQUEST
from shirabe.errors import InvalidInput, Unavailable

_READ_BYTES: Final = 1 << 20
_STDERR_BYTES: Final = 4_096
_END_S: Final = 5.0
_OUT_OF_MEMORY: Final = ("bad_alloc", "out of memory", "memoryerror", "cannot allocate memory")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one document may take; `documents` is how many a process reads before a fresh one takes over."""

    memory_bytes: int = 1 << 30
    cpu_s: int = 20
    wall_s: float = 60.0
    answer_bytes: int = 64 << 20
    documents: int = 200


def parse(function: str, content: bytes, *, place: str, **options: Any) -> Any:
    """Return what `function` makes of `content`, in the sandbox of this process.

    Raises: InvalidInput with the place in the file, Unavailable.
    """
    return _of_this_process().parse(function, content, place=place, **options)


@functools.cache
def _of_this_process() -> Sandbox:
    sandbox = Sandbox()
    atexit.register(sandbox.close)
    return sandbox


class Sandbox:
    """One limited process at a time, started when there is something to read."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._worker: _Worker | None = None
        self._lock = threading.Lock()

    def parse(self, function: str, content: bytes, *, place: str, **options: Any) -> Any:
        """Return what `function` makes of `content`.

        Raises: InvalidInput with the place in the file, Unavailable.
        """
        with self._lock:
            return self._parse(function, content, place, options)

    def close(self) -> None:
        """End the process; a later `parse` starts another."""
        with self._lock:
            self._end()

    def _parse(self, function: str, content: bytes, place: str, options: dict[str, Any]) -> Any:
        limits = self._limits
        if self._worker is None or not self._worker.is_fresh(limits.documents):
            self._end()
            self._worker = _Worker(limits)
        described = {
            "function": function,
            "options": options,
            "cpu_s": limits.cpu_s,
            "wall_s": limits.wall_s,
            "answer_bytes": limits.answer_bytes,
        }
        try:
            answer = self._worker.ask(json.dumps(described).encode("ascii"), content)
            if "memory" in answer:
                raise _Failed(_too_much_memory(limits))
            if "error" in answer:
                raise InvalidInput(str(answer["error"]), f"{place}{answer['place']}")
            return answer["value"]
        except InvalidInput:
            raise
        except _Failed as error:
            self._end()
            _log.warning("sandbox_worker_ended", function=function, place=place, reason=error.reason)
            raise InvalidInput(error.reason, place) from None
        except BaseException:
            # Half a conversation: the next request would get this one's answer.
            self._end()
            raise

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.end()
        self._worker = None


class _Failed(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Worker:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._asked = 0
        self._errors = b""
        environment = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-sP", "-m", "ingest.sandbox_worker", str(limits.memory_bytes)]
        try:
            self._process = subprocess.Popen(  # noqa: S603 (this interpreter, our own module)
                command,
                bufsize=0,
                cwd="/",
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise Unavailable(f"no process to read documents in could be started: {error.strerror}") from error
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)

    def is_fresh(self, documents: int) -> bool:
        return self._asked < documents and self._process.poll() is None

    def ask(self, described: bytes, content: bytes) -> dict[str, Any]:
        """Return the answer to one request. Raises: _Failed, after which this worker is to be ended."""
        self._asked += 1
        # What was said about an earlier document is no reason for this one.
        self._drain()
        self._errors = b""
        unsent = [memoryview(REQUEST.pack(len(described), len(content)) + described), memoryview(content)]
        answer = self._exchange([part for part in unsent if part], time.monotonic() + self._limits.wall_s)
        try:
            found = json.loads(answer)
        except (ValueError, RecursionError):
            raise _Failed("its reader gave no proper answer") from None
        if not isinstance(found, dict):
            raise _Failed("its reader gave no proper answer")
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in self._pipes():
            # What the dead process did not read is lost, and need not be.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _exchange(self, unsent: list[memoryview], deadline: float) -> bytes:
        stdin, stdout, stderr = self._pipes()
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stdin, selectors.EVENT_WRITE)
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stderr, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.fileobj is stdin:
                        if not _send_some(stdin, unsent):
                            selector.unregister(stdin)
                        continue
                    data = os.read(key.fd, _READ_BYTES)
                    if key.fileobj is stderr:
                        self._errors = (self._errors + data)[-_STDERR_BYTES:]
                        if not data:
                            selector.unregister(stderr)
                        continue
                    if not data:
                        raise _Failed(self._why_it_died())
                    answer += data
                    if self._is_whole(answer):
                        return bytes(answer[ANSWER.size :])
        raise _Failed(f"took longer than {self._limits.wall_s:g} s to read")

    def _is_whole(self, answer: bytearray) -> bool:
        if len(answer) < ANSWER.size:
            return False
        size: int = ANSWER.unpack_from(answer)[0]
        if size > self._limits.answer_bytes:
            raise _Failed(f"holds more than {self._limits.answer_bytes} bytes of text")
        return len(answer) - ANSWER.size >= size

    def _why_it_died(self) -> str:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "its reader closed its output"
        self._drain()
        said = self._errors.decode("utf-8", "replace").strip()
        if code == -signal.SIGXCPU:
            return f"took longer than {self._limits.cpu_s} s of processor time to read"
        if any(sign in said.lower() for sign in _OUT_OF_MEMORY):
            return _too_much_memory(self._limits)
        if code == -signal.SIGABRT and not said:
            # What libraries in C do when they are refused memory; they need not say why.
            return f"{_too_much_memory(self._limits)}, or its reader gave up"
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"its reader crashed ({how}{': ' + said.splitlines()[-1][:200] if said else ''})"

    def _drain(self) -> None:
        """Take in what the process has said on its standard error."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._pipes()[2].fileno(), _READ_BYTES):
                self._errors = (self._errors + data)[-_STDERR_BYTES:]

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise AssertionError("the process was started with three pipes")
        return stdin, stdout, stderr


def _send_some(stdin: IO[bytes], unsent: list[memoryview]) -> bool:
    """Send what the pipe takes now; False when there is nothing left to send, or nobody to take it."""
    try:
        sent = os.write(stdin.fileno(), unsent[0][:_READ_BYTES])
    except BrokenPipeError:
        return False
    unsent[0] = unsent[0][sent:]
    if not unsent[0]:
        unsent.pop(0)
    return bool(unsent)


def _too_much_memory(limits: Limits) -> str:
    return f"takes more than {limits.memory_bytes >> 20} MiB of memory to read"
