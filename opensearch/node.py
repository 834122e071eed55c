"""The embedded OpenSearch node: one Java process, loopback only, never root, gone when we are gone."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import httpx
import structlog

from opensearch.assemble import assemble
from opensearch.jdk import Jdk, find_jdk
from opensearch.node_config import Folders, java_command, write_config
from opensearch.ownership import Ownership
from opensearch.places import free_bytes_of, open_new, read_end, size_of
from opensearch.privileges import User, engine_user, hand_over, obstacle, require_reach
from shirabe.errors import InvalidInput, Unavailable
from shirabe.ports import LOOPBACK, require_free_port
from shirabe.settings import OpenSearchSettings

_LAUNCHER = Path(__file__).with_name("launch.py")
_START_DEADLINE_S = 180.0
_STOP_DEADLINE_S = 20.0
_POLL_S = 0.1
_TAIL_LINES = 25
_TAIL_BYTES = 16_384
_LOW_DISK_BYTES = 3_000_000_000
_PORT_PLACE = "opensearch.port"

log = structlog.get_logger(__name__)


class EmbeddedNode:
    """A single OpenSearch node under `state_dir`, assembled in `cache_dir`.

    `start` and `stop` may be called again after each other, and `start` after the process died. All calls belong to one
    event loop, whose thread must live as long as the node should: on Linux the kernel ends the node with that thread.
    """

    def __init__(self, settings: OpenSearchSettings, state_dir: Path, cache_dir: Path, *, quiet: bool = True) -> None:
        self._settings = settings
        self._cache_dir = cache_dir.absolute()
        self._folders = Folders(state_dir.absolute() / "opensearch")
        self._ownership = Ownership(self._folders.root, self._folders.config)
        self._quiet = quiet
        self._process: asyncio.subprocess.Process | None = None
        self._url: str | None = None
        self._log_start = 0
        self._turn = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def url(self) -> str | None:
        """The base URL while it runs and has been ready."""
        return self._url if self.alive else None

    @property
    def log_path(self) -> Path:
        """The node's log."""
        return self._folders.log_file

    async def start(self) -> str:
        """Start the node and return its URL once its indices can be searched; if it runs already, only return it.

        The first start assembles the engine, which takes the network and some time.

        Raises: InvalidInput for a port that is taken, a Java home that cannot be used, or a data folder that another
        Shirabe has open; Unavailable, with the tail of the log, for a node that does not come up.
        """
        async with self._turn:
            if self._url is not None and self.alive:
                return self._url
            begun = time.monotonic()
            user = engine_user()
            home, jdk = await asyncio.to_thread(self._gather, user)
            try:
                await asyncio.to_thread(self._occupy, user)
                heap_mb, further = self._settings.heap_mb, self._settings.java_options
                await self._launch(java_command(jdk, home, self._folders, heap_mb, further), user)
                self._url = await self._ready()
            except BaseException:  # cancelled included: a half-started node is of no use
                await self._end()
                raise
            log.info("OpenSearch is ready", url=self._url, pid=self.pid, seconds=round(time.monotonic() - begun, 1))
            return self._url

    async def stop(self) -> None:
        """End the node: asked first, killed after a bounded wait. Does nothing if it does not run."""
        async with self._turn:
            await self._end()

    async def wait_dead(self) -> int:
        """Wait until the process is gone and return its exit status (negative: the signal); 0 if none was started."""
        return 0 if self._process is None else await self._process.wait()

    def _gather(self, user: User) -> tuple[Path, Jdk]:
        """Return the engine's home and a Java for it, fetching what is missing; blocks."""
        home = assemble(self._cache_dir, ml_commons=self._settings.ml_commons, quiet=self._quiet)
        require_reach(home, user, "make that folder passable (chmod o+x), or set SHIRABE_CACHE_DIR to another one")

        def accept(java: Path) -> str | None:
            closed = obstacle(java, user)
            return None if closed is None else f"the user {user.name} cannot enter {closed}"

        jdk = find_jdk(self._settings.java_home, self._cache_dir, quiet=self._quiet, accept=accept)
        return home, jdk

    def _occupy(self, user: User) -> None:
        """Make the node's folders ours, end what an earlier run left in them, and write the configuration; blocks."""
        try:
            self._folders.make(user)
            advice = "make that folder passable (chmod o+x), or set SHIRABE_STATE_DIR to another one"
            require_reach(self._folders.data, user, advice)
            self._ownership.take()
            if self._settings.port:
                require_free_port(LOOPBACK, self._settings.port, _PORT_PLACE)
            if (free := free_bytes_of(self._folders.data)) < _LOW_DISK_BYTES:
                log.warning("little disk left; OpenSearch stops writing below 1 GB", free_mb=free // 1_000_000)
            self._folders.clear()
            # A node that died keeps its address where it can, so that clients find it again.
            write_config(self._folders, self._settings.port or self._last_port(), self._settings.heap_mb)
            hand_over(self._folders.config, user)
        except OSError as error:
            raise Unavailable(f"the node's folder {self._folders.root} cannot be prepared: {error}") from error

    def _last_port(self) -> int:
        """Return the port of the node that ran before in this object if it is free, else 0."""
        if self._url is None:
            return 0
        port = httpx.URL(self._url).port or 0
        try:
            require_free_port(LOOPBACK, port)
        except InvalidInput:
            return 0
        return port

    async def _launch(self, command: list[str], user: User) -> None:
        drop = (str(user.uid), str(user.gid)) if os.geteuid() == 0 else ("-1", "-1")
        self._log_start = size_of(self._folders.log_file)
        console = open_new(self._folders.console_file, 0o644)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(_LAUNCHER),
                str(os.getpid()),
                *drop,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=asyncio.subprocess.STDOUT,
                cwd=self._folders.root,
                # Of our environment nothing: it may hold secrets, and JAVA_TOOL_OPTIONS changes a node.
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
                start_new_session=True,  # Ctrl-C in the terminal is ours to handle
            )
        finally:
            os.close(console)
        await asyncio.to_thread(self._ownership.record, self._process.pid)

    async def _ready(self) -> str:
        """Return the URL once the node answers and its indices can be searched. Raises: Unavailable."""
        deadline = time.monotonic() + _START_DEADLINE_S
        async with httpx.AsyncClient(timeout=10.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                if not self.alive:
                    raise Unavailable(self._failure("ended before it was ready"))
                url = self._listening()
                if url is None or not await _searchable(client, url):
                    await asyncio.sleep(_POLL_S)
                    continue
                return url
        raise Unavailable(self._failure(f"was not ready within {_START_DEADLINE_S:.0f} s"))

    def _listening(self) -> str | None:
        address, _, rest = read_end(self._folders.ports_file, _TAIL_BYTES).partition("\n")
        return f"http://{address}" if rest or address else None

    def _failure(self, what: str) -> str:
        process = self._process
        status = "" if process is None or process.returncode is None else f" with status {process.returncode}"
        new = max(0, size_of(self._folders.log_file) - self._log_start)  # not what earlier runs logged
        ends = (
            read_end(self._folders.log_file, min(new, _TAIL_BYTES)),
            read_end(self._folders.console_file, _TAIL_BYTES),
        )
        said = [line for end in ends for line in end.splitlines()[-_TAIL_LINES:]]
        return f"OpenSearch {what}{status}; the end of {self._folders.log_file}:\n" + "\n".join(said)

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            try:
                process.terminate()
                await asyncio.wait_for(process.wait(), _STOP_DEADLINE_S)
            except TimeoutError:
                log.warning("OpenSearch did not end when asked and is killed", pid=process.pid)
            finally:  # cancelled while waiting: no process may be left
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            log.info("OpenSearch has ended", pid=process.pid, status=process.returncode)
        self._ownership.release()


async def _searchable(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether every index of the node has its primary shards."""
    try:
        answer = await client.get(f"{url}/_cluster/health", params={"wait_for_status": "yellow", "timeout": "5s"})
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.OK
