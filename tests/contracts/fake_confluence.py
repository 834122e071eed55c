"""A Confluence over real HTTP on loopback, Cloud or Data Center, as the vendor's published reference says they behave.

It pages, counts its limits, keeps deleted pages in a trash that the search does not see, reads a query's times in the
account's zone, and knows what one account may see. It has never met the real one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from fake_confluence_rows import Item, Row, Site, search

TOKEN = "fake-confluence-token-1"
AUTHORIZATION = f"Bearer {TOKEN}"


@dataclass
class FakeConfluence:
    """One server. `faults`: answers (status, headers) to give first. `most`: results in one answer at most.

    `login_page`: who has no token is shown one. `endless`: lists go on at their beginning.
    """

    site: Site
    url: str = ""
    most: int = 3
    requests: list[str] = field(default_factory=list)
    faults: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    forbidden: set[str] = field(default_factory=set)
    login_page: bool = False
    endless: bool = False

    @web.middleware
    async def guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Give the next fault, refuse who has no token, note what was asked."""
        self.requests.append(request.path_qs)
        if self.faults:
            status, headers = self.faults.popleft()
            return web.Response(status=status, headers=headers, text="try later")
        if any(part in request.path for part in self.forbidden):
            return _refused(403)
        if self.login_page and not self.knows(request):
            return web.Response(text="<html>Log in</html>", content_type="text/html")
        response: web.StreamResponse = await handler(request)
        return response

    def knows(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == AUTHORIZATION

    def routes(self) -> list[web.RouteDef]:
        context = self.site.context
        first = f"{context}/rest/api"
        routes = [
            web.get(f"{first}/content/search", self.search),
            web.get(f"{first}/user/current", self.current_user),
            web.get(f"{first}/user", self.user),
            web.get(f"{first}/content/{{id}}/restriction/byOperation/read", self.restriction),
            web.get(f"{context}/download/attachments/{{page}}/{{name}}", self.download),
            web.get(f"{context}/media/{{id}}", self.media),
        ]
        if not self.site.cloud:
            return [
                *routes,
                web.get(f"{first}/space", self.spaces),
                web.get(f"{first}/space/{{key}}", self.space),
                web.get(f"{first}/space/{{key}}/permissions", self.permissions),
                web.get(f"{first}/content", self.contents),
                web.get(f"{first}/content/{{id}}", self.content),
                web.get(f"{first}/content/{{id}}/child/comment", self.child_comments),
                web.get(f"{first}/group/{{name}}/member", self.members),
            ]
        second = f"{context}/api/v2"
        return [
            *routes,
            web.get(f"{first}/group/by-id", self.group),
            web.get(f"{first}/group/by-name", self.group),
            web.get(f"{first}/group/{{name}}/membersByGroupId", self.members),
            web.get(f"{second}/spaces", self.spaces),
            web.get(f"{second}/spaces/{{id}}", self.space),
            web.get(f"{second}/spaces/{{id}}/permissions", self.permissions),
            web.get(f"{second}/spaces/{{id}}/{{kinds}}", self.contents2),
            web.get(f"{second}/{{kinds:pages|blogposts}}", self.contents2),
            web.get(f"{second}/pages/{{id}}/ancestors", self.ancestors),
            web.get(f"{second}/{{kinds:pages|blogposts}}/{{id}}/{{place:footer|inline}}-comments", self.comments2),
            web.get(f"{second}/{{place:footer|inline}}-comments/{{id}}/children", self.comments2),
            web.get(f"{second}/{{place:footer|inline}}-comments/{{id}}", self.content2),
            web.get(
                f"{second}/{{kinds:pages|blogposts|attachments|folders|databases|whiteboards|embeds}}/{{id}}",
                self.content2,
            ),
        ]

    # Both.

    async def search(self, request: web.Request) -> web.Response:
        if not self.knows(request):
            return _refused(401)
        found = search(self.site, request.query.get("cql", ""))
        if found is None:
            return web.json_response(
                {"statusCode": 400, "message": f"Could not parse cql : {request.query['cql']}"}, status=400
            )
        return self.answer(request, found, self.first(request))

    async def current_user(self, request: web.Request) -> web.Response:
        zone = {"timeZone": self.site.time_zone} if self.site.cloud else {}
        return web.json_response({**self.site.user("5b10-yamada"), **zone})

    async def user(self, request: web.Request) -> web.Response:
        key = next(iter(request.query.values()), "")
        return web.json_response(self.site.user(key)) if key in self.site.users else _refused(404)

    async def restriction(self, request: web.Request) -> web.Response:
        item = self.found(request)
        return web.json_response(self.site.read_restriction(item)) if item else _refused(404)

    async def download(self, request: web.Request) -> web.StreamResponse:
        if not self.knows(request):
            return _refused(401)
        wanted = (request.match_info["page"], request.match_info["name"])
        found = [one for one in self.site.current("attachment") if (one.container, one.title) == wanted]
        if not found:
            return _refused(404)
        raise web.HTTPFound(f"{self.site.context}/media/{found[0].number}?token=signed")

    async def media(self, request: web.Request) -> web.Response:
        return web.Response(body=self.site.items[request.match_info["id"]].content)

    async def spaces(self, request: web.Request) -> web.Response:
        rows = [self.space_row(key) for key in self.site.spaces] if self.knows(request) else []
        return self.answer(request, rows)

    async def space(self, request: web.Request) -> web.Response:
        key = self.space_key(request)
        shown = key in self.site.spaces and (self.knows(request) or self.site.spaces[key].anonymous)
        return web.json_response(self.space_row(key)) if shown else _refused(404)

    async def permissions(self, request: web.Request) -> web.Response:
        if not self.knows(request):
            return _refused(401)
        space = self.site.spaces[self.space_key(request)]
        readers = [*space.readers, *([("anonymous", "")] if space.anonymous else [])]
        rows = [self.permission(kind, name, "read", "space") for kind, name in readers]
        rows += [self.permission("group", "editors", "create", "page")]
        return self.answer(request, rows) if self.site.cloud else web.json_response(rows)

    async def members(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].removeprefix("gid-")
        if name not in self.site.groups:
            return _refused(404)
        return self.answer(request, [self.site.user(key) for key in self.site.groups[name]])

    # Data Center.

    async def contents(self, request: web.Request) -> web.Response:
        if not self.knows(request):
            return self.answer(request, [])
        kind, status = request.query.get("type", "page"), request.query.get("status", "current")
        items = [one for one in self.site.items.values() if (one.kind, one.status) == (kind, status)]
        if key := request.query.get("spaceKey"):
            items = [one for one in items if one.space == key]
        return self.answer(request, items, self.first(request))

    async def content(self, request: web.Request) -> web.Response:
        item = self.found(request)
        if item is None or not self.site.is_current(item):
            return _refused(404)
        return web.json_response(self.site.row(item, request.query.get("expand", "")))

    async def child_comments(self, request: web.Request) -> web.Response:
        item = self.found(request)
        if item is None:
            return _refused(404)
        found = [one for one in self.site.current("comment") if one.container == item.number]
        if request.query.get("depth") != "all":
            found = [one for one in found if not one.parent]
        return self.answer(request, found, self.first(request))

    # Cloud.

    async def contents2(self, request: web.Request) -> web.Response:
        if not self.knows(request):
            return self.answer(request, [])
        kind, status = request.match_info["kinds"].removesuffix("s"), request.query.get("status", "current")
        items = [one for one in self.site.items.values() if (one.kind, one.status) == (kind, status)]
        if "id" in request.match_info:
            items = [one for one in items if one.space == self.space_key(request)]
        return self.answer(request, items, lambda one: self.site.second(one, request.query))

    async def content2(self, request: web.Request) -> web.Response:
        kinds = {"pages": "page", "blogposts": "blogpost", "attachments": "attachment"}
        kind = kinds.get(request.match_info.get("kinds", ""), request.match_info.get("kinds", "comments")[:-1])
        item = self.found(request)
        place = request.match_info.get("place")
        if item is None or item.kind != kind or (place and (place == "inline") != bool(item.inline)):
            return _refused(404)
        if item.status != "current" and kind == "comment":
            return _refused(404)
        return web.json_response(self.site.second(item, request.query))

    async def ancestors(self, request: web.Request) -> web.Response:
        item = self.found(request)
        if item is None:
            return _refused(404)
        return self.answer(request, [{"id": one.number, "type": one.kind} for one in self.site.ancestors(item)])

    async def comments2(self, request: web.Request) -> web.Response:
        wanted, place = request.match_info["id"], request.match_info["place"]
        of_page = "kinds" in request.match_info
        found = [
            one
            for one in self.site.current("comment")
            if (one.inline != "") == (place == "inline")
            and (one.container == wanted and not one.parent if of_page else one.parent == wanted)
        ]
        return self.answer(request, found, lambda one: self.site.second(one, request.query))

    async def group(self, request: web.Request) -> web.Response:
        name = request.query.get("name") or request.query.get("id", "").removeprefix("gid-")
        if name not in self.site.groups:
            return _refused(404)
        return web.json_response({"type": "group", "name": name, "id": self.site.group_id(name)})

    # What they share.

    def found(self, request: web.Request) -> Item | None:
        """Return the item that a path names, when the account is one."""
        return self.site.items.get(request.match_info["id"].removeprefix("att")) if self.knows(request) else None

    def space_key(self, request: web.Request) -> str:
        named = request.match_info.get("key") or request.match_info["id"]
        return next((one.key for one in self.site.spaces.values() if named in (one.key, one.number)), "")

    def space_row(self, key: str) -> Row:
        space = self.site.spaces[key]
        number: Any = space.number if self.site.cloud else int(space.number)
        return {"id": number, "key": key, "name": space.name, "type": "global", "status": "current"}

    def permission(self, kind: str, name: str, operation: str, target: str) -> Row:
        if self.site.cloud:
            principal = {"type": kind, "id": self.site.group_id(name) if kind == "group" else name}
            return {"id": "1", "principal": principal, "operation": {"key": operation, "targetType": target}}
        subject = {"type": "group", "name": name} if kind == "group" else self.site.user(name)
        if kind == "anonymous":
            subject = {"type": "anonymous", "displayName": "Anonymous"}
        return {"operation": {"targetType": target, "operationKey": operation}, "subject": subject}

    def first(self, request: web.Request) -> Callable[[Item], Row]:
        """Return how the first API shows an item, expanded as was asked."""
        return lambda item: self.site.row(item, request.query.get("expand", ""))

    def answer(
        self, request: web.Request, rows: Sequence[Any], make: Callable[[Any], Row] = lambda row: row
    ) -> web.Response:
        """Return one part of a list, and where it goes on."""
        second = "/api/v2/" in request.path
        by_cursor = second or (self.site.cloud and "search" in request.path)
        mark = "cursor" if by_cursor else "start"
        start = int(request.query.get(mark, "0").removeprefix("c"))
        limit = min(int(request.query.get("limit", "25")), self.most)
        body: Row = {"results": [make(row) for row in rows[start : start + limit]], "_links": {"base": self.site.base}}
        headers = {}
        if start + limit < len(rows) or self.endless:
            after = 0 if self.endless else start + limit
            following = {**request.query, mark: f"c{after}" if by_cursor else str(after)}
            # The first API leaves out the path that the site is at, the second does not.
            path = request.path if second else request.path.removeprefix(self.site.context)
            body["_links"]["next"] = f"{path}?{urlencode(following)}"
            headers["Link"] = f'<{body["_links"]["next"]}>; rel="next"'
        if not second:
            body |= {"start": start, "limit": limit, "size": len(body["results"])}
            body["_links"]["context"] = self.site.context
        return web.json_response(body, headers=headers)


def _refused(status: int) -> web.Response:
    return web.json_response(
        {"statusCode": status, "message": "No content found, or you may not see it"}, status=status
    )


@asynccontextmanager
async def fake_confluence(*, cloud: bool) -> AsyncIterator[FakeConfluence]:
    """Serve a site with nothing in it but one space."""
    site = Site(cloud, context="/wiki" if cloud else "/confluence")
    fake = FakeConfluence(site)
    app = web.Application(middlewares=[fake.guard])
    app.add_routes(fake.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}{site.context}"
    site.base = fake.url
    site.space()
    try:
        yield fake
    finally:
        await runner.cleanup()
