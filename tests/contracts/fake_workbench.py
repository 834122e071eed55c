"""The plugin search-relevance of a fake OpenSearch: a write makes another thing, never replaces one.

As version 3.1 was seen to answer, and as the handlers of 3.6 and 3.8 are published: before 3.8 a query text holds none
of the signs that part the fields of a query, from 3.8 on the index of a search configuration is no alias.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fake_kept import FakeKept, refused

SWITCH = "plugins.search_relevance.workbench_enabled"
MOST = "plugins.search_relevance.query_set.maximum"
_DANGEROUS = re.compile(r'["\\<>]')
_KINDS = {"query_sets": "query_set", "judgments": "judgment", "search_configurations": "search_configuration"}
_NESTED = 10_000


@dataclass
class FakeWorkbench(FakeKept):
    """Query sets, judgments and search configurations. `slow`: kinds whose index is not there for the first write."""

    version: str = "3.6.0"
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)

    def workbench_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_plugins/_search_relevance/{kind}", self.list_relevance),
            web.put("/_plugins/_search_relevance/{kind}", self.put_relevance),
            web.delete("/_plugins/_search_relevance/{kind}/{name}", self.delete_relevance),
        ]

    def _switched_off(self) -> web.Response | None:
        if self.settings["persistent"].get(SWITCH) == "true":
            return None
        return web.Response(status=403, text="Search Relevance Workbench is disabled")

    async def list_relevance(self, request: web.Request) -> web.Response:
        return self._switched_off() or web.json_response(self._hits(request.match_info["kind"]))

    async def put_relevance(self, request: web.Request) -> web.Response:
        if off := self._switched_off():
            return off
        kind, body = request.match_info["kind"], await request.json()
        for text, most in ((body["name"], 50), (body["description"], 250)):
            if not 0 < len(text) <= most or _DANGEROUS.search(text):
                return web.Response(status=400, text=f"Invalid text: {text}")
        if no := getattr(self, f"_refusal_of_{kind}")(body):
            refusal: web.Response = no
            return refusal
        if kind in self.slow:
            self.slow.remove(kind)
            return refused(500, "index_not_found_exception", f"no such index [search-relevance-{kind}]")
        if kind == "judgments":
            body = _judged(body)
        name = self._keep(kind, body)
        return web.json_response({f"{_KINDS[kind]}_id": name})

    async def delete_relevance(self, request: web.Request) -> web.Response:
        if off := self._switched_off():
            return off
        del self.kept[request.match_info["kind"]][request.match_info["name"]]
        return web.json_response({"result": "deleted"})

    def _refusal_of_query_sets(self, body: dict[str, Any]) -> web.Response | None:
        if len(body["querySetQueries"]) > int(self.settings["persistent"].get(MOST, 1_000)):
            return web.Response(status=403, text="Query Set Limit Exceeded.")
        parting = "\n\r" if self._since("3.8") else "\n\r#:"
        for row in body["querySetQueries"]:
            if _DANGEROUS.search(row["queryText"]) or set(parting) & set(row["queryText"]):
                return web.Response(status=400, text="Invalid queryText: Text contains reserved characters")
        return None

    def _refusal_of_judgments(self, body: dict[str, Any]) -> web.Response | None:
        assert body["type"] == "IMPORT_JUDGMENT"
        assert all(float(rating["rating"]) for row in body["judgmentRatings"] for rating in row["ratings"])
        return None

    def _refusal_of_search_configurations(self, body: dict[str, Any]) -> web.Response | None:
        if self._since("3.8") and body["index"] not in self.indexes:
            return refused(400, "search_relevance_exception", f"Index [{body['index']}] does not exist in the cluster")
        query = json.loads(body["query"].replace("%SearchText%", "a question"))["query"]
        for leg in query.get("hybrid", {}).get("queries", ()):
            for kind in leg.keys() & {"neural", "neural_sparse"}:
                # A search pipeline does not see into the query that an experiment sends.
                assert all(field["model_id"] in self.kept["models"] for field in leg[kind].values())
        return None

    def _since(self, version: str) -> bool:
        return [int(part) for part in self.version.split(".")[:2]] >= [int(part) for part in version.split(".")]


def _judged(body: dict[str, Any]) -> dict[str, Any]:
    """Return what becomes of judgments: without description, in another order, and nothing of more than it can hold."""
    rows = [{"query": row["query"], "ratings": row["ratings"][::-1]} for row in body["judgmentRatings"]]
    stored = {"name": body["name"], "type": body["type"], "metadata": {}}
    if sum(1 + len(row["ratings"]) for row in rows) > _NESTED:
        return stored | {"status": "ERROR", "judgmentRatings": []}
    return stored | {"status": "COMPLETED", "judgmentRatings": rows}
