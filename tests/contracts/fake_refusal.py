"""How an OpenSearch says no."""

from __future__ import annotations

from aiohttp import web


def refused(status: int, kind: str, reason: str) -> web.Response:
    error = {"type": kind, "reason": reason}
    return web.json_response({"error": {"root_cause": [error], **error}, "status": status}, status=status)
