"""What a visualization shows (its `visState`): metrics, the buckets they are taken in, and how it is drawn. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Drawn = Literal["line", "histogram"]

COUNT: Final = "count"
_LABELS: Final = {"show": True, "filter": True, "truncate": 100}
_THRESHOLD: Final = {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a bucket: `kind` is an aggregation such as `max`; `percents` is for `percentiles`."""

    label: str
    kind: str = COUNT
    field: str = ""
    percents: tuple[int, ...] = ()

    def aggregation(self, number: int) -> dict[str, Any]:
        """Return it as aggregation `number` of a visualization."""
        params: dict[str, Any] = {"customLabel": self.label}
        if self.field:
            params["field"] = self.field
        if self.percents:
            params["percents"] = list(self.percents)
        return _aggregation(number, self.kind, params, "metric")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What documents are put together by."""

    label: str
    kind: str
    params: Mapping[str, Any]

    def aggregation(self, number: int, schema: str) -> dict[str, Any]:
        """Return it as aggregation `number` of a visualization; `schema` says which way it cuts."""
        return _aggregation(number, self.kind, {**self.params, "customLabel": self.label}, schema)


def percentiles(label: str, of: str, *percents: int) -> Metric:
    """Return percentiles of a number."""
    return Metric(label, "percentiles", of, percents)


def terms(label: str, of: str, size: int, *, by: str = "1", order: str = "desc") -> Bucket:
    """Return the values of a field; `by` is the number of the metric they are ordered by, or `_key`."""
    params = {
        "field": of,
        "orderBy": by,
        "order": order,
        "size": size,
        "otherBucket": False,
        "otherBucketLabel": "Other",
        "missingBucket": False,
        "missingBucketLabel": "Missing",
    }
    return Bucket(label, "terms", params)


def over_time(of: str, interval: str = "auto") -> Bucket:
    """Return spans of time; `auto` makes them as long as the time range suggests."""
    params = {
        "field": of,
        "useNormalizedOpenSearchInterval": True,
        "scaleMetricValues": False,
        "interval": interval,
        "drop_partials": False,
        "min_doc_count": 1,
        "extended_bounds": {},
    }
    return Bucket("", "date_histogram", params)


def cases(label: str, queries: Mapping[str, str]) -> Bucket:
    """Return one bucket per query (in Lucene's syntax), by its name."""
    filters = [{"input": {"query": query, "language": "lucene"}, "label": name} for name, query in queries.items()]
    return Bucket(label, "filters", {"filters": filters})


def figures(*metrics: Metric) -> dict[str, Any]:
    """Return large figures side by side."""
    style = {"bgFill": "#000", "bgColor": False, "labelColor": False, "subText": "", "fontSize": 36}
    metric = {
        "percentageMode": False,
        "useRanges": False,
        "colorSchema": "Green to Red",
        "metricColorMode": "None",
        "colorsRange": [{"from": 0, "to": 10_000}],
        "labels": {"show": True},
        "invertColors": False,
        "style": style,
    }
    params = {"addTooltip": True, "addLegend": False, "type": "metric", "metric": metric}
    return {"type": "metric", "aggs": _aggregations(metrics, ()), "params": params}


def table(metrics: Sequence[Metric], *rows: Bucket) -> dict[str, Any]:
    """Return a table: one line per bucket."""
    params = {
        "perPage": 10,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }
    return {"type": "table", "aggs": _aggregations(metrics, [(row, "bucket") for row in rows]), "params": params}


def bars(metric: Metric, by: Bucket, split: Bucket | None = None) -> dict[str, Any]:
    """Return lying bars, one per bucket, cut by another one where given."""
    cut = [(by, "segment"), *([(split, "group")] if split else [])]
    axes = _axes("left", "bottom", metric.label)
    series = [_series(1, metric, "histogram", "stacked")]
    return {"type": "horizontal_bar", "aggs": _aggregations([metric], cut), "params": _chart("histogram", axes, series)}


def series(
    drawn: Drawn, metrics: Sequence[Metric], along: Bucket, split: Bucket | None = None, *, unit: str = ""
) -> dict[str, Any]:
    """Return lines or standing bars along a bucket, one per metric and bucket of `split`; `unit` names the axis."""
    cut = [(along, "segment"), *([(split, "group")] if split else [])]
    mode = "stacked" if drawn == "histogram" else "normal"
    axes = _axes("bottom", "left", unit or metrics[0].label)
    shown = [_series(number, metric, drawn, mode) for number, metric in enumerate(metrics, start=1)]
    return {"type": drawn, "aggs": _aggregations(metrics, cut), "params": _chart(drawn, axes, shown)}


def _aggregations(metrics: Sequence[Metric], buckets: Sequence[tuple[Bucket, str]]) -> list[dict[str, Any]]:
    found = [metric.aggregation(number) for number, metric in enumerate(metrics, start=1)]
    cut = [bucket.aggregation(number, schema) for number, (bucket, schema) in enumerate(buckets, len(metrics) + 1)]
    return found + cut


def _aggregation(number: int, kind: str, params: Mapping[str, Any], schema: str) -> dict[str, Any]:
    return {"id": str(number), "enabled": True, "type": kind, "params": dict(params), "schema": schema}


def _axes(category: str, value: str, label: str) -> dict[str, Any]:
    shared = {"show": True, "style": {}}
    return {
        "categoryAxes": [
            {
                **shared,
                "id": "CategoryAxis-1",
                "type": "category",
                "position": category,
                "scale": {"type": "linear"},
                "labels": dict(_LABELS),
                "title": {},
            }
        ],
        "valueAxes": [
            {
                **shared,
                "id": "ValueAxis-1",
                "name": "LeftAxis-1",
                "type": "value",
                "position": value,
                "scale": {"type": "linear", "mode": "normal"},
                "labels": {**_LABELS, "rotate": 0, "filter": False},
                "title": {"text": label},
            }
        ],
    }


def _series(number: int, metric: Metric, drawn: Drawn, mode: str) -> dict[str, Any]:
    return {
        "show": True,
        "type": drawn,
        "mode": mode,
        "data": {"label": metric.label, "id": str(number)},
        "valueAxis": "ValueAxis-1",
        "drawLinesBetweenPoints": True,
        "lineWidth": 2,
        "interpolate": "linear",
        "showCircles": True,
    }


def _chart(kind: str, axes: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "type": kind,
        "grid": {"categoryLines": False},
        **axes,
        "seriesParams": list(shown),
        "addTooltip": True,
        "addLegend": True,
        "legendPosition": "right",
        "times": [],
        "addTimeMarker": False,
        "labels": {"show": False},
        "thresholdLine": dict(_THRESHOLD),
    }
