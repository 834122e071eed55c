"""What ml-commons keeps and refuses, of connectors, model groups and models."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fake_kept import FakeKept, refused

MODEL_ACCESS = "plugins.ml_commons.model_access_control_enabled"
_PLAIN = re.compile(r"[\w .,!?():@\-'/\"]*", re.ASCII)
_ML = {"connectors": "connector", "model_groups": "model_group", "models": "model"}


@dataclass
class FakeMlCommons(FakeKept):
    """Connectors, model groups and models, and the credentials it was given."""

    secrets: list[Any] = field(default_factory=list)

    async def create_ml(self, request: web.Request) -> web.Response:
        kind = request.path.split("/")[3]
        body = await request.json()
        if not _PLAIN.fullmatch(body["description"]):
            return refused(400, "action_request_validation_exception", "description can only contain letters")
        if kind == "connectors":
            if not body.get("credential"):
                return refused(400, "illegal_argument_exception", "Connector credential is null or empty list")
            self.secrets.append(body.pop("credential"))
        if kind == "model_groups" and (refusal := self._guard_group(body)):
            return refusal
        name = self._keep(kind, body)
        return web.json_response({f"{_ML[kind]}_id": name})

    async def update_group(self, request: web.Request) -> web.Response:
        body = await request.json()
        if refusal := self._guard_group(body):
            return refusal
        self.kept["model_groups"][request.match_info["name"]].update(body)
        return web.json_response({"status": "Updated"})

    def _guard_group(self, body: dict[str, Any]) -> web.Response | None:
        """Keep a group to who makes it unless it says otherwise, where models are guarded; it is read as `access`."""
        guarded = self.settings["persistent"].get(MODEL_ACCESS) == "true"
        if not guarded and "access_mode" in body:
            return refused(400, "illegal_argument_exception", "You cannot specify model access control parameters")
        body["access"] = body.pop("access_mode", "private" if guarded else "public")
        return None

    async def register_model(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["connector_id"] in self.kept.get("connectors", {}), "a model is made after its connector"
        assert body["model_group_id"] in self.kept.get("model_groups", {})
        name = self._keep("models", body | {"model_state": "DEPLOYED"})
        return web.json_response({"task_id": "task", "status": "CREATED", "model_id": name})

    async def search_ml(self, request: web.Request) -> web.Response:
        return web.json_response(self._hits(request.match_info["kind"]))

    async def undeploy(self, request: web.Request) -> web.Response:
        self.kept["models"][request.match_info["name"]]["model_state"] = "UNDEPLOYED"
        return web.json_response({})

    async def delete_ml(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        models = self.kept.get("models", {})
        if kind == "models" and models[name]["model_state"] == "DEPLOYED":
            return refused(400, "status_exception", "Model cannot be deleted in deploying or deployed state")
        if any(name in (model["connector_id"], model["model_group_id"]) for model in models.values()):
            return refused(409, "status_exception", "models are still using this")
        del self.kept[kind][name]
        return web.json_response({"result": "deleted"})
