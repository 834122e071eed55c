"""Keeping a part alive: whenever it ends it is started again, within reason."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from shirabe.errors import ShirabeError, Unavailable

RESTARTS: Final = 5
RESTART_WINDOW_S: Final = 600.0

log = structlog.get_logger(__name__)


async def keep_alive(name: str, wait: Callable[[], Awaitable[object]], start: Callable[[], Awaitable[object]]) -> None:
    """Restart a part whenever it ends. Raises: Unavailable after too many restarts in too short a time."""
    restarts: list[float] = []
    while True:
        status = await wait()
        now = time.monotonic()
        restarts = [at for at in restarts if now - at < RESTART_WINDOW_S] + [now]
        if len(restarts) > RESTARTS:
            raise Unavailable(f"{name} ended {len(restarts)} times within {RESTART_WINDOW_S / 60:.0f} minutes")
        log.warning("a part ended and is started again", part=name, status=status)
        with suppress(ShirabeError):
            await start()
