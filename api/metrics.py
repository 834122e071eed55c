"""What the facade counts, in a registry of its own."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shirabe.protocols import ActivityLog
from shirabe.types import SearchResult

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters and histograms of requests and searches."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, activity: ActivityLog | None = None) -> None:
        self._registry = CollectorRegistry()
        if activity is not None:
            self._registry.register(_Kept(activity))
        self._requests = Counter(
            "shirabe_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._request_seconds = Histogram(
            "shirabe_request_seconds", "Time to answer", ("method", "route"), registry=self._registry, buckets=_SECONDS
        )
        self._stage_seconds = Histogram(
            "shirabe_search_stage_seconds",
            "Time in one stage of a search",
            ("stage",),
            registry=self._registry,
            buckets=_SECONDS,
        )
        self._degraded = Counter(
            "shirabe_searches_degraded", "Searches answered without a part", ("part",), registry=self._registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request by its route, never by its address: the number of series stays bounded."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def search(self, result: SearchResult) -> None:
        """Count one search: its stages, and what it did without."""
        for stage, took_ms in result.stages_ms.items():
            self._stage_seconds.labels(stage).observe(took_ms / 1_000.0)
        for part in result.degraded:
            self._degraded.labels(part).inc()

    def exposition(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)


class _Kept(Collector):
    def __init__(self, activity: ActivityLog) -> None:
        self._activity = activity

    def collect(self) -> Iterable[Metric]:
        kept = CounterMetricFamily(
            "shirabe_activity", "Searches, clicks and syncs for the log of activity", labels=["outcome"]
        )
        for outcome, count in self._activity.counts().items():
            kept.add_metric([outcome], count)
        return [kept]
