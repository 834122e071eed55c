"""Confluence Cloud: `api/v2` where it has the word, `rest/api` for search, restrictions, groups and users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from ingest.collectors.confluence.api import FirstApi, quoted
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
    number_of,
)
from ingest.collectors.json_values import at, items, moment_of, text, whole
from ingest.collectors.web import WebClient
from shirabe.errors import Forbidden, NotFound
from shirabe.types import Acl

_LIMIT: Final = {"limit": "250"}
_PLURAL: Final = {"page": "pages", "blogpost": "blogposts"}
_COMMENT_KINDS: Final = ("footer-comments", "inline-comments")
_READ: Final = "restriction/byOperation/read"
_READ_EXPAND: Final = {"expand": "restrictions.user,restrictions.group"}
# What pages may lie in, and where it is asked for its title.
_ABOVE: Final = ("folders", "databases", "whiteboards", "embeds")


class Cloud(FirstApi):
    """One Cloud site."""

    def __init__(self, web: WebClient, public: WebClient, base_path: str) -> None:
        super().__init__(web, public, base_path)
        self._space_keys: dict[str, str] = {}
        self._group_ids: dict[str, str] = {}
        self._group_names: dict[str, str] = {}

    async def spaces(self) -> list[Space]:
        """Return the current spaces that the account sees."""
        rows = [row async for row in self.paged("api/v2/spaces", {**_LIMIT, "status": "current"})]
        self._space_keys = {text(row, "id"): text(row, "key") for row in rows}
        return [Space(text(row, "key"), text(row, "id"), text(row, "name")) for row in rows]

    async def gate(self, space: Space) -> Acl:
        """Return who may see a space."""
        path = f"api/v2/spaces/{quote(space.number)}"
        if await self.is_public(path):
            return OPEN
        names: set[str] = set()
        try:
            async for row in self.paged(f"{path}/permissions", _LIMIT):
                if (at(row, "operation", "key"), at(row, "operation", "targetType")) != ("read", "space"):
                    continue
                kind, identifier = text(row, "principal", "type"), text(row, "principal", "id")
                if kind == "user" and identifier:
                    names.add(f"{USER}{identifier}")
                elif kind == "group" and (name := await self._group_name(identifier)):
                    names.add(f"{GROUP}{name}")
        except (NotFound, Forbidden):
            return NOBODY
        return Acl(principals=tuple(sorted(names))) if names else NOBODY

    async def contents(self, space: Space) -> AsyncIterator[Content]:
        """Yield the current pages and blog posts of a space.

        The list of what there is comes from `api/v2`; labels, ancestors and restrictions from the search, as long as
        it agrees with the list: an index may be behind.
        """
        query = f"space = {quoted(space.key)} and type in (page, blogpost)"
        found = {text(row, "id"): row async for row in self.search(query)}
        for kind in PAGES:
            path = f"api/v2/spaces/{quote(space.number)}/{_PLURAL[kind]}"
            async for item in self.paged(path, {**_LIMIT, "status": "current"}):
                row = found.get(text(item, "id"))
                if row is not None and self._agree(row, item):
                    self._know_groups(at(row, "restrictions", "read"))
                    yield content_of(row)
                elif content := await self._content(kind, text(item, "id")):
                    yield content

    async def content(self, number: str) -> Content | None:
        """Return a page or blog post as it is now."""
        for kind in PAGES:
            if content := await self._content(kind, number):
                return content
        return None

    async def above(self, number: str) -> tuple[str, Acl]:
        """Return the title and the gate of what pages lie in."""
        gate = await self._gate_of(number)
        for kind in _ABOVE:
            if found := await self.maybe(f"api/v2/{kind}/{quote(number, safe='')}"):
                return text(found, "title"), gate
        return "", gate

    async def body(self, content: Content) -> Body | None:
        """Return what a page or blog post says now."""
        found = await self.maybe(f"api/v2/{_PLURAL[content.kind]}/{content.number}", {"body-format": "storage"})
        if found is None or text(found, "status") != "current":
            return None
        version, written = whole(found, "version", "number"), moment_of(at(found, "version", "createdAt"))
        storage = text(found, "body", "storage", "value")
        return Body(text(found, "title"), version, written, storage, text(found, "_links", "webui"))

    async def comments(self, content: Content) -> list[Comment]:
        """Return the comments of a page or blog post, replies included, each after what it answers."""
        done: list[Comment] = []
        for kind in _COMMENT_KINDS:
            waiting = [f"api/v2/{_PLURAL[content.kind]}/{content.number}/{kind}"]
            while waiting:
                try:
                    rows = [row async for row in self.paged(waiting.pop(), {**_LIMIT, "body-format": "storage"})]
                except NotFound:
                    continue
                done += [_comment(row) for row in rows if text(row, "status") in ("", "current")]
                waiting += [f"api/v2/{kind}/{text(row, 'id')}/children" for row in reversed(rows)]
        named = [replace(comment, author=await self.display_name(comment.author)) for comment in done]
        return sorted(named, key=lambda comment: comment.written)

    async def container(self, comment: str) -> tuple[str, int] | None:
        """Return the page that a comment is at, and the comment's version."""
        version, number = 0, comment
        for _ in range(100):  # replies to replies
            found = None
            for kind in _COMMENT_KINDS:
                found = found or await self.maybe(f"api/v2/{kind}/{quote(number, safe='')}")
            if found is None or text(found, "status") not in ("", "current"):
                return None
            version = version or whole(found, "version", "number")
            page = text(found, "pageId") or text(found, "blogPostId")
            number = text(found, "parentCommentId")
            if page or not number:
                return (page, version) if page else None
        return None

    async def attachment(self, number: str) -> Attachment | None:
        """Return an attachment as it is now."""
        found = await self.maybe(f"api/v2/attachments/att{quote(number, safe='')}")
        if found is None or text(found, "status") not in ("", "current"):
            return None
        return Attachment(
            number=number_of(text(found, "id")),
            container=text(found, "pageId") or text(found, "blogPostId"),
            title=text(found, "title"),
            version=whole(found, "version", "number"),
            written=moment_of(at(found, "version", "createdAt") or at(found, "createdAt")),
            size=whole(found, "fileSize"),
            download=text(found, "downloadLink") or text(found, "_links", "download"),
            webui=text(found, "webuiLink") or text(found, "_links", "webui"),
        )

    async def trashed(self, most: int) -> AsyncIterator[str]:
        """Yield the numbers of pages and blog posts in the trash, what was changed last first."""
        for kind in PAGES:
            params = {**_LIMIT, "status": "trashed", "sort": "-modified-date"}
            async for item in self.paged(f"api/v2/{_PLURAL[kind]}", params, most):
                yield text(item, "id")

    async def members(self, group: str) -> list[str]:
        """Return the keys of a group's members."""
        if group not in self._group_ids:
            found = await self.maybe("rest/api/group/by-name", {"name": group})
            self._group_ids[group] = text(found, "id")
        identifier = self._group_ids[group]
        return await self.read_members(f"rest/api/group/{quote(identifier)}/membersByGroupId") if identifier else []

    async def _content(self, kind: str, number: str) -> Content | None:
        path = f"api/v2/{_PLURAL[kind]}/{quote(number, safe='')}"
        found = await self.maybe(path, {"include-labels": "true"})
        if found is None or text(found, "status") != "current":
            return None
        ancestors = [text(one, "id") async for one in self.paged(f"{path}/ancestors", _LIMIT)] if kind == "page" else []
        return Content(
            number=text(found, "id"),
            kind=kind,
            space=await self._space_key(text(found, "spaceId")),
            title=text(found, "title"),
            version=whole(found, "version", "number"),
            written=moment_of(at(found, "version", "createdAt")),
            ancestors=tuple(ancestors),
            labels=tuple(sorted(text(label, "name") for label in items(at(found, "labels", "results")))),
            gate=await self._gate_of(number),
            webui=text(found, "_links", "webui"),
        )

    async def _gate_of(self, number: str) -> Acl:
        read = await self.maybe(f"rest/api/content/{quote(number, safe='')}/{_READ}", _READ_EXPAND)
        self._know_groups(read)
        return gate_of(read)

    async def _space_key(self, number: str) -> str:
        if number not in self._space_keys:
            await self.spaces()
        return self._space_keys.get(number, "")

    async def _group_name(self, identifier: str) -> str:
        if identifier not in self._group_names:
            name = text(await self.maybe("rest/api/group/by-id", {"id": identifier}), "name")
            self._group_names[identifier] = name
            self._group_ids[name] = identifier
        return self._group_names[identifier]

    def _know_groups(self, read: Any) -> None:
        for group in items(at(read, "restrictions", "group", "results")):
            if text(group, "id"):
                self._group_ids[text(group, "name")] = text(group, "id")

    def _agree(self, row: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
        ancestors = [text(one, "id") for one in items(at(row, "ancestors"))]
        return (
            whole(row, "version", "number") == whole(item, "version", "number")
            and text(row, "title") == text(item, "title")
            and (ancestors[-1] if ancestors else "") == text(item, "parentId")
        )


def _comment(row: Mapping[str, Any]) -> Comment:
    return Comment(
        number=text(row, "id"),
        author=text(row, "version", "authorId"),
        written=moment_of(at(row, "version", "createdAt")),
        storage=text(row, "body", "storage", "value"),
        quoted=text(row, "properties", "inlineOriginalSelection"),
        resolved=text(row, "resolutionStatus") == "resolved",
    )
