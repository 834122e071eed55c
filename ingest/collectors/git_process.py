"""Running git, as if every repository were hostile: no checkout, no hooks, no prompts, few transports, bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import TypeVar

from ingest.streams import closing
from shirabe.errors import InvalidInput, Timeout, Unavailable

LOCAL_TIMEOUT_S = 60.0
REMOTE_TIMEOUT_S = 900.0
_MAX_ERROR_CHARS = 500
_READ_BYTES = 1 << 16
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_INHERITED = (
    *("PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO"),
    *(
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
    ),
)
_CONFIG = """\
[core]
	hooksPath = /dev/null
	fsmonitor = false
	symlinks = false
	quotePath = false
[protocol]
	allow = never
[protocol "https"]
	allow = always
[protocol "ssh"]
	allow = always
[http]
	followRedirects = false
[submodule]
	recurse = false
[fetch]
	recurseSubmodules = false
[gc]
	pruneExpire = never
	autoDetach = false
"""
_LOCAL_CONFIG = """\
[protocol "file"]
	allow = always
[safe]
	directory = {}
	directory = {}
"""


_Answer = TypeVar("_Answer")


class GitRefused(Exception):
    """Git ended with an error; `detail` is what it said, credentials removed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Git:
    """Runs git commands on one bare repository.

    The configuration is a file, not `-c` options, because the process that serves a local fetch does not inherit those.
    The user's own configuration comes first in it: credential helpers and proxies work, nothing of ours is overridden.
    """

    def __init__(self, repository: Path, local_source: Path | None) -> None:
        self.repository = repository
        self._local_source = local_source
        self._config = repository.with_suffix(".gitconfig")

    def configure(self) -> None:
        """Write the configuration file."""
        home = Path(os.environ.get("HOME", "/nonexistent"))
        text = f"[include]\n\tpath = {_quoted(home / '.gitconfig')}\n{_CONFIG}"
        if self._local_source is not None:
            text += _LOCAL_CONFIG.format(*(_quoted(path) for path in (self._local_source, self._local_source / ".git")))
        if not self._config.is_file() or self._config.read_text(encoding="utf-8") != text:
            draft = self._config.with_suffix(".tmp")
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self._config)

    async def run(self, *arguments: str, timeout_s: float = LOCAL_TIMEOUT_S, stdin: bytes = b"") -> bytes:
        """Return what `git arguments` printed, given `stdin` to read.

        Raises: GitRefused, Timeout, Unavailable when git is not installed.
        """
        process = await self._start(arguments, asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL)
        try:
            async with asyncio.timeout(timeout_s):
                output, errors = await process.communicate(stdin or None)
        except TimeoutError:
            raise Timeout(f"git {arguments[0]} took longer than {timeout_s:.0f} s") from None
        finally:
            await _end(process)
        if process.returncode != 0:
            raise GitRefused(_clean(errors))
        return output

    @contextlib.asynccontextmanager
    async def records(self, *arguments: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Run a command that prints NUL-separated records, and yield them as they come.

        Raises: GitRefused at the end of the records.
        """
        process = await self._start(arguments)
        try:
            async with closing(_split(process, arguments[0])) as records:
                yield records
        finally:
            await _end(process)

    @contextlib.asynccontextmanager
    async def blobs(self) -> AsyncIterator[Blobs]:
        """Start one `git cat-file` process for many reads."""
        process = await self._start(("cat-file", "--batch-command"), asyncio.subprocess.PIPE)
        try:
            yield Blobs(process)
        finally:
            await _end(process)

    async def _start(
        self, arguments: Sequence[str], stdin: int = asyncio.subprocess.DEVNULL
    ) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=15")
        environment |= {
            "GIT_CONFIG_GLOBAL": str(self._config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": str(self.repository),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "LC_ALL": "C",
        }
        try:
            return await asyncio.create_subprocess_exec(
                "git",
                *arguments,
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                cwd=self.repository.parent,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise Unavailable("git is not installed") from None


class Blobs:
    """Reads objects through one long-lived `git cat-file` process. At most some hundred may be asked for at once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has no pipes")
        self._requests, self._answers = process.stdin, process.stdout

    async def kind(self, object_id: str) -> str:
        """Return what an object is (`commit`, `blob`, ...), the empty string for one that is not in the mirror."""
        await self._ask("info", [object_id])
        header = (await _bounded(self._answers.readline())).split()
        return header[1].decode("ascii") if len(header) == 3 else ""

    async def sizes(self, object_ids: Sequence[str]) -> list[int]:
        """Return the sizes of objects, bytes. Raises: Unavailable when one is not in the mirror."""
        await self._ask("info", object_ids)
        return [int((await self._header(name))[2]) for name in object_ids]

    async def read(self, object_id: str) -> bytes:
        """Return an object's content. Raises: Unavailable when it is not in the mirror."""
        [content] = await self.read_all([object_id])
        return content

    async def read_all(self, object_ids: Sequence[str]) -> list[bytes]:
        """Return the contents of objects. Raises: Unavailable when one is not in the mirror."""
        await self._ask("contents", object_ids)
        return [await self._content(name) for name in object_ids]

    async def _ask(self, command: str, object_ids: Sequence[str]) -> None:
        # All at once: the answers wait in the pipe while the next are looked for.
        self._requests.write("".join(f"{command} {name}\n" for name in object_ids).encode())
        await _bounded(self._requests.drain())

    async def _content(self, object_id: str) -> bytes:
        header = await self._header(object_id)
        content = await _bounded(self._answers.readexactly(int(header[2]) + 1))
        return content[:-1]

    async def _header(self, object_id: str) -> list[bytes]:
        header = (await _bounded(self._answers.readline())).split()
        if len(header) != 3:
            raise Unavailable(f"object {object_id} is missing from the mirror")
        return header


async def _split(process: asyncio.subprocess.Process, command: str) -> AsyncIterator[bytes]:
    if process.stdout is None or process.stderr is None:
        raise ValueError("the process has no pipes")
    rest = b""
    while block := await _bounded(process.stdout.read(_READ_BYTES)):
        *records, rest = (rest + block).split(b"\0")
        for record in records:
            yield record
    errors = await _bounded(process.stderr.read())
    code = await _bounded(process.wait())
    if code != 0 or rest:
        raise GitRefused(f"git {command}: {_clean(errors)}")


async def _bounded(answer: Awaitable[_Answer]) -> _Answer:
    try:
        async with asyncio.timeout(LOCAL_TIMEOUT_S):
            return await answer
    except TimeoutError:
        raise Timeout(f"git said nothing for {LOCAL_TIMEOUT_S:.0f} s") from None
    except asyncio.IncompleteReadError:
        raise Unavailable("git ended before its answer") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind, whatever ended the wait for it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()


def _quoted(path: Path) -> str:
    text = str(path)
    if re.search(r"[\x00-\x1f]", text):
        raise InvalidInput("the path has control characters", "location")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def without_credentials(text: str) -> str:
    """Return text with the user and password taken out of every URL in it."""
    return _CREDENTIALS.sub("", text)


def _clean(errors: bytes) -> str:
    text = without_credentials(errors.decode("utf-8", "replace")).strip()
    return re.sub(r"\s+", " ", text)[-_MAX_ERROR_CHARS:]
