"""Ports of this machine: whether one can be listened on, before anything slow is started for it."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from typing import Final

from shirabe.errors import InvalidInput

LOOPBACK: Final = "127.0.0.1"


# Below what the system hands out to connections, and above Ray's workers: nobody takes one of these by accident between
# the time it is picked and the time its server listens.
_PICKED: Final = range(20_000, 32_768)
_ATTEMPTS: Final = 50


def require_free_port(host: str, port: int, place: str = "") -> int:
    """Return a TCP port that can be listened on now; 0 picks one. `place` is the setting that names it.

    Raises: InvalidInput naming the port.
    """
    if port:
        return _free(host, port, place)
    for _ in range(_ATTEMPTS - 1):
        with suppress(InvalidInput):
            return _free(host, secrets.choice(_PICKED), place)
    return _free(host, secrets.choice(_PICKED), place)


def _free(host: str, port: int, place: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the servers do: a port whose connections linger after its server ended is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InvalidInput(f"port {port} of {host} cannot be used: {error.strerror}", place) from error
    return port
