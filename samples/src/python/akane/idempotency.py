"""Idempotency keys (冪等キー): a repeated request gets the first response again (ADR-0001)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from akane.errors import KeyInProgress, KeyReused

KEEP_S = 24 * 60 * 60
TAKE_OVER_S = 60


@dataclass(frozen=True, slots=True)
class Response:
    """What was answered: HTTP status and body."""

    status: int
    body: Mapping[str, Any]


@dataclass(slots=True)
class _Entry:
    fingerprint: str
    started: float
    response: Response | None = None


def fingerprint(method: str, path: str, body: Mapping[str, Any]) -> str:
    """Return SHA-256 (hex) over method, path and the canonical JSON of the body."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{method}\n{path}\n{canonical}".encode()).hexdigest()


class IdempotencyStore:
    """Keys of all clients, in memory; production keeps them in the table `idempotency_keys`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: dict[tuple[str, str], _Entry] = {}

    def begin(self, client_id: str, key: str, print_: str) -> Response | None:
        """Claim a key; return the stored response when the request was answered before.

        A key whose request died is taken over after 60 seconds.

        Raises: KeyReused (E1011) for another body, KeyInProgress (E1012) while the first request runs.
        """
        now = self._clock()
        entry = self._entries.get((client_id, key))
        if entry is None or now - entry.started > KEEP_S:
            self._entries[client_id, key] = _Entry(print_, now)
            return None
        if entry.fingerprint != print_:
            raise KeyReused(f"the key {key!r} was used with another body")
        if entry.response is None:
            if now - entry.started <= TAKE_OVER_S:
                raise KeyInProgress(f"the first request with the key {key!r} is still running")
            entry.started = now
        return entry.response

    def finish(self, client_id: str, key: str, response: Response) -> None:
        """Store the response of a key; a 5xx is forgotten instead, so that a repetition tries again (AKN-517)."""
        if response.status >= 500:
            del self._entries[client_id, key]
            return
        self._entries[client_id, key].response = response
