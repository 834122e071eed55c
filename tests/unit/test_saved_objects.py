"""The saved objects against what OpenSearch Dashboards 3.6 takes.

The schemas below state the published formats: the attributes of a type are those of its mapping, which is strict; the
rest is what exports hold (opensearch-project/OpenSearch-Dashboards, opensearch-project/opensearch-catalog).
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import jsonschema
import pytest

from opensearch.activity_documents import ActivityIndexes
from opensearch.dashboards import dashboard_objects
from shirabe.settings import OpenSearchSettings

Row = dict[str, Any]

ALIAS = OpenSearchSettings().alias
TEXT = {"type": "string", "minLength": 1}
STRINGS = {"type": "array", "items": TEXT, "minItems": 1}
SOURCE = {
    "type": "object",
    "properties": {"searchSourceJSON": TEXT},
    "required": ["searchSourceJSON"],
    "additionalProperties": False,
}
REFERENCES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"id": TEXT, "name": TEXT, "type": {"enum": ["index-pattern", "visualization", "search"]}},
        "required": ["id", "name", "type"],
        "additionalProperties": False,
    },
}


def attributes(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


ATTRIBUTES = {
    "index-pattern": attributes(
        ["title", "fields"], title=TEXT, timeFieldName=TEXT, fields=TEXT, fieldFormatMap=TEXT, sourceFilters=TEXT
    ),
    "search": attributes(
        ["title", "description", "hits", "columns", "sort", "version", "kibanaSavedObjectMeta"],
        title=TEXT,
        description={"type": "string"},
        hits={"type": "integer"},
        columns=STRINGS,
        sort={"type": "array", "items": {"type": "array", "prefixItems": [TEXT, {"enum": ["asc", "desc"]}]}},
        version={"const": 1},
        kibanaSavedObjectMeta=SOURCE,
    ),
    "visualization": attributes(
        ["title", "description", "visState", "uiStateJSON", "version", "kibanaSavedObjectMeta"],
        title=TEXT,
        description={"type": "string"},
        visState=TEXT,
        uiStateJSON=TEXT,
        version={"const": 1},
        savedSearchRefName=TEXT,
        kibanaSavedObjectMeta=SOURCE,
    ),
    "dashboard": attributes(
        [
            "title",
            "description",
            "hits",
            "panelsJSON",
            "optionsJSON",
            "timeRestore",
            "version",
            "kibanaSavedObjectMeta",
        ],
        title=TEXT,
        description={"type": "string"},
        hits={"type": "integer"},
        panelsJSON=TEXT,
        optionsJSON=TEXT,
        timeRestore={"type": "boolean"},
        timeFrom=TEXT,
        timeTo=TEXT,
        refreshInterval=attributes(["pause", "value"], pause={"type": "boolean"}, value={"type": "integer"}),
        version={"const": 1},
        kibanaSavedObjectMeta=SOURCE,
    ),
}
MIGRATIONS = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
PANELS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            "gridData": attributes(
                ["x", "y", "w", "h", "i"],
                x={"type": "integer", "minimum": 0, "maximum": 47},
                y={"type": "integer", "minimum": 0},
                w={"type": "integer", "minimum": 1, "maximum": 48},
                h={"type": "integer", "minimum": 1},
                i=TEXT,
            ),
            "panelIndex": TEXT,
            "embeddableConfig": {"type": "object"},
            "panelRefName": {"type": "string", "pattern": r"^panel_\d+$"},
        },
        "required": ["version", "gridData", "panelIndex", "embeddableConfig", "panelRefName"],
        "additionalProperties": False,
    },
}
AGGREGATION = attributes(
    ["id", "enabled", "type", "params", "schema"],
    id={"type": "string", "pattern": r"^\d+$"},
    enabled={"const": True},
    type={"enum": ["count", "max", "sum", "avg", "cardinality", "percentiles", "terms", "date_histogram", "filters"]},
    params={"type": "object"},
    schema={"enum": ["metric", "segment", "group", "bucket"]},
)
STATE = attributes(
    ["title", "type", "aggs", "params"],
    title=TEXT,
    type={"enum": ["metric", "table", "horizontal_bar", "histogram", "line"]},
    aggs={"type": "array", "items": AGGREGATION, "minItems": 1},
    params={"type": "object", "properties": {"type": TEXT}},
)
SEARCH_SOURCE = attributes(
    ["query", "filter", "indexRefName"],
    query=attributes(["query", "language"], query={"type": "string"}, language={"enum": ["kuery", "lucene"]}),
    filter={"type": "array", "maxItems": 0},
    indexRefName={"const": "kibanaSavedObjectMeta.searchSourceJSON.index"},
    highlightAll={"type": "boolean"},
    version={"type": "boolean"},
)


def lines(ndjson: bytes) -> list[Row]:
    assert ndjson.endswith(b"\n")
    return [json.loads(line) for line in ndjson.splitlines()]


ROWS = lines(dashboard_objects(ALIAS))[:-1]
BY_ID = {(row["type"], row["id"]): row for row in ROWS}


def of_type(kind: str) -> list[Row]:
    return [row for row in ROWS if row["type"] == kind]


def titles(rows: list[Row]) -> list[str]:
    return [row["id"] for row in rows]


def test_the_last_line_counts_the_others() -> None:
    *rows, summary = lines(dashboard_objects(ALIAS))
    assert summary == {"exportedCount": len(rows), "missingRefCount": 0, "missingReferences": []}
    assert len(rows) == len(BY_ID) > 20


@pytest.mark.parametrize("row", ROWS, ids=titles(ROWS))
def test_an_object_holds_what_its_type_takes_and_no_more(row: Row) -> None:
    assert set(row) == {"id", "type", "attributes", "references", "migrationVersion"}
    jsonschema.validate(row["attributes"], ATTRIBUTES[row["type"]])
    jsonschema.validate(row["references"], REFERENCES)
    assert row["migrationVersion"] == {row["type"]: MIGRATIONS[row["type"]]}


@pytest.mark.parametrize("row", ROWS, ids=titles(ROWS))
def test_every_reference_leads_to_an_object_before_it(row: Row) -> None:
    before = {(each["type"], each["id"]) for each in ROWS[: ROWS.index(row)]}
    assert {(each["type"], each["id"]) for each in row["references"]} <= before
    names = [each["name"] for each in row["references"]]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", of_type("search") + of_type("visualization"))
def test_a_search_asks_the_index_it_refers_to(row: Row) -> None:
    source = json.loads(row["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    jsonschema.validate(source, SEARCH_SOURCE)
    [reference] = row["references"]
    assert (reference["name"], reference["type"]) == (source["indexRefName"], "index-pattern")


@pytest.mark.parametrize("row", of_type("visualization"), ids=titles(of_type("visualization")))
def test_a_visualization_is_whole(row: Row) -> None:
    state = json.loads(row["attributes"]["visState"])
    jsonschema.validate(state, STATE)
    assert json.loads(row["attributes"]["uiStateJSON"]) == {}
    assert state["title"] == row["attributes"]["title"]
    ids = [each["id"] for each in state["aggs"]]
    assert ids == [str(number) for number in range(1, len(ids) + 1)]
    schemas = [each["schema"] for each in state["aggs"]]
    metrics = {each["id"]: each["type"] for each in state["aggs"] if each["schema"] == "metric"}
    assert metrics and schemas[: len(metrics)] == ["metric"] * len(metrics), "metrics come first, as exports have them"
    allowed = {"metric": set(), "table": {"bucket"}}.get(state["type"], {"segment", "group"})
    assert set(schemas) - {"metric"} <= allowed
    assert schemas.count("segment") == (state["type"] not in ("metric", "table"))
    for each in state["aggs"]:
        if each["type"] == "terms":
            by = each["params"]["orderBy"]
            # Percentiles are several figures: terms cannot be ordered by them.
            assert by == "_key" or metrics[by] != "percentiles"
    if state["type"] not in ("metric", "table"):
        series = state["params"]["seriesParams"]
        axes = {axis["id"] for axis in state["params"]["valueAxes"]}
        assert [each["data"]["id"] for each in series] == list(metrics)
        assert {each["valueAxis"] for each in series} == axes


@pytest.mark.parametrize("row", of_type("dashboard"), ids=titles(of_type("dashboard")))
def test_a_dashboard_shows_each_of_its_objects_once_and_none_over_another(row: Row) -> None:
    panels = json.loads(row["attributes"]["panelsJSON"])
    jsonschema.validate(panels, PANELS)
    assert [panel["panelRefName"] for panel in panels] == [each["name"] for each in row["references"]]
    assert len({each["id"] for each in row["references"]}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        covered = {
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not covered & cells and grid["x"] + grid["w"] <= 48
        cells |= covered
    assert row["attributes"]["timeRestore"] == ("timeFrom" in row["attributes"])


def test_everything_is_on_a_dashboard() -> None:
    shown = {(each["type"], each["id"]) for row in of_type("dashboard") for each in row["references"]}
    assert shown == {(row["type"], row["id"]) for row in of_type("visualization") + of_type("search")}


def test_every_index_has_one_pattern() -> None:
    patterns = {row["attributes"]["title"]: row["attributes"].get("timeFieldName") for row in of_type("index-pattern")}
    assert patterns == {
        ALIAS: None,
        "ubi_queries": "timestamp",
        "ubi_events": "timestamp",
        "shirabe-searches": "timestamp",
        "shirabe-syncs": "finished",
    }


def test_two_of_us_fit_one_dashboards() -> None:
    other = {(row["type"], row["id"]) for row in lines(dashboard_objects("second"))[:-1]}
    assert not other & BY_ID.keys()
    own = lines(dashboard_objects("second", ActivityIndexes(queries="q")))
    assert {"second", "q"} <= {row["attributes"]["title"] for row in own if row.get("type") == "index-pattern"}


def test_the_command_writes_them() -> None:
    command = [sys.executable, "-m", "opensearch.dashboards"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert done.stdout == dashboard_objects(ALIAS)
