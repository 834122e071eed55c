"""The server that runs the facade inside the caller's event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from shirabe.errors import InvalidInput, Unavailable

GRACE_S = 5


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it and says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        self.up.set()


class ApiServer:
    """Runs an app on one address, inside the caller's event loop."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it answers; the port is the real one once started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Bind and serve; returns once it answers.

        Raises: InvalidInput naming an address that is taken or not ours, Unavailable when serving fails at once.
        """
        listener = _bound(self._host, self._port)
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        up = asyncio.create_task(server.up.wait())
        await asyncio.wait((serving, up), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if serving.done():
            listener.close()
            raise Unavailable(f"the API did not start on {self.url}") from serving.exception()
        self._server, self._serving = server, serving

    async def stop(self) -> None:
        """Take no more requests, answer those under way within bounds, and free the port."""
        if self._server is None or self._serving is None:
            return
        self._server.should_exit = True
        await self._serving
        self._server = self._serving = None


def _bound(host: str, port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off where the protocol is said. With it an answer of several packets waits for the
    # client's delayed acknowledgement: 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Listening here, not later in the server: two listeners may share an address until one of them listens.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InvalidInput(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port", "api.port"
        ) from error
    listener.setblocking(False)
    return listener
