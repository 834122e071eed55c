"""What every plugin of a fake OpenSearch keeps and how it says no."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class FakeKept:
    """A cluster's settings, and everything that it keeps by kind and name."""

    settings: dict[str, dict[str, Any]] = field(default_factory=lambda: {"persistent": {}, "transient": {}})
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    _number: int = 0

    def _keep(self, kind: str, body: dict[str, Any]) -> str:
        self._number += 1
        name = f"id-{self._number}"
        self.kept.setdefault(kind, {})[name] = body
        return name

    def _hits(self, kind: str) -> dict[str, Any]:
        hits = [{"_id": name, "_source": body} for name, body in self.kept.get(kind, {}).items()]
        return {"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits}}


def refused(status: int, kind: str, reason: str) -> web.Response:
    error = {"type": kind, "reason": reason}
    return web.json_response({"error": {"root_cause": [error], **error}, "status": status}, status=status)
