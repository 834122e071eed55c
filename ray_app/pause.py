"""Where a forward pass lets other work in: after a layer nothing of it is on the way but its states."""

from __future__ import annotations

from collections.abc import Callable

# Called in the thread of the pass, between two layers; what it raises ends the pass.
Pause = Callable[[], None]


def no_pause() -> None:
    """Let nothing in."""
