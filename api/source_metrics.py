"""How the sources stand, as Prometheus families: read when scraped, because other processes sync as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shirabe.types import SourceStatus

_GAUGES = (
    ("documents", "Documents in the index"),
    ("chunks", "Chunks in the index"),
    ("failures", "Documents that are not as the source has them"),
    ("lag_seconds", "Time since the last successful sync"),
    ("syncing", "1 while a sync runs"),
)


class _Standing(Collector):
    def __init__(self, statuses: Sequence[SourceStatus]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterable[Metric]:
        gauges = {name: GaugeMetricFamily(f"shirabe_source_{name}", text, labels=["source"]) for name, text in _GAUGES}
        synced = CounterMetricFamily(
            "shirabe_source_synced", "What all syncs did together", labels=["source", "unit", "what"]
        )
        for status in self._statuses:
            name = status.source.source_id
            for gauge, value in _values(status):
                gauges[gauge].add_metric([name], value)
            for total, count in status.totals.items():
                unit, _, what = total.partition("_")
                synced.add_metric([name, unit, what], count)
        return [*gauges.values(), synced]


def _values(status: SourceStatus) -> Iterator[tuple[str, float]]:
    yield "documents", status.documents
    yield "chunks", status.chunks
    yield "failures", len(status.failures)
    yield "syncing", float(status.syncing)
    if status.lag_s is not None:
        yield "lag_seconds", status.lag_s


def source_exposition(statuses: Sequence[SourceStatus]) -> bytes:
    """Return how sources stand in the Prometheus text format."""
    registry = CollectorRegistry()
    registry.register(_Standing(statuses))
    return generate_latest(registry)
