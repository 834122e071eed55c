"""Ports of this machine: whether one can be listened on, before anything slow is started for it."""

from __future__ import annotations

import socket
from typing import Final

from shirabe.errors import InvalidInput

LOOPBACK: Final = "127.0.0.1"


def require_free_port(host: str, port: int, place: str = "") -> int:
    """Return a TCP port that can be listened on now; 0 picks one. `place` is the setting that names it.

    Raises: InvalidInput naming the port.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the servers do: a port whose connections linger after its server ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InvalidInput(f"port {port} of {host} cannot be used: {error.strerror}", place) from error
        return int(probe.getsockname()[1])
