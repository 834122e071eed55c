"""What a model tells of its work, without saying to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray_app.lane import Lane
    from ray_app.providers.usage import Usage


class Observer:
    """Hears what happens, on the event loop, so every method must be quick. This one keeps nothing of it."""

    def queued(self, tokens: int) -> None:
        """Hear how many tokens wait or run now."""

    def waited(self, lane: Lane, seconds: float) -> None:
        """Hear how long a request waited until the first of its texts was taken."""

    def ran(self, tokens: int, budget: int) -> None:
        """Hear of a forward pass over `tokens` tokens where `budget` would have fitted."""

    def rejected(self) -> None:
        """Hear of a request that was refused because the queue is full."""

    def out_of_memory(self) -> None:
        """Hear of a batch for which there was not enough memory."""

    def truncated(self, texts: int) -> None:
        """Hear of texts that were cut to the longest input of the model."""

    def used(self, usage: Usage) -> None:
        """Hear what a provider was used for since this was last told."""
