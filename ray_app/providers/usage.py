"""What a provider was used for, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals of a time.

    requests: every attempt. retries: those of them that sent the same again. texts: those that were embedded. tokens:
    as the vendor bills them, estimated where it does not say. cost_usd: at the model's price, None where that is
    unknown.
    """

    requests: int
    retries: int
    texts: int
    tokens: int
    cost_usd: float | None

    def since(self, before: Usage) -> Usage:
        """Return what came after an earlier total of the same model."""
        cost_usd = None
        if self.cost_usd is not None and before.cost_usd is not None:
            cost_usd = self.cost_usd - before.cost_usd
        return Usage(
            self.requests - before.requests,
            self.retries - before.retries,
            self.texts - before.texts,
            self.tokens - before.tokens,
            cost_usd,
        )
