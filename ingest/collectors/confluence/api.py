"""What the collector asks of a Confluence, and the calls that Cloud and Data Center have in common.

The shapes are those of the vendor's published reference: the first API (`rest/api`) is Data Center's only one; Cloud
keeps of it what the second (`api/v2`) has no word for: search, restrictions, groups, users.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx

from ingest.collectors.confluence.content import (
    Attachment,
    Body,
    Comment,
    Content,
    Space,
    attachment_of,
    number_of,
    user_key,
)
from ingest.collectors.json_values import items, text, whole
from ingest.collectors.web import WebClient
from shirabe.errors import Forbidden, InvalidInput, NotFound, Unavailable
from shirabe.types import Acl

ROW: Final = (
    "version,space,ancestors,metadata.labels,container,extensions,"
    "restrictions.read.restrictions.user,restrictions.read.restrictions.group"
)
PAGE_SIZE: Final = 100
MAX_MEMBERS: Final = 20_000
_MAX_PAGES: Final = 20_000
_MEMBERS_AT_ONCE: Final = 200


class Api(Protocol):
    """One Confluence, Cloud or Data Center. What is not there, or may not be read, is None or left out.

    `site` is the address that links are relative to, as the last list told it; it need not be the one that is asked.
    """

    site: str

    async def spaces(self) -> list[Space]:
        """Return the current spaces that the account sees, gates left out."""

    async def gate(self, space: Space) -> Acl:
        """Return who may see a space, nobody when that cannot be read."""

    def contents(self, space: Space) -> AsyncIterator[Content]:
        """Yield the current pages and blog posts of a space."""

    async def content(self, number: str) -> Content | None:
        """Return a page or blog post as it is now."""

    async def above(self, number: str) -> tuple[str, Acl]:
        """Return the title and the gate of what pages lie in and is no page, such as a folder."""

    async def body(self, content: Content) -> Body | None:
        """Return what a page or blog post says now."""

    async def comments(self, content: Content) -> list[Comment]:
        """Return the comments of a page or blog post, replies included."""

    async def container(self, comment: str) -> tuple[str, int] | None:
        """Return the number of the page that a comment is at, and the comment's version."""

    async def attachment(self, number: str) -> Attachment | None:
        """Return an attachment as it is now."""

    async def download(self, one: Attachment, max_bytes: int) -> bytes | None:
        """Return the bytes of an attachment. Raises: InvalidInput when they are more."""

    def search(self, cql: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what a query in CQL finds, as rows of the first API."""

    def trashed(self, most: int) -> AsyncIterator[str]:
        """Yield the numbers of pages and blog posts in the trash, from at most so many answers of each."""

    async def time_zone(self) -> str:
        """Return the name of the account's time zone, in which a query's times are read; empty when not told."""

    async def members(self, group: str) -> list[str]:
        """Return the keys of a group's members; none when there are too many or they may not be read."""

    async def display_name(self, key: str) -> str:
        """Return what a user is called, the empty string when nobody says."""


class FirstApi:
    """The calls of `rest/api` that both have."""

    def __init__(self, web: WebClient, public: WebClient, base_path: str) -> None:
        """web: with the account's credentials. public: without any. base_path: of the site, as `/wiki`."""
        self.site = ""
        self.web = web
        self.public = public
        self._base_path = base_path.rstrip("/")
        self._names: dict[str, str] = {}

    async def search(self, cql: str) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what a query in CQL finds. Raises: as `WebClient.get` does."""
        params = {"cql": cql, "expand": ROW, "limit": str(PAGE_SIZE)}
        async for row in self.paged("rest/api/content/search", params):
            yield row

    async def time_zone(self) -> str:
        """Return the account's time zone."""
        return text(await self.web.get_json("rest/api/user/current"), "timeZone")

    async def display_name(self, key: str) -> str:
        """Return what a user is called."""
        if key not in self._names:
            found = await self.maybe("rest/api/user", {self.user_parameter(key): key})
            self._names[key] = text(found, "publicName") or text(found, "displayName")
        return self._names[key]

    def user_parameter(self, key: str) -> str:  # noqa: ARG002 - Data Center has two
        """Return how `rest/api/user` calls a user's key."""
        return "accountId"

    async def read_members(self, path: str) -> list[str]:
        """Return the keys of the members that a path lists; none when there are too many to know all."""
        found: list[str] = []
        try:
            async for user in self.paged(path, {"limit": str(_MEMBERS_AT_ONCE)}):
                if key := user_key(user):
                    found.append(key)
                if len(found) > MAX_MEMBERS:
                    return []
        except (Forbidden, NotFound, InvalidInput):
            return []
        return found

    async def paged(
        self, path: str, params: Mapping[str, str], most: int = _MAX_PAGES
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the results of a list, answer after answer, at most so many answers.

        Raises: Unavailable when the list has no end; as `WebClient.get` does.
        """
        answer = await self.web.get_json(path, params)
        seen: set[str] = set()
        base = text(answer, "_links", "base")
        if base.startswith(("https://", "http://")):
            self.site = base
        for number in range(1, most + 1):
            for item in items(answer.get("results") if isinstance(answer, Mapping) else None):
                yield item
            following = text(answer, "_links", "next")
            if not following:
                return
            if following in seen or number == _MAX_PAGES:
                raise Unavailable(f"the list at {path} has no end")
            seen.add(following)
            if number < most:
                answer = await self.web.get_json(self._local(following))

    async def maybe(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Return a JSON document, None when it is not there or may not be read."""
        try:
            return await self.web.get_json(path, params)
        except (NotFound, Forbidden):
            return None

    async def is_public(self, path: str) -> bool:
        """Tell whether what is at a path is shown to whoever asks."""
        try:
            answer = await self.public.get(path)
        except (NotFound, Forbidden, InvalidInput):
            return False
        try:
            found = answer.json()
        except Unavailable:  # a page to log in at
            return False
        return bool(text(found, "id")) and bool(text(found, "key"))

    async def read_attachment(self, path: str, params: Mapping[str, str]) -> Attachment | None:
        """Return an attachment of the first API."""
        row = await self.maybe(path, params)
        if row is None or text(row, "type") != "attachment" or text(row, "status") not in ("", "current"):
            return None
        return attachment_of(row, text(row, "container", "id"))

    async def download(self, one: Attachment, max_bytes: int) -> bytes | None:
        """Return the bytes of an attachment; Cloud keeps them at another host, which is shown no credentials."""
        path = f"/download/attachments/{one.container}/{quote(one.title, safe='')}"
        try:
            return await self.web.get_bytes(self._local(one.download or path), max_bytes=max_bytes)
        except (NotFound, Forbidden):
            return None

    def _local(self, link: str) -> str:
        """Return a link of an answer as a path of this site: some carry the path the site is at, some do not."""
        try:
            path = httpx.URL(link).raw_path.decode("ascii")
        except httpx.InvalidURL:
            raise Unavailable("a list goes on at something that is no address") from None
        return path if path.startswith(f"{self._base_path}/") else f"{self._base_path}{path}"


def modified_since(moment: datetime, spaces: Sequence[str]) -> str:
    """Return the query for what was written since a moment, told in the account's own time, by the minute."""
    query = f'lastmodified >= "{moment:%Y-%m-%d %H:%M}" and type in (page, blogpost, comment, attachment)'
    return f"{query}{_within(spaces)} order by lastmodified asc"


def all_of(kind: str, spaces: Sequence[str]) -> str:
    """Return the query for everything of a kind."""
    return f"type = {kind}{_within(spaces)}"


def _within(spaces: Sequence[str]) -> str:
    return f" and space in ({', '.join(quoted(key) for key in spaces)})" if spaces else ""


def quoted(words: str) -> str:
    """Return words as CQL quotes them."""
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def version_of(row: Mapping[str, Any]) -> int:
    """Return the version of a row."""
    return whole(row, "version", "number")


def container_of(row: Mapping[str, Any]) -> str:
    """Return the number of the page that a comment or attachment is at."""
    return number_of(text(row, "container", "id"))
