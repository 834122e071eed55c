"""What OpenSearch Dashboards asks the engine for a visualization, and the rows it reads from the answer.

Built from the saved object alone: nested buckets in the order they have in `visState`, metrics in the innermost, the
query as `query_string`, the pattern's time field within the dashboard's time range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]
Row = tuple[Any, ...]

_FIELD = re.compile(r"(?:^|[\s(])(?!_exists_)([\w.]+):|_exists_:([\w.]+)")
_AUTO = {"fixed_interval": "12h"}
# The kinds of fields that an aggregation takes, as Dashboards offers them.
_NUMBER = frozenset({"integer", "long", "float", "double"})
_DATE = frozenset({"date"})
TAKES: Mapping[str, frozenset[str]] = {
    "max": _NUMBER | _DATE,
    "sum": _NUMBER,
    "avg": _NUMBER,
    "percentiles": _NUMBER | _DATE,
    "cardinality": _NUMBER | _DATE | {"keyword", "boolean"},
    "terms": _NUMBER | _DATE | {"keyword", "boolean"},
    "date_histogram": _DATE,
}


@dataclass(frozen=True)
class Objects:
    """The objects of an export, by their ids."""

    rows: Mapping[str, Body]

    @classmethod
    def of(cls, ndjson: bytes) -> Objects:
        return cls({row["id"]: row for row in map(json.loads, ndjson.splitlines()) if "id" in row})

    def of_type(self, kind: str) -> list[str]:
        return [name for name, row in self.rows.items() if row["type"] == kind]

    def state(self, name: str) -> Body:
        state = json.loads(self.rows[name]["attributes"]["visState"])
        assert isinstance(state, dict)
        return state

    def pattern(self, name: str) -> Body:
        [reference] = self.rows[name]["references"]
        attributes = self.rows[reference["id"]]["attributes"]
        assert isinstance(attributes, dict)
        return attributes

    def query(self, name: str) -> Body:
        meta = self.rows[name]["attributes"]["kibanaSavedObjectMeta"]
        query: str = json.loads(meta["searchSourceJSON"])["query"]["query"]
        filters: list[Body] = [_query_string(query)] if query else []
        time_field = self.pattern(name).get("timeFieldName")
        if time_field:
            filters.append({"range": {time_field: {"gte": "now-7d", "lte": "now"}}})
        return {"bool": {"filter": filters}}

    def queried_fields(self, name: str) -> set[str]:
        """The fields named in the queries of an object."""
        meta = self.rows[name]["attributes"]["kibanaSavedObjectMeta"]
        queries = [json.loads(meta["searchSourceJSON"])["query"]["query"]]
        if self.rows[name]["type"] == "visualization":
            for each in self.state(name)["aggs"]:
                queries += [one["input"]["query"] for one in each["params"].get("filters", [])]
        return {first or second for query in queries for first, second in _FIELD.findall(query)}


def request_of(state: Body) -> Body:
    """Return the aggregations of a visualization."""
    metrics = {each["id"]: each for each in state["aggs"] if each["schema"] == "metric"}
    inner: Body = {name: _metric(each) for name, each in metrics.items() if each["type"] != "count"}
    for each in reversed([one for one in state["aggs"] if one["schema"] != "metric"]):
        by = metrics.get(each["params"].get("orderBy", ""))
        ordering = {by["id"]: _metric(by)} if by is not None and by["type"] != "count" else {}
        inner = {each["id"]: {**_bucket(each, metrics), "aggs": {**ordering, **inner}}}
    return inner


def rows_of(state: Body, answer: Body) -> list[Row]:
    """Return one row per innermost bucket: the keys of its buckets, then its figures."""
    buckets = [each for each in state["aggs"] if each["schema"] != "metric"]
    metrics = [each for each in state["aggs"] if each["schema"] == "metric"]
    whole = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
    return list(_rows(whole, buckets, metrics))


def _rows(found: Body, buckets: Sequence[Body], metrics: Sequence[Body]) -> Iterator[Row]:
    if not buckets:
        yield tuple(_figure(found, metric) for metric in metrics)
        return
    inside = found[buckets[0]["id"]]["buckets"]
    keyed = (
        inside.items() if isinstance(inside, dict) else ((row.get("key_as_string", row["key"]), row) for row in inside)
    )
    for key, row in keyed:
        for rest in _rows(row, buckets[1:], metrics):
            yield (key, *rest)


def _figure(found: Body, metric: Body) -> Any:
    if metric["type"] == "count":
        return found["doc_count"]
    if metric["type"] == "percentiles":
        return tuple(value["value"] for value in found[metric["id"]]["values"])
    figure = found[metric["id"]]
    return figure.get("value_as_string", figure["value"])


def _metric(each: Body) -> Body:
    params = {"field": each["params"]["field"]}
    if each["type"] == "percentiles":
        params |= {"percents": each["params"]["percents"], "keyed": False}
    return {each["type"]: params}


def _bucket(each: Body, metrics: Mapping[str, Body]) -> Body:
    params = each["params"]
    if each["type"] == "filters":
        return {
            "filters": {"filters": {one["label"]: _query_string(one["input"]["query"]) for one in params["filters"]}}
        }
    if each["type"] == "date_histogram":
        span = _AUTO if params["interval"] == "auto" else {"calendar_interval": f"1{params['interval']}"}
        kept = {"field": params["field"], "min_doc_count": params["min_doc_count"], "time_zone": "Asia/Tokyo"}
        return {"date_histogram": kept | span}
    by = params["orderBy"]
    order = {"_count" if by in metrics and metrics[by]["type"] == "count" else by: params["order"]}
    return {"terms": {"field": params["field"], "size": params["size"], "order": order}}


def _query_string(query: str) -> Body:
    return {"query_string": {"query": query, "analyze_wildcard": True, "time_zone": "Asia/Tokyo"}}
