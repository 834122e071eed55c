"""The issues of one GitHub repository over real HTTP on loopback, as GitHub's published REST reference describes them.

It pages by `Link`, answers 304 to a known ETag, has a primary and a secondary rate limit, hides what a token may not
see behind 404, and redirects to where an issue was transferred. It has never met the real one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

TOKEN = "ghp_fake0123456789"
Row = dict[str, Any]


@dataclass
class FakeGitHub:
    """One server with one repository. `faults`: answers (status, headers, message) to give first.

    `remaining`: how many requests the rate limit leaves, None for no end. `most`: rows in one answer at most.
    `former`: the name that the repository had, under which it is still found.
    """

    name: str = "octo/demo"
    former: str = ""
    private: bool = False
    url: str = ""
    most: int = 3
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    remaining: int | None = None
    reset: int = 0
    issues: dict[int, Row] = field(default_factory=dict)
    pulls: dict[int, Row] = field(default_factory=dict)
    side: dict[str, list[Row]] = field(default_factory=dict)
    transferred: dict[int, str] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    faults: deque[tuple[int, dict[str, str], str]] = field(default_factory=deque)
    requests: list[str] = field(default_factory=list)
    not_modified: int = 0
    _ids: int = 1000

    # What is done on the site.

    def open(self, title: str, body: str = "", *, number: int | None = None, pull: bool = False, **more: Any) -> Row:
        """Open an issue or pull request."""
        number = number if number is not None else len(self.issues) + 1
        page = f"https://github.com/{self.name}/{'pull' if pull else 'issues'}/{number}"
        row: Row = {
            "id": self.next_id(),
            "number": number,
            "title": title,
            "body": body or None,
            "user": {"login": "alice", "type": "User"},
            "labels": [],
            "state": "open",
            "state_reason": None,
            "assignees": [],
            "milestone": None,
            "comments": 0,
            "locked": False,
            "html_url": page,
            "repository_url": f"https://api.github.com/repos/{self.name}",
            "created_at": self.stamp(),
            "updated_at": self.stamp(),
            "closed_at": None,
            **more,
        }
        if pull:
            row |= {"pull_request": {"html_url": page, "merged_at": None}, "draft": False}
            self.pulls[number] = {
                **{name: row[name] for name in ("number", "title", "body", "state", "html_url", "user")},
                "draft": False,
                "merged_at": None,
                "head": {"ref": "fix", "sha": "a" * 40},
                "base": {"ref": "main", "repo": {"full_name": self.name}},
            }
        self.issues[number] = row
        self.deleted.discard(number)
        return row

    def edit(self, number: int, **changed: Any) -> None:
        """Change an issue; everything that is done to one moves its last change."""
        self.issues[number] |= {**changed, "updated_at": self.stamp()}

    def comment(self, number: int, body: str, login: str = "bob") -> Row:
        """Comment on an issue."""
        row = {"id": self.next_id(), "user": {"login": login}, "body": body, "created_at": self.stamp()}
        self.side.setdefault(f"issues/{number}/comments", []).append(row)
        self.edit(number, comments=self.issues[number]["comments"] + 1)
        return row

    def beside(self, place: str, row: Row) -> Row:
        """Put a row into a list that stands beside an issue, such as `pulls/3/comments`."""
        row = {"id": self.next_id(), **row}
        self.side.setdefault(place, []).append(row)
        self.edit(int(place.split("/")[1]))
        return row

    def delete(self, number: int) -> None:
        """Delete an issue, which changes nothing else."""
        del self.issues[number]
        self.deleted.add(number)

    def transfer(self, number: int, name: str) -> None:
        """Transfer an issue to another repository, which the same token sees."""
        del self.issues[number]
        self.transferred[number] = name

    def next_id(self) -> int:
        """Return a new id."""
        self._ids += 1
        return self._ids

    def stamp(self) -> str:
        """Return the time, a minute after the last one."""
        self.now += timedelta(minutes=1)
        return f"{self.now:%Y-%m-%dT%H:%M:%SZ}"

    # What it answers.

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Give the next fault, keep the limit, refuse who may not read, and answer 304 to who knows."""
        self.requests.append(request.path_qs)
        if request.headers.get("Accept") != "application/vnd.github+json" or not request.headers.get("User-Agent"):
            return _refused(403, "Request forbidden by administrative rules.")
        if self.faults:
            status, headers, message = self.faults.popleft()
            return web.json_response({"message": message}, status=status, headers=headers)
        limit = {"X-RateLimit-Limit": "5000", "X-RateLimit-Reset": str(self.reset)}
        if self.remaining == 0:
            return _refused(403, "API rate limit exceeded", {**limit, "X-RateLimit-Remaining": "0"})
        given = request.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            return _refused(401, "Bad credentials")
        if self.private and given is None:
            return _refused(404, "Not Found")
        response: web.Response = await handler(request)
        if response.status == 200:
            tag = f'W/"{hashlib.sha256(bytes(response.body or b"")).hexdigest()}"'  # type: ignore[arg-type]
            if request.headers.get("If-None-Match") == tag:
                self.not_modified += 1
                return web.Response(status=304, headers={"ETag": tag})
            response.headers["ETag"] = tag
        if self.remaining is not None:
            self.remaining -= 1
            response.headers.update({**limit, "X-RateLimit-Remaining": str(self.remaining)})
        return response

    def routes(self) -> list[web.RouteDef]:
        """Return what is served."""
        root = "/repos/{owner}/{name}"
        return [
            web.get(root, self.repository),
            web.get(f"{root}/issues", self.listed),
            web.get(f"{root}/issues/{{number}}", self.issue),
            web.get(f"{root}/pulls/{{number}}", self.pull),
            web.get(f"{root}/{{kind:issues|pulls}}/{{number}}/{{what}}", self.beside_one),
        ]

    async def repository(self, request: web.Request) -> web.Response:
        """Answer `GET /repos/{owner}/{repo}`."""
        asked = f"{request.match_info['owner']}/{request.match_info['name']}".lower()
        if asked not in (self.name.lower(), self.former.lower()):
            return _refused(404, "Not Found")
        visibility = "private" if self.private else "public"
        return web.json_response({"full_name": self.name, "private": self.private, "visibility": visibility})

    async def listed(self, request: web.Request) -> web.Response:
        """Answer `GET /repos/{owner}/{repo}/issues`, in which pull requests are too."""
        query = request.query
        wanted = ("open",) if query.get("state", "open") == "open" else ("open", "closed")
        rows = [row for row in self.issues.values() if row["state"] in wanted]
        rows = [row for row in rows if row["updated_at"] >= query.get("since", "")]
        by = {"updated": "updated_at", "created": "created_at"}[query.get("sort", "created")]
        rows.sort(key=lambda row: (row[by], row["number"]), reverse=query.get("direction", "desc") == "desc")
        return self.paged(request, rows)

    async def issue(self, request: web.Request) -> web.Response:
        """Answer `GET /repos/{owner}/{repo}/issues/{number}`."""
        number = int(request.match_info["number"])
        if number in self.transferred and request.match_info["name"] == self.name.partition("/")[2]:
            where = f"{self.url}/repos/{self.transferred[number]}/issues/{number}"
            return web.json_response({"url": where}, status=301, headers={"Location": where})
        if number in self.deleted:
            return _refused(410, "This issue was deleted")
        if number in self.transferred:
            row = {"number": number, "title": "elsewhere", "updated_at": "2026-01-01T00:00:00Z"}
            return web.json_response(
                {**row, "repository_url": f"https://api.github.com/repos/{self.transferred[number]}"}
            )
        row = self.issues.get(number, {})
        return web.json_response(row) if row else _refused(404, "Not Found")

    async def pull(self, request: web.Request) -> web.Response:
        """Answer `GET /repos/{owner}/{repo}/pulls/{number}`."""
        number = request.match_info["number"]
        row = self.pulls.get(int(number))
        if row is None:
            return _refused(404, "Not Found")
        counted = {"review_comments": "comments", "changed_files": "files", "commits": "commits"}
        counts = {name: len(self.side.get(f"pulls/{number}/{place}", [])) for name, place in counted.items()}
        return web.json_response({**row, **counts})

    async def beside_one(self, request: web.Request) -> web.Response:
        """Answer a list that stands beside an issue or pull request."""
        match = request.match_info
        return self.paged(request, self.side.get(f"{match['kind']}/{match['number']}/{match['what']}", []))

    def paged(self, request: web.Request, rows: Sequence[Row]) -> web.Response:
        """Return one part of a list, and where it goes on."""
        size = min(int(request.query.get("per_page", "30")), 100, self.most)
        page = int(request.query.get("page", "1"))
        headers = {}
        if page * size < len(rows):
            following = f"{self.url}{request.path}?{urlencode({**request.query, 'page': page + 1})}"
            last = f"{self.url}{request.path}?{urlencode({**request.query, 'page': -(-len(rows) // size)})}"
            headers["Link"] = f'<{following}>; rel="next", <{last}>; rel="last"'
        return web.json_response(rows[(page - 1) * size : page * size], headers=headers)

    def exported(self) -> str:
        """Return all as the lines of an export."""
        page = f"https://api.github.com/repos/{self.name}"
        lines: list[Row] = [*self.issues.values(), *self.pulls.values()]
        for place, rows in self.side.items():
            kind, number, what = re.split("/", place)
            if what in ("comments", "reviews"):
                about = "pull_request_url" if kind == "pulls" else "issue_url"
                lines += [{**row, about: f"{page}/{kind}/{number}"} for row in rows]
        return "".join(f"{json.dumps(line)}\n" for line in lines)


def _refused(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    return web.json_response(body, status=status, headers=headers)


@asynccontextmanager
async def fake_github() -> AsyncIterator[FakeGitHub]:
    """Serve a repository without issues."""
    fake = FakeGitHub()
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
