"""Confluence Data Center: everything by `rest/api`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from ingest.collectors.confluence.api import PAGE_SIZE, ROW, FirstApi, version_of
from ingest.collectors.confluence.content import (
    GROUP,
    NOBODY,
    OPEN,
    PAGES,
    USER,
    Attachment,
    Body,
    Comment,
    Content,
    Space,
    content_of,
    gate_of,
    user_key,
)
from ingest.collectors.json_values import at, items, moment_of, text, whole
from shirabe.errors import NotFound
from shirabe.types import Acl

_COMMENT: Final = "body.storage,version,history,extensions.inlineProperties,extensions.resolution"
_USER_KEY: Final = re.compile(r"[0-9a-f]{32}")


class DataCenter(FirstApi):
    """One Data Center site."""

    async def spaces(self) -> list[Space]:
        """Return the current spaces that the account sees."""
        params = {"status": "current", "limit": str(PAGE_SIZE)}
        rows = [row async for row in self.paged("rest/api/space", params)]
        return [Space(text(row, "key"), text(row, "id"), text(row, "name")) for row in rows]

    async def gate(self, space: Space) -> Acl:
        """Return who may see a space: the REST resource for it came with 9.1."""
        path = f"rest/api/space/{quote(space.key)}"
        if await self.is_public(path):
            return OPEN
        found = await self.maybe(f"{path}/permissions")
        names: set[str] = set()
        for row in items(found if isinstance(found, list) else at(found, "results")):
            if (at(row, "operation", "operationKey"), at(row, "operation", "targetType")) != ("read", "space"):
                continue
            subject = at(row, "subject") or {}
            if text(subject, "type") == "group":
                names.add(f"{GROUP}{text(subject, 'name') or text(subject, 'displayName')}")
            elif key := user_key(subject):
                names.add(f"{USER}{key}")
        return Acl(principals=tuple(sorted(names))) if names else NOBODY

    async def contents(self, space: Space) -> AsyncIterator[Content]:
        """Yield the current pages and blog posts of a space."""
        for kind in PAGES:
            params = {"type": kind, "spaceKey": space.key, "status": "current", "expand": ROW, "limit": str(PAGE_SIZE)}
            async for row in self.paged("rest/api/content", params):
                yield content_of(row)

    async def content(self, number: str) -> Content | None:
        """Return a page or blog post as it is now."""
        row = await self.maybe(f"rest/api/content/{quote(number, safe='')}", {"expand": ROW})
        is_page = text(row, "type") in PAGES and text(row, "status") == "current"
        return content_of(row) if is_page else None

    async def above(self, number: str) -> tuple[str, Acl]:
        """Return the title and the gate of what pages lie in."""
        row = await self.maybe(f"rest/api/content/{quote(number, safe='')}", {"expand": ROW})
        return text(row, "title"), gate_of(at(row, "restrictions", "read"))

    async def body(self, content: Content) -> Body | None:
        """Return what a page or blog post says now."""
        row = await self.maybe(f"rest/api/content/{content.number}", {"expand": "body.storage,version"})
        if row is None or text(row, "status") != "current":
            return None
        storage, written = text(row, "body", "storage", "value"), moment_of(at(row, "version", "when"))
        return Body(text(row, "title"), version_of(row), written, storage, text(row, "_links", "webui"))

    async def comments(self, content: Content) -> list[Comment]:
        """Return the comments of a page or blog post, replies included."""
        params = {"expand": _COMMENT, "depth": "all", "limit": str(PAGE_SIZE)}
        try:
            rows = [row async for row in self.paged(f"rest/api/content/{content.number}/child/comment", params)]
        except NotFound:
            return []
        return [
            Comment(
                number=text(row, "id"),
                author=text(row, "history", "createdBy", "displayName") or text(row, "version", "by", "displayName"),
                written=moment_of(at(row, "history", "createdDate") or at(row, "version", "when")),
                storage=text(row, "body", "storage", "value"),
                quoted=text(row, "extensions", "inlineProperties", "originalSelection"),
                resolved=text(row, "extensions", "resolution", "status") == "resolved",
            )
            for row in rows
        ]

    async def container(self, comment: str) -> tuple[str, int] | None:
        """Return the page that a comment is at, and the comment's version."""
        row = await self.maybe(f"rest/api/content/{quote(comment, safe='')}", {"expand": "container,version"})
        if text(row, "type") != "comment" or text(row, "status") not in ("", "current"):
            return None
        return text(row, "container", "id"), whole(row, "version", "number")

    async def attachment(self, number: str) -> Attachment | None:
        """Return an attachment as it is now."""
        path = f"rest/api/content/att{quote(number, safe='')}"
        return await self.read_attachment(path, {"expand": "version,container,extensions"})

    async def trashed(self, most: int) -> AsyncIterator[str]:
        """Yield the numbers of pages and blog posts in the trash."""
        for kind in PAGES:
            params = {"type": kind, "status": "trashed", "limit": str(PAGE_SIZE)}
            async for row in self.paged("rest/api/content", params, most):
                yield text(row, "id")

    async def members(self, group: str) -> list[str]:
        """Return the keys of a group's members."""
        return await self.read_members(f"rest/api/group/{quote(group, safe='')}/member")

    def user_parameter(self, key: str) -> str:
        """Return how `rest/api/user` calls a user's key."""
        return "key" if _USER_KEY.fullmatch(key) else "username"
