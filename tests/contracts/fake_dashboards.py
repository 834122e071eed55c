"""OpenSearch Dashboards' saved objects over real HTTP, as its reference says. It has never met the real one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class FakeDashboards:
    """OpenSearch Dashboards' saved objects; `swallowed`: ids whose import it says it did, and did not."""

    url: str = ""
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    swallowed: set[str] = field(default_factory=set)
    imports: int = 0

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method != "GET" and request.headers.get("osd-xsrf") is None:
            return web.json_response({"message": "Request must contain a osd-xsrf header."}, status=400)
        response: web.StreamResponse = await handler(request)
        return response

    def routes(self) -> list[web.RouteDef]:
        path = "/api/saved_objects/{kind}/{name}"
        return [
            web.post("/api/saved_objects/_import", self.take),
            web.get(path, self.read),
            web.delete(path, self.delete),
        ]

    async def take(self, request: web.Request) -> web.Response:
        part = (await request.post())["file"]
        assert isinstance(part, web.FileField) and part.filename.endswith(".ndjson")
        self.imports += 1
        rows = [row for line in part.file.read().splitlines() if "type" in (row := json.loads(line))]
        for row in rows:
            if row["id"] not in self.swallowed:
                self.objects[row["type"], row["id"]] = row
        return web.json_response({"success": True, "successCount": len(rows)})

    async def read(self, request: web.Request) -> web.Response:
        found = self.objects.get((request.match_info["kind"], request.match_info["name"]))
        return web.json_response(found or {"statusCode": 404}, status=200 if found else 404)

    async def delete(self, request: web.Request) -> web.Response:
        del self.objects[request.match_info["kind"], request.match_info["name"]]
        return web.json_response({})
