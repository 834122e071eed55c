"""An OpenSearch with the plugins that the embedded node cannot have, over real HTTP on loopback.

Security, index-management and search-relevance answer as those did that were built from their sources: what a body may
hold, which numbers an update must name, what a name may be made of. Of ml-commons there is just enough, its access
control included.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web
from fake_dashboards import FakeDashboards
from fake_index_management import FakeIndexManagement
from fake_kept import refused
from fake_ml_commons import MODEL_ACCESS, FakeMlCommons
from fake_workbench import FakeWorkbench
from serving import serving

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
_REPLACED = {
    "component_template": "/_component_template",
    "index_template": "/_index_template",
    "ingest": "/_ingest/pipeline",
    "search": "/_search/pipeline",
    "role": "/_plugins/_security/api/roles",
}


@dataclass
class FakeOpenSearch(FakeIndexManagement, FakeWorkbench, FakeMlCommons):
    """One cluster. `forbidden`: (method, path prefix) that our user may not; `broken`: those answered 500.

    `nonsense`: the path whose answers are JSON of another shape. `held`: document id -> path, of any index. `indexes`:
    name -> what its mapping records of how it was made, `aliases`: alias -> one of them.
    """

    distribution: str = "opensearch"
    components: tuple[str, ...] = COMPONENTS
    url: str = ""
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    broken: set[tuple[str, str]] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
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
            *self.policy_routes(),
            *self.workbench_routes(),
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
        named = [self.aliases.get(name, name) for name in request.match_info["index"].split(",")]
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


@asynccontextmanager
async def listening(fake: FakeOpenSearch | FakeDashboards) -> AsyncIterator[str]:
    """Serve a fake on a free port."""
    app = web.Application(middlewares=[fake.guard])
    app.add_routes(fake.routes())
    async with serving(app) as at:
        fake.url = f"http://{at}"
        yield fake.url


def _told(status: int, word: str, message: str) -> web.Response:
    """Answer as the security plugin's own API does."""
    return web.json_response({"status": word, "message": message}, status=status)
