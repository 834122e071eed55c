"""The plugin index-management of a fake OpenSearch, as version 3.6.0.0 was seen to answer.

Every policy has numbers, and an update names those it has read. An index keeps the policy that it came under, whatever
becomes of the policy: `managed` is index -> (policy, its body then).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web
from fake_kept import FakeKept, refused


@dataclass
class FakeIndexManagement(FakeKept):
    """State and snapshot policies. `unreadable`: one snapshot policy, of whomever, cannot be parsed."""

    managed: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    unreadable: bool = False
    repositories: tuple[str, ...] = ("backups",)

    def policy_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_plugins/_ism/policies", self.list_policies),
            web.put("/_plugins/_ism/policies/{name}", self.put_state_policy),
            web.get("/_plugins/_ism/explain", self.explain),
            web.post("/_plugins/_ism/change_policy/{indexes}", self.change_policy),
            web.post("/_plugins/_ism/remove/{indexes}", self.release),
            web.get("/_plugins/_sm/policies", self.list_policies),
            web.get("/_snapshot/{name}", self.repository),
            web.post("/_plugins/_sm/policies/{name}", self.post_snapshot_policy),
            web.put("/_plugins/_sm/policies/{name}", self.put_snapshot_policy),
            web.delete("/_plugins/{plugin}/policies/{name}", self.delete_policy),
        ]

    async def list_policies(self, request: web.Request) -> web.Response:
        kind, key = ("_ism", "policy") if "_ism" in request.path else ("_sm", "sm_policy")
        if kind == "_sm" and self.unreadable:
            return refused(404, "status_exception", "Failed to parse snapshot management policy")
        suffix = "" if kind == "_ism" else "-sm-policy"
        rows = [
            {"_id": name + suffix, "_seq_no": row["seq"], "_primary_term": 1, key: row["body"]}
            for name, row in self.kept.get(kind, {}).items()
        ]
        return web.json_response({"policies": rows, f"total_{key.removesuffix('y')}ies": len(rows)})

    async def put_state_policy(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert set(body) == {"policy"}
        name = request.match_info["name"]
        for template in body["policy"]["ism_template"]:
            for other, row in self.kept.get("_ism", {}).items():
                if other != name and _rivals(template, row["body"].get("ism_template") or ()):
                    return refused(400, "index_management_exception", "please use a different priority than 100")
        for state in body["policy"]["states"]:
            # Where none was asked for, a deletion is tried again.
            state["actions"] = [{"retry": {"count": 3}} | action for action in state["actions"]]
        defaults = {"policy_id": name, "last_updated_time": 1, "schema_version": 27, "error_notification": None}
        return self._put_policy("_ism", request, defaults | body["policy"], create=True)

    async def explain(self, _: web.Request) -> web.Response:
        rows: dict[str, Any] = {name: {"index": name, "policy_id": row[0]} for name, row in self.managed.items()}
        return web.json_response(rows | {"total_managed_indices": len(rows)})

    async def change_policy(self, request: web.Request) -> web.Response:
        policy = (await request.json())["policy_id"]
        for index in request.match_info["indexes"].split(","):
            self.managed[index] = (policy, self.kept["_ism"][policy]["body"])
        return web.json_response({"failures": False, "failed_indices": []})

    async def release(self, request: web.Request) -> web.Response:
        for index in request.match_info["indexes"].split(","):
            del self.managed[index]
        return web.json_response({"failures": False, "failed_indices": []})

    async def repository(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.repositories:
            return refused(404, "repository_missing_exception", f"[{name}] missing")
        return web.json_response({name: {"type": "fs"}})

    async def post_snapshot_policy(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self.kept.get("_sm", {}):
            return refused(409, "version_conflict_engine_exception", "document already exists")
        return self._put_policy(
            "_sm", request, {"name": name, "schema_version": 27} | await request.json(), create=True
        )

    async def put_snapshot_policy(self, request: web.Request) -> web.Response:
        body = {"name": request.match_info["name"], "schema_version": 27} | await request.json()
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


def _rivals(template: dict[str, Any], others: Any) -> bool:
    return any(
        other.get("priority", 0) == template["priority"]
        and any(fnmatchcase(one, pattern) for one in template["index_patterns"] for pattern in other["index_patterns"])
        for other in others
    )
