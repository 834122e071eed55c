"""What a replica tells Ray's metrics endpoint. Ray adds deployment, replica and application to every series."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from ray.serve import metrics

from ray_app.lane import Lane
from ray_app.observer import Observer
from ray_app.providers.usage import Usage

# From one forward pass of a query up to what a full queue on a CPU makes a passage wait, seconds.
_WAIT_BOUNDS_S: Final = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0]
_FILL_BOUNDS: Final = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0]


class RayObserver(Observer):
    """Counts on Ray's metrics.

    Whether another replica is needed: the passage lane's wait grows while the batches are full.
    """

    def __init__(self) -> None:
        self._tokens = metrics.Counter("shirabe_tokens", "Tokens that went through the model")
        self._queued = metrics.Gauge("shirabe_tokens_queued", "Tokens that wait or run")
        self._fill = metrics.Histogram(
            "shirabe_batch_fill", "Share of the token budget that a batch used", _FILL_BOUNDS
        )
        self._wait = metrics.Histogram(
            "shirabe_lane_wait_seconds", "Wait until the first text was taken", _WAIT_BOUNDS_S, tag_keys=("lane",)
        )
        self._truncated = metrics.Counter("shirabe_texts_truncated", "Texts that were cut to the model's longest input")
        self._rejected = metrics.Counter("shirabe_requests_rejected", "Requests refused because the queue was full")
        self._out_of_memory = metrics.Counter(
            "shirabe_batches_out_of_memory", "Batches that were too large for the memory; lower batch_tokens"
        )
        self._provider = {
            "requests": metrics.Counter("shirabe_provider_requests", "Requests sent to the provider"),
            "retries": metrics.Counter("shirabe_provider_retries", "Requests to the provider that were sent again"),
            "texts": metrics.Counter("shirabe_provider_texts", "Texts that the provider embedded"),
            "tokens": metrics.Counter("shirabe_provider_tokens", "Tokens that the provider bills"),
            "cost_usd": metrics.Counter("shirabe_provider_cost_usd", "What the provider bills, in US dollars"),
        }

    def queued(self, tokens: int) -> None:
        """Set the gauge."""
        self._queued.set(tokens)

    def waited(self, lane: Lane, seconds: float) -> None:
        """Count a wait."""
        self._wait.observe(seconds, tags={"lane": lane})

    def ran(self, tokens: int, budget: int) -> None:
        """Count a batch."""
        self._tokens.inc(tokens)
        self._fill.observe(min(tokens / budget, 1.0))

    def rejected(self) -> None:
        """Count a refusal."""
        self._rejected.inc()

    def out_of_memory(self) -> None:
        """Count a batch that was too large."""
        self._out_of_memory.inc()

    def truncated(self, texts: int) -> None:
        """Count cut texts."""
        self._truncated.inc(texts)

    def used(self, usage: Usage) -> None:
        """Count requests, tokens and cost; Ray's counters take nothing that is not more than 0."""
        for name, amount in asdict(usage).items():
            if amount:
                self._provider[name].inc(amount)
