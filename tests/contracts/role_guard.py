"""The security plugin in front of an engine: what a role does not grant is refused, as the real plugin of 3.6 did.

What right a request takes was read from the real plugin's refusals. A request that is not listed is refused too: find
out first what it takes there.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

import httpx
from aiohttp import web
from serving import serving

from opensearch.plugin.roles import roles

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "crud": ("read", "write"),
    "read": ("indices:data/read*", "indices:admin/mappings/fields/get*", "indices:admin/resolve/index"),
    "write": ("indices:data/write*", "indices:admin/mapping/put"),
    "create_index": ("indices:admin/create", "indices:admin/mapping/put"),
    "manage_aliases": ("indices:admin/aliases*",),
    "cluster_composite_ops": (
        "indices:data/write/bulk",
        "indices:admin/aliases*",
        "indices:data/write/reindex",
        "cluster_composite_ops_ro",
    ),
    "cluster_composite_ops_ro": (
        "indices:data/read/mget",
        "indices:data/read/msearch",
        "indices:data/read/mtv",
        "indices:admin/aliases/exists*",
        "indices:admin/aliases/get*",
        "indices:data/read/scroll",
        "indices:admin/resolve/index",
    ),
}
"""The plugin's own groups of rights, as far as our roles name them."""

EVERYTHING: Final = "*"
_MODELS: Final = ("cluster:admin/opensearch/ml/models/get", "cluster:admin/opensearch/ml/predict")
_INDEX: Final = "/[^/_][^/]*"
# Method, path, the rights over the cluster, and those over the indexes that it names.
_TAKES: Final = (
    ("GET", "/", ("cluster:monitor/main",), ()),
    ("GET", "/_nodes/plugins", ("cluster:monitor/nodes/info",), ()),
    ("GET", "/_cluster/health.*", ("cluster:monitor/health",), ()),
    ("PUT", "/_cluster/settings", ("cluster:admin/settings/update",), ()),
    ("GET", "/_cluster/(settings|state.*)", ("cluster:monitor/state",), ()),
    ("GET", "/_cat/aliases/?.*", (), ("indices:admin/aliases/get",)),
    ("POST", "/_aliases", (), ("indices:admin/aliases",)),
    ("POST", "(/[^/]+)?/_bulk", ("indices:data/write/bulk",), ("indices:data/write/bulk",)),
    ("POST", "/[^/]+/_search", (), ("indices:data/read/search",)),
    ("(GET|POST)", "/[^/]+/_msearch", ("indices:data/read/msearch",), ("indices:data/read/search",)),
    ("(GET|POST)", "/[^/]+/_mget", ("indices:data/read/mget",), ("indices:data/read/mget",)),
    ("GET", "/[^/]+/_field_caps", (), ("indices:data/read/field_caps",)),
    (
        "POST",
        "/[^/]+/_delete_by_query",
        ("indices:data/read/scroll", "indices:data/read/scroll/clear", "indices:data/write/bulk"),
        ("indices:data/write/delete/byquery", "indices:data/read/search", "indices:data/write/delete"),
    ),
    ("POST", "/[^/]+/_refresh", (), ("indices:admin/refresh",)),
    ("GET", "/[^/]+/_stats/.*", (), ("indices:monitor/stats",)),
    ("GET", "/[^/]+/_settings/.*", (), ("indices:monitor/settings/get",)),
    ("PUT", "/[^/]+/_settings", (), ("indices:admin/settings/update",)),
    ("PUT", "/[^/]+/_mapping", (), ("indices:admin/mapping/put",)),
    ("PUT", "/[^/]+/_alias/[^/]+", (), ("indices:admin/aliases",)),
    ("(GET|HEAD)", _INDEX, (), ("indices:admin/get",)),
    ("PUT", _INDEX, (), ("indices:admin/create", "indices:admin/aliases")),
    ("DELETE", _INDEX, (), ("indices:admin/delete",)),
)


@dataclass
class Guard:
    """One role, in front of the engine at a URL; `refused` says what it did not grant."""

    role: dict[str, Any]
    engine: str = ""
    url: str = ""
    refused: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, alias: str, engine: str = "") -> Guard:
        """Return the guard of a role of ours, for the installation of an alias."""
        return cls(next(dict(thing.body) for thing in roles(alias) if thing.name == name), engine)

    def missing(self, method: str, path: str, body: bytes = b"", query: str = "") -> str:
        """Return the first right that a request takes and the role does not grant; empty when it grants all."""
        listed = [row[2:] for row in _TAKES if re.fullmatch(row[0], method) and re.fullmatch(row[1], path)]
        if not listed:
            return "(nobody has looked up what this request takes)"
        over_cluster, over_indexes = listed[0]
        if "search_pipeline" in query or b'"neural"' in body or ("_bulk" in path and "shirabe-text-" in path):
            over_cluster = (*over_cluster, *_MODELS)
        for right in over_cluster:
            if not _granted(self.role["cluster_permissions"], right):
                return right
        for right in over_indexes:
            for name in _names(method, path, body):
                if not self._over(name, right):
                    return f"{right} on {name}"
        return ""

    def _over(self, name: str, right: str) -> bool:
        return any(
            any(fnmatchcase(name, pattern) for pattern in row["index_patterns"])
            and _granted(row["allowed_actions"], right)
            for row in self.role["index_permissions"]
        )

    async def answer(self, request: web.Request) -> web.Response:
        """Pass a request on, or refuse it."""
        body = await request.read()
        if lacking := self.missing(request.method, request.path, body, request.query_string):
            self.refused.append(f"{request.method} {request.path}: {lacking}")
            error = {"type": "security_exception", "reason": f"no permissions for [{lacking}] and User [name=someone]"}
            return web.json_response({"error": {"root_cause": [error], **error}, "status": 403}, status=403)
        headers = {name: value for name, value in request.headers.items() if name in ("Content-Type", "Accept")}
        async with httpx.AsyncClient(base_url=self.engine, timeout=60, trust_env=False) as client:
            got = await client.request(request.method, request.path_qs, content=body, headers=headers)
        kind = {"Content-Type": got.headers["Content-Type"]} if "Content-Type" in got.headers else {}
        return web.Response(status=got.status_code, body=got.content, headers=kind)


@asynccontextmanager
async def guarded(guard: Guard) -> AsyncIterator[Guard]:
    """Serve a guard on a free port."""
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{path:.*}", guard.answer)
    async with serving(app) as at:
        guard.url = f"http://{at}"
        yield guard


def _granted(allowed: list[str], right: str) -> bool:
    return any(_granted(list(GROUPS[one]), right) if one in GROUPS else fnmatchcase(right, one) for one in allowed)


def _names(method: str, path: str, body: bytes) -> Iterator[str]:
    """Yield every index and alias that a request names; one that names none is about everything."""
    first, _, rest = path.removeprefix("/").partition("/")
    if first == "_bulk":
        yield from (line["index"]["_index"] for line in map(json.loads, body.splitlines()) if "index" in line)
    elif first == "_aliases":
        for action in json.loads(body)["actions"]:
            (change,) = action.values()
            yield from (change["index"], change["alias"])
    elif first.startswith("_"):
        yield EVERYTHING
    else:
        yield from first.split(",")
        if method == "PUT" and not rest and body:
            yield from json.loads(body).get("aliases", {})
