"""The saved objects of OpenSearch Dashboards 3.6: index patterns, searches, visualizations, dashboards. Pure.

Dashboards keeps attributes under a strict mapping and refuses an object of a newer migration than its own; so there is
nothing in them that an export of 3.6 would not hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MIGRATIONS: Final = {"index-pattern": "7.6.0", "search": "7.9.3", "visualization": "7.10.0", "dashboard": "7.9.3"}
PANEL_VERSION: Final = "3.0.0"
INDEX_REFERENCE: Final = "kibanaSavedObjectMeta.searchSourceJSON.index"
COLUMNS: Final = 48
"""Width of a dashboard's grid."""


@dataclass(frozen=True, slots=True)
class SavedObject:
    """One object; `references` maps a name used in its attributes to the object that is meant."""

    type: str
    object_id: str
    attributes: Mapping[str, Any]
    references: Mapping[str, SavedObject]

    @property
    def title(self) -> str:
        """What people see of it."""
        return str(self.attributes["title"])

    def row(self) -> dict[str, Any]:
        """Return the object as a line of an export."""
        return {
            "id": self.object_id,
            "type": self.type,
            "attributes": dict(self.attributes),
            "references": [
                {"name": name, "type": other.type, "id": other.object_id} for name, other in self.references.items()
            ],
            "migrationVersion": {self.type: MIGRATIONS[self.type]},
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """An object on a dashboard, `width` of 48 columns wide and `height` rows high."""

    shown: SavedObject
    width: int
    height: int


def index_pattern(object_id: str, title: str, time_field: str | None = None, links: Sequence[str] = ()) -> SavedObject:
    """Return a pattern whose fields Dashboards reads from the index when it is opened; `links` are shown as such."""
    attributes = {"title": title, "fields": "[]"}
    if time_field:
        attributes["timeFieldName"] = time_field
    if links:
        attributes["fieldFormatMap"] = _json({field: {"id": "url", "params": {}} for field in links})
    return SavedObject("index-pattern", object_id, attributes, {})


def saved_search(
    object_id: str,
    title: str,
    description: str,
    pattern: SavedObject,
    columns: Sequence[str],
    newest_by: str,
    query: str = "",
) -> SavedObject:
    """Return a list of documents, the newest by a date field first; `query` is in Lucene's syntax."""
    source = _search_source(query) | {"highlightAll": True, "version": True}
    attributes = {
        "title": title,
        "description": description,
        "hits": 0,
        "columns": list(columns),
        "sort": [[newest_by, "desc"]],
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _json(source)},
    }
    return SavedObject("search", object_id, attributes, {INDEX_REFERENCE: pattern})


def visualization(
    object_id: str, title: str, description: str, pattern: SavedObject, state: Mapping[str, Any], query: str = ""
) -> SavedObject:
    """Return a chart of the documents that `query` (in Lucene's syntax) matches."""
    attributes = {
        "title": title,
        "description": description,
        "version": 1,
        "visState": _json({"title": title, **state}),
        "uiStateJSON": "{}",
        "kibanaSavedObjectMeta": {"searchSourceJSON": _json(_search_source(query))},
    }
    return SavedObject("visualization", object_id, attributes, {INDEX_REFERENCE: pattern})


def dashboard(
    object_id: str, title: str, description: str, rows: Sequence[Sequence[Panel]], since: str | None = None
) -> SavedObject:
    """Return a dashboard of rows of panels; `since`, where given, is where its time range begins (`now-7d`)."""
    panels: list[dict[str, Any]] = []
    references: dict[str, SavedObject] = {}
    top = 0
    for row in rows:
        left = 0
        for panel in row:
            number = str(len(panels) + 1)
            name = f"panel_{len(panels)}"
            panels.append(
                {
                    "version": PANEL_VERSION,
                    "gridData": {"x": left, "y": top, "w": panel.width, "h": panel.height, "i": number},
                    "panelIndex": number,
                    "embeddableConfig": {},
                    "panelRefName": name,
                }
            )
            references[name] = panel.shown
            left += panel.width
        top += max(panel.height for panel in row)
    attributes = {
        "title": title,
        "description": description,
        "hits": 0,
        "panelsJSON": _json(panels),
        "optionsJSON": _json({"hidePanelTitles": False, "useMargins": True}),
        "version": 1,
        "timeRestore": since is not None,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": _json({"query": {"query": "", "language": "kuery"}, "filter": []})
        },
    }
    if since is not None:
        attributes |= {"timeFrom": since, "timeTo": "now", "refreshInterval": {"pause": True, "value": 0}}
    return SavedObject("dashboard", object_id, attributes, references)


def ndjson(roots: Sequence[SavedObject]) -> bytes:
    """Return an export of objects and all that they refer to, each once, what is referred to first."""
    found: dict[tuple[str, str], SavedObject] = {}
    for root in roots:
        _collect(root, found)
    rows: list[dict[str, Any]] = [each.row() for each in found.values()]
    rows.append({"exportedCount": len(rows), "missingRefCount": 0, "missingReferences": []})
    return "".join(f"{_json(row)}\n" for row in rows).encode()


def _collect(root: SavedObject, found: dict[tuple[str, str], SavedObject]) -> None:
    for other in root.references.values():
        _collect(other, found)
    found.setdefault((root.type, root.object_id), root)


def _search_source(query: str) -> dict[str, Any]:
    asked = {"query": query, "language": "lucene" if query else "kuery"}
    return {"query": asked, "filter": [], "indexRefName": INDEX_REFERENCE}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
