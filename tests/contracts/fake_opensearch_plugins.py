"""An OpenSearch with the plugins that the embedded node cannot have, over real HTTP on loopback.

Index-management and search-relevance answer as their published references and their REST handlers say: what a body may
hold, which numbers an update must name, what a name may be made of; the real ones were never met. The security plugin
answers as the real one of 3.6 did. Of ml-commons there is just enough, its access control included.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web
from fake_dashboards import FakeDashboards
from fake_ml_commons import MODEL_ACCESS, FakeMlCommons, refused

from shirabe.ports import LOOPBACK

USER, PASSWORD = "operator", "fake-password-1"
COMPONENTS = (
    "analysis-kuromoji",
    "opensearch-index-management",
    "opensearch-knn",
    "opensearch-ml",
    "opensearch-neural-search",
    "opensearch-search-relevance",
    "opensearch-security",
)
DEFAULTS = {
    "plugins.ml_commons.trusted_connector_endpoints_regex": ["^https://api\\.openai\\.com/.*$"],
    "plugins.ml_commons.connector.private_ip_enabled": "false",
    MODEL_ACCESS: "false",
    "plugins.search_relevance.workbench_enabled": "false",
}
_ROLE_KEYS = {"description", "cluster_permissions", "index_permissions", "tenant_permissions"}
_DANGEROUS = re.compile(r'["\\<>]')
_REPLACED = {
    "component_template": "/_component_template",
    "index_template": "/_index_template",
    "ingest": "/_ingest/pipeline",
    "search": "/_search/pipeline",
    "role": "/_plugins/_security/api/roles",
}
_RELEVANCE = {"query_sets": "query_set", "judgments": "judgment", "search_configurations": "search_configuration"}


@dataclass
class FakeOpenSearch(FakeMlCommons):
    """One cluster. `forbidden`: (method, path prefix) that our user may not; `broken`: those answered 500.

    `nonsense`: the path whose answers are JSON of another shape. `held`: document id -> path, of any index. `indexes`:
    name -> what its mapping records of how it was made.
    """

    version: str = "3.6.0"
    distribution: str = "opensearch"
    components: tuple[str, ...] = COMPONENTS
    url: str = ""
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    broken: set[tuple[str, str]] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    blocked: dict[str, Any] = field(default_factory=dict)
    nonsense: str = "/nowhere"

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Ask for the user, refuse and break what the test says, note every write."""
        given = request.headers.get("Authorization")
        if "opensearch-security" in self.components and given is None:
            challenge = {"WWW-Authenticate": 'Basic realm="OpenSearch Security"'}
            return web.Response(status=401, text="Unauthorized", headers=challenge)
        for places, status, kind in ((self.forbidden, 403, "security_exception"), (self.broken, 500, "fault")):
            if any(request.method == method and request.path.startswith(prefix) for method, prefix in places):
                if status == 403 and request.path.startswith("/_plugins/_security/api"):
                    return _told(403, "FORBIDDEN", "No permission to access REST API: User operator")
                return refused(status, kind, f"no permissions for [{request.path}] and User [name={USER}]")
        if request.path.startswith(self.nonsense):
            return web.json_response([["what", "is", "this"]])
        looks = request.method == "GET" or request.path.endswith("/_search")
        if not looks:
            self.writes.append(f"{request.method} {request.path}")
        response: web.StreamResponse = await handler(request)
        return response

    def routes(self) -> list[web.RouteDef]:
        routes = [
            web.get("/", self.root),
            web.get("/_nodes/plugins", self.nodes),
            web.get("/_cluster/state/blocks", self.blocks),
            web.get("/_cluster/settings", self.read_settings),
            web.put("/_cluster/settings", self.write_settings),
            web.get("/{index}/_mapping", self.mapping),
            web.post("/{index}/_search", self.search_documents),
            web.post("/_plugins/_ml/models/_register", self.register_model),
            web.post("/_plugins/_ml/connectors/_create", self.create_ml),
            web.post("/_plugins/_ml/model_groups/_register", self.create_ml),
            web.put("/_plugins/_ml/model_groups/{name}", self.update_group),
            web.post("/_plugins/_ml/{kind}/_search", self.search_ml),
            web.post("/_plugins/_ml/models/{name}/_undeploy", self.undeploy),
            web.delete("/_plugins/_ml/{kind}/{name}", self.delete_ml),
            web.get("/_plugins/_ism/policies", self.list_policies),
            web.put("/_plugins/_ism/policies/{name}", self.put_state_policy),
            web.get("/_plugins/_sm/policies", self.list_policies),
            web.post("/_plugins/_sm/policies/{name}", self.post_snapshot_policy),
            web.put("/_plugins/_sm/policies/{name}", self.put_snapshot_policy),
            web.delete("/_plugins/{plugin}/policies/{name}", self.delete_policy),
            web.get("/_plugins/_search_relevance/{kind}", self.list_relevance),
            web.put("/_plugins/_search_relevance/{kind}", self.put_relevance),
            web.delete("/_plugins/_search_relevance/{kind}/{name}", self.delete_relevance),
        ]
        for kind, path in _REPLACED.items():
            routes += [
                web.get(path, self.reading(kind)),
                web.get(path + "/{name}", self.reading(kind)),
                web.put(path + "/{name}", self.writing(kind)),
                web.delete(path + "/{name}", self.deleting(kind)),
            ]
        return routes

    async def root(self, _: web.Request) -> web.Response:
        return web.json_response({"version": {"number": self.version, "distribution": self.distribution}})

    async def nodes(self, _: web.Request) -> web.Response:
        plugins = [{"name": name} for name in self.components]
        node = {"name": "one", "roles": ["cluster_manager", "data"], "plugins": plugins, "modules": []}
        return web.json_response({"nodes": {"a": node}})

    async def blocks(self, _: web.Request) -> web.Response:
        return web.json_response({"blocks": self.blocked})

    async def read_settings(self, _: web.Request) -> web.Response:
        set_ = set(self.settings["persistent"]) | set(self.settings["transient"])
        defaults = {name: value for name, value in DEFAULTS.items() if name not in set_}
        return web.json_response({**self.settings, "defaults": defaults})

    async def write_settings(self, request: web.Request) -> web.Response:
        for scope, values in (await request.json()).items():
            for name, value in values.items():
                self.settings[scope].pop(name, None)
                if value is not None:
                    self.settings[scope][name] = value if isinstance(value, list) else str(value).lower()
        return web.json_response({"acknowledged": True, **self.settings})

    async def mapping(self, request: web.Request) -> web.Response:
        named = request.match_info["index"].split(",")
        found = {name: meta for name, meta in self.indexes.items() if any(fnmatchcase(name, one) for one in named)}
        return web.json_response({name: {"mappings": {"_meta": meta}} for name, meta in found.items()})

    async def search_documents(self, request: web.Request) -> web.Response:
        """Find what is held of the paths asked for: `held` is document id -> path."""
        wanted = (await request.json())["query"]["bool"]["filter"][0]["terms"]["path"]
        hits = [{"_id": name, "fields": {"path": [path]}} for name, path in self.held.items() if path in wanted]
        return web.json_response({"hits": {"hits": hits}})

    # Things that a write replaces

    def reading(self, kind: str) -> Any:
        async def read(request: web.Request) -> web.Response:
            pattern = request.match_info.get("name", "*")
            found = {name: value for name, value in self.kept.get(kind, {}).items() if fnmatchcase(name, pattern)}
            if kind.endswith("template"):
                return web.json_response({f"{kind}s": [{"name": name, kind: value} for name, value in found.items()]})
            return web.json_response(found)

        return read

    def writing(self, kind: str) -> Any:
        async def write(request: web.Request) -> web.Response:
            body = await request.json()
            if kind == "role":
                if unknown := set(body) - _ROLE_KEYS:
                    told = {"reason": "Invalid configuration", "invalid_keys": {"keys": ",".join(sorted(unknown))}}
                    return web.json_response({"status": "error", **told}, status=400)
                shown: dict[str, Any] = {"fls": [], "masked_fields": []}
                body["index_permissions"] = [shown | row for row in body["index_permissions"]]
                body = {"reserved": False, "hidden": False, "static": False, "tenant_permissions": []} | body
            shelf, name = self.kept.setdefault(kind, {}), request.match_info["name"]
            is_new, shelf[name] = name not in shelf, body
            if kind == "role":
                return _told(201, "CREATED", f"'{name}' created.") if is_new else _told(200, "OK", f"'{name}' updated.")
            return web.json_response({"acknowledged": True})

        return write

    def deleting(self, kind: str) -> Any:
        async def delete(request: web.Request) -> web.Response:
            name = request.match_info["name"]
            found = self.kept.get(kind, {}).pop(name, None)
            if kind == "role":
                gone = found is not None
                return (
                    _told(200, "OK", f"'{name}' deleted.")
                    if gone
                    else _told(404, "NOT_FOUND", f"role '{name}' not found.")
                )
            return web.json_response({"acknowledged": True}, status=200 if found is not None else 404)

        return delete

    # index-management: every policy has numbers, and an update names those it has read

    async def list_policies(self, request: web.Request) -> web.Response:
        kind, key = ("_ism", "policy") if "_ism" in request.path else ("_sm", "sm_policy")
        found = self.kept.get(kind, {})
        rows = [
            {"_id": name, "_seq_no": row["seq"], "_primary_term": 1, key: row["body"]} for name, row in found.items()
        ]
        return web.json_response({"policies": rows, f"total_{key.removesuffix('y')}ies": len(rows)})

    async def put_state_policy(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert set(body) == {"policy"}
        name = request.match_info["name"]
        defaults = {"policy_id": name, "last_updated_time": 1, "schema_version": 21, "error_notification": None}
        return self._put_policy("_ism", request, defaults | body["policy"], create=True)

    async def post_snapshot_policy(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self.kept.get("_sm", {}):
            return refused(409, "version_conflict_engine_exception", "document already exists")
        return self._put_policy(
            "_sm", request, {"name": name, "schema_version": 21} | await request.json(), create=True
        )

    async def put_snapshot_policy(self, request: web.Request) -> web.Response:
        body = {"name": request.match_info["name"], "schema_version": 21} | await request.json()
        return self._put_policy("_sm", request, body, create=False)

    async def delete_policy(self, request: web.Request) -> web.Response:
        del self.kept[request.match_info["plugin"]][request.match_info["name"]]
        return web.json_response({"result": "deleted"})

    def _put_policy(self, kind: str, request: web.Request, body: dict[str, Any], *, create: bool) -> web.Response:
        shelf, name = self.kept.setdefault(kind, {}), request.match_info["name"]
        there = shelf.get(name)
        told = request.query.get("if_seq_no")
        if (there is None and not create) or (there is not None and told != str(there["seq"])):
            return refused(409, "version_conflict_engine_exception", f"required seqNo [{told}]")
        self._number += 1
        shelf[name] = {"seq": self._number, "body": body}
        return web.json_response({"_id": name, "_seq_no": self._number, "_primary_term": 1})

    # search-relevance: a write makes another, never replaces

    def _switched_off(self) -> web.Response | None:
        if self.settings["persistent"].get("plugins.search_relevance.workbench_enabled") == "true":
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
        for row in body.get("querySetQueries", ()):
            if _DANGEROUS.search(row["queryText"]) or "\n" in row["queryText"]:
                return web.Response(status=400, text="Invalid queryText")
        if kind == "judgments":
            assert body["type"] == "IMPORT_JUDGMENT"
            assert all(float(rating["rating"]) for row in body["judgmentRatings"] for rating in row["ratings"])
        if kind == "search_configurations":
            assert isinstance(body["query"], str) and "%SearchText%" in body["query"]
        name = self._keep(kind, body)
        return web.json_response({f"{_RELEVANCE[kind]}_id": name})

    async def delete_relevance(self, request: web.Request) -> web.Response:
        if off := self._switched_off():
            return off
        del self.kept[request.match_info["kind"]][request.match_info["name"]]
        return web.json_response({"result": "deleted"})


@asynccontextmanager
async def listening(fake: FakeOpenSearch | FakeDashboards) -> AsyncIterator[str]:
    """Serve a fake on a free port."""
    app = web.Application(middlewares=[fake.guard])
    app.add_routes(fake.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    fake.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    try:
        yield fake.url
    finally:
        await runner.cleanup()


def _told(status: int, word: str, message: str) -> web.Response:
    """Answer as the security plugin's own API does."""
    return web.json_response({"status": word, "message": message}, status=status)
