"""What a provider was used for, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals since the start.

    requests: every attempt. texts: those that were embedded. tokens: as the vendor bills them, estimated where it does
    not say. cost_usd: at the model's price, None where that is unknown.
    """

    requests: int
    texts: int
    tokens: int
    cost_usd: float | None
