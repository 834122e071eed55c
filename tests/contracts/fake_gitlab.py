"""The issues and merge requests of one GitLab project over real HTTP on loopback, as GitLab's reference describes them.

It pages by `Link`, has confidential issues and internal notes, tells its rate limit by `RateLimit-*` and `Retry-After`,
and hides what a token may not see behind 404. It has never met the real one.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

TOKEN = "glpat-fake0123456789"
Row = dict[str, Any]
SIGNS = {"issues": "#", "merge_requests": "!"}


@dataclass
class FakeGitLab:
    """One server with one project. `faults`: answers (status, headers) to give first.

    `keyset`: it is new enough to page the list of issues by keyset.
    """

    name: str = "group/sub/demo"
    visibility: str = "public"
    issues_access_level: str = "enabled"
    merge_requests_access_level: str = "enabled"
    url: str = ""
    most: int = 3
    keyset: bool = False
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: {"issues": {}, "merge_requests": {}})
    side: dict[str, list[Row]] = field(default_factory=dict)
    faults: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    requests: list[str] = field(default_factory=list)
    not_modified: int = 0
    _ids: int = 1000

    # What is done on the site.

    def open(self, title: str, text: str = "", *, kind: str = "issues", number: int | None = None, **more: Any) -> Row:
        """Open an issue or merge request."""
        number = number if number is not None else len(self.rows[kind]) + 1
        row: Row = {
            "id": self.next_id(),
            "iid": number,
            "title": title,
            "description": text or None,
            "state": "opened",
            "author": {"id": 1, "username": "alice", "name": "Alice"},
            "labels": [],
            "milestone": None,
            "assignees": [],
            "user_notes_count": 0,
            "web_url": f"https://gitlab.example.org/{self.name}/-/{kind}/{number}",
            "references": {"short": f"{SIGNS[kind]}{number}", "full": f"{self.name}{SIGNS[kind]}{number}"},
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
            **({"confidential": False, "moved_to_id": None} if kind == "issues" else {}),
            **({"source_branch": "fix", "target_branch": "main", "draft": False} if kind != "issues" else {}),
            **more,
        }
        self.rows[kind][number] = row
        return row

    def edit(self, kind: str, number: int, **changed: Any) -> None:
        """Change an issue or merge request."""
        self.rows[kind][number] |= {**changed, "updated_at": self.stamp()}

    def note(self, kind: str, number: int, body: str, **more: Any) -> Row:
        """Write a note; only those of people are counted."""
        row: Row = {
            "id": self.next_id(),
            "body": body,
            "author": {"username": "bob", "name": "Bob"},
            "created_at": self.stamp(),
            "system": False,
            "internal": False,
            "noteable_type": "Issue" if kind == "issues" else "MergeRequest",
            "noteable_iid": number,
            **more,
        }
        self.side.setdefault(f"{kind}/{number}/notes", []).append(row)
        counted = self.rows[kind][number]["user_notes_count"] + (not row["system"])
        self.edit(kind, number, user_notes_count=counted)
        return row

    def next_id(self) -> int:
        """Return a new id."""
        self._ids += 1
        return self._ids

    def stamp(self) -> str:
        """Return the time, a minute after the last one."""
        self.now += timedelta(minutes=1)
        return f"{self.now:%Y-%m-%dT%H:%M:%S.000Z}"

    # What it answers.

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Give the next fault, refuse who may not read, and answer 304 to who knows."""
        self.requests.append(request.raw_path)
        if self.faults:
            status, headers = self.faults.popleft()
            return web.Response(status=status, headers=headers, text="Retry later")
        given = request.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            return _refused(401, "401 Unauthorized")
        if (self.visibility != "public" and given is None) or request.match_info.get("project") != self.name:
            return _refused(404, "404 Project Not Found")
        response: web.Response = await handler(request)
        response.headers["RateLimit-Remaining"] = "1999"
        if response.status == 200:
            tag = f'W/"{hashlib.sha256(bytes(response.body or b"")).hexdigest()}"'  # type: ignore[arg-type]
            if request.headers.get("If-None-Match") == tag:
                self.not_modified += 1
                return web.Response(status=304, headers={"ETag": tag})
            response.headers["ETag"] = tag
        return response

    def routes(self) -> list[web.RouteDef]:
        """Return what is served."""
        root = "/api/v4/projects/{project:.+?}"
        kinds = "{kind:issues|merge_requests}"
        return [
            web.get(f"{root}/{kinds}/{{iid:\\d+}}/{{what}}", self.beside_one),
            web.get(f"{root}/{kinds}/{{iid:\\d+}}", self.one),
            web.get(f"{root}/{kinds}", self.listed),
            web.get(root, self.project),
        ]

    async def project(self, request: web.Request) -> web.Response:
        """Answer `GET /projects/:id`."""
        levels = {
            "issues_access_level": self.issues_access_level,
            "merge_requests_access_level": self.merge_requests_access_level,
        }
        return web.json_response({"path_with_namespace": self.name, "visibility": self.visibility, **levels})

    def sees(self, request: web.Request, row: Row) -> bool:
        """Tell whether who asks may see a row: nobody sees what is confidential without a token."""
        return not row.get("confidential") or "Authorization" in request.headers

    async def listed(self, request: web.Request) -> web.Response:
        """Answer `GET /projects/:id/issues` and `GET /projects/:id/merge_requests`."""
        kind, query = request.match_info["kind"], request.query
        if getattr(self, f"{kind}_access_level") == "disabled":
            return _refused(403, "403 Forbidden")
        if query.get("pagination") == "keyset" and not (self.keyset and kind == "issues"):
            return _refused(405, "Keyset pagination is not yet available for this type of request")
        rows = [row for row in self.rows[kind].values() if self.sees(request, row)]
        if since := query.get("updated_after"):
            rows = [row for row in rows if datetime.fromisoformat(row["updated_at"]) >= datetime.fromisoformat(since)]
        rows.sort(
            key=lambda row: (row[query.get("order_by", "created_at")], row["iid"]),
            reverse=query.get("sort", "desc") == "desc",
        )
        return self.paged(request, rows)

    async def one(self, request: web.Request) -> web.Response:
        """Answer one issue or merge request."""
        row = self.rows[request.match_info["kind"]].get(int(request.match_info["iid"]))
        if row is None or not self.sees(request, row):
            return _refused(404, "404 Not found")
        return web.json_response(row)

    async def beside_one(self, request: web.Request) -> web.Response:
        """Answer a list that stands beside an issue or merge request."""
        match = request.match_info
        return self.paged(request, self.side.get(f"{match['kind']}/{match['iid']}/{match['what']}", []))

    def paged(self, request: web.Request, rows: Sequence[Row]) -> web.Response:
        """Return one part of a list, and where it goes on."""
        size = min(int(request.query.get("per_page", "20")), 100, self.most)
        by_keyset = request.query.get("pagination") == "keyset"
        mark = "cursor" if by_keyset else "page"
        page = int(request.query.get(mark, "1"))
        headers = {} if by_keyset else {"X-Page": str(page), "X-Per-Page": str(size)}
        if page * size < len(rows):
            path = request.path.replace(self.name, quote(self.name, safe=""))
            query = urlencode({**request.query, mark: page + 1})
            headers["Link"] = f'<{self.url}{path}?{query}>; rel="next", <{self.url}{path}?page=1>; rel="first"'
        return web.json_response(rows[(page - 1) * size : page * size], headers=headers)

    def exported(self) -> str:
        """Return all as the lines of an export: one page of a list on a line."""
        lists = [*(list(rows.values()) for rows in self.rows.values())]
        lists += [rows for place, rows in self.side.items() if place.endswith("/notes")]
        return "".join(f"{json.dumps(rows)}\n" for rows in lists)


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)


@asynccontextmanager
async def fake_gitlab() -> AsyncIterator[FakeGitLab]:
    """Serve a project without issues."""
    fake = FakeGitLab()
    app = web.Application(middlewares=[fake.guard])
    app.add_routes(fake.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
