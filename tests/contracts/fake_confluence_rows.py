"""What a fake Confluence holds, and the JSON of both its APIs, as the vendor's reference shows them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]


@dataclass
class Item:
    """A page, blog post, comment, attachment or folder; `container` is the page of the last two."""

    number: str
    kind: str
    space: str
    title: str
    when: datetime
    storage: str = ""
    parent: str = ""
    container: str = ""
    version: int = 1
    status: str = "current"
    labels: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    content: bytes = b""
    media_type: str = ""
    author: str = "5b10-yamada"
    inline: str = ""
    resolved: bool = False

    @property
    def identifier(self) -> str:
        return f"att{self.number}" if self.kind == "attachment" else self.number


@dataclass
class SpaceItem:
    """A space; `readers` are ("user" or "group", name) with the permission to see it."""

    key: str
    number: str
    name: str
    readers: list[tuple[str, str]] = field(default_factory=lambda: [("group", "staff")])
    anonymous: bool = False


@dataclass
class Site:
    """Everything there is. `now` is the server's time; `unindexed` are numbers that the search does not know."""

    cloud: bool
    base: str = ""
    context: str = ""
    now: datetime = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
    time_zone: str | None = "Asia/Tokyo"
    spaces: dict[str, SpaceItem] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=lambda: {"staff": ["5b10-yamada", "5b10-sato"]})
    users: dict[str, str] = field(default_factory=lambda: {"5b10-yamada": "山田太郎", "5b10-sato": "佐藤花子"})
    unindexed: set[str] = field(default_factory=set)
    _next: int = 1000

    def space(self, key: str = "DEV", name: str = "開発", **facts: Any) -> SpaceItem:
        self.spaces[key] = SpaceItem(key, str(len(self.spaces) + 70), name, **facts)
        return self.spaces[key]

    def put(
        self, title: str, storage: str = "", *, kind: str = "page", space: str = "DEV", number: str = "", **facts: Any
    ) -> Item:
        """Write a new item a minute after the last one."""
        self._next += 1
        self.now += timedelta(minutes=1)
        item = Item(number or str(self._next), kind, space, title, self.now, storage, **facts)
        self.items[item.number] = item
        return item

    def edit(self, item: Item, **facts: Any) -> None:
        """Write a new version."""
        self.now += timedelta(minutes=1)
        for name, value in facts.items():
            setattr(item, name, value)
        item.version += 1
        item.when = self.now

    def trash(self, item: Item) -> None:
        """Put an item into the trash; what was under it hangs at its parent. No version is made."""
        self.now += timedelta(minutes=1)
        item.status = "trashed"
        for other in self.items.values():
            if other.parent == item.number:
                other.parent = item.parent

    def ancestors(self, item: Item) -> list[Item]:
        found: list[Item] = []
        while item.parent:
            item = self.items[item.parent]
            found.insert(0, item)
        return found

    def current(self, *kinds: str) -> list[Item]:
        return [item for item in self.items.values() if item.kind in kinds and self.is_current(item)]

    def is_current(self, item: Item) -> bool:
        holder = self.items.get(item.container)
        return item.status == "current" and (holder is None or self.is_current(holder))

    def group_id(self, name: str) -> str:
        return f"gid-{name}"

    # The first API.

    def row(self, item: Item, expand: str) -> Row:
        """Return an item with what was asked to be expanded, and nothing else."""
        asked = {part.strip() for part in expand.split(",") if part}
        first = {part.partition(".")[0] for part in asked}
        row: Row = {"id": item.identifier, "type": item.kind, "status": item.status, "title": item.title}
        row["_links"] = {"webui": self.webui(item), "self": f"{self.base}/rest/api/content/{item.identifier}"}
        space = self.spaces[item.space]
        full: dict[str, Callable[[], Any]] = {
            "version": lambda: {"number": item.version, "when": self.told(item.when), "by": self.user(item.author)},
            "space": lambda: {"id": int(space.number), "key": space.key, "name": space.name, "type": "global"},
            "ancestors": lambda: [
                {"id": one.identifier, "type": one.kind, "title": one.title} for one in self.ancestors(item)
            ],
            "history": lambda: {"createdBy": self.user(item.author), "createdDate": self.told(item.when)},
            "container": lambda: {"id": item.container, "type": "page"} if item.container else None,
        }
        row |= {name: make() for name, make in full.items() if name in first}
        if "metadata.labels" in asked:
            row["metadata"] = {"labels": {"results": [{"prefix": "global", "name": name} for name in item.labels]}}
        if "body.storage" in asked:
            row["body"] = {"storage": {"value": item.storage, "representation": "storage"}}
        if {"restrictions.read.restrictions.user", "restrictions.read.restrictions.group"} <= asked:
            row["restrictions"] = {"read": self.read_restriction(item)}
        if "extensions" in first:
            row["extensions"] = self.extensions(item)
        if item.kind == "attachment":
            row["_links"]["download"] = f"/download/attachments/{item.container}/{item.title}?version={item.version}"
        return row

    def extensions(self, item: Item) -> Row:
        if item.kind == "attachment":
            return {"mediaType": item.media_type, "fileSize": len(item.content)}
        state = {"status": "resolved" if item.resolved else "open"}
        inline = {"inlineProperties": {"originalSelection": item.inline}} if item.inline else {}
        return {"location": "inline" if item.inline else "footer", "resolution": state, **inline}

    def read_restriction(self, item: Item) -> Row:
        groups = [{"type": "group", "name": name, "id": self.group_id(name)} for name in item.groups]
        return {
            "operation": "read",
            "restrictions": {
                "user": {"results": [self.user(key) for key in item.users], "start": 0, "limit": 200},
                "group": {"results": groups, "start": 0, "limit": 200},
            },
        }

    def user(self, key: str) -> Row:
        name = self.users.get(key, key)
        if self.cloud:
            return {"type": "known", "accountId": key, "accountType": "atlassian", "publicName": name}
        return {"type": "known", "username": key, "userKey": "0" * 32, "displayName": name}

    def told(self, when: datetime) -> str:
        zone = UTC if self.cloud else ZoneInfo("Asia/Tokyo")
        return when.astimezone(zone).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def webui(self, item: Item) -> str:
        if item.kind in ("page", "blogpost"):
            return f"/spaces/{item.space}/pages/{item.number}/{item.title.replace(' ', '+')}"
        return f"/spaces/{item.space}/pages/{item.container}?focus={item.identifier}"

    # The second API.

    def second(self, item: Item, params: Mapping[str, str]) -> Row:
        """Return an item as `api/v2` does."""
        written = self.told(item.when)
        row: Row = {"id": item.identifier, "status": item.status, "title": item.title, "createdAt": written}
        row["version"] = {"number": item.version, "createdAt": written, "authorId": item.author}
        row["_links"] = {"webui": self.webui(item), "base": self.base}
        holder = self.items.get(item.container)
        if holder is not None:
            row["pageId" if holder.kind == "page" else "blogPostId"] = holder.number
        match item.kind:
            case "attachment":
                link = f"/download/attachments/{item.container}/{item.title}?version={item.version}"
                row |= {"mediaType": item.media_type, "fileSize": len(item.content), "downloadLink": link}
                row["webuiLink"] = self.webui(item)
            case "comment":
                row |= {"parentCommentId": item.parent} if item.parent else {}
                row["resolutionStatus"] = "resolved" if item.resolved else "open"
                row["properties"] = {"inlineOriginalSelection": item.inline}
            case _:
                row |= {"spaceId": self.spaces[item.space].number, "parentId": item.parent or None}
        if params.get("body-format") == "storage":
            row["body"] = {"storage": {"representation": "storage", "value": item.storage}}
        if params.get("include-labels") == "true":
            row["labels"] = {"results": [{"id": name, "name": name, "prefix": "global"} for name in item.labels]}
        return row


_CONDITION = re.compile(
    r'\s*(\w+)\s*(>=|=|in)\s*("(?:[^"\\]|\\.)*"|\w+|\((?:[^()"]|"(?:[^"\\]|\\.)*")*\))\s*(?:and\b|$)', re.IGNORECASE
)
_MINUTE = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}")


def search(site: Site, cql: str) -> list[Item] | None:
    """Return what a query finds, None when it is none. The trash is not in the index."""
    conditions, _, order = cql.partition(" order by ")
    if order not in ("", "lastmodified asc", "lastmodified desc"):
        return None
    found = site.current("page", "blogpost", "comment", "attachment")
    found = [item for item in found if item.number not in site.unindexed]
    place = 0
    while place < len(conditions):
        match = _CONDITION.match(conditions, place)
        if match is None:
            return None
        place = match.end()
        name, operator, value = match[1].lower(), match[2].lower(), match[3]
        values = [one.strip().strip('"') for one in value.strip("()").split(",")]
        if name == "lastmodified" and operator == ">=" and _MINUTE.fullmatch(values[0]):
            since = datetime.fromisoformat(values[0]).replace(tzinfo=ZoneInfo(site.time_zone or "UTC"))
            found = [item for item in found if item.when >= since]
        elif name in ("type", "space") and operator in ("=", "in"):
            found = [item for item in found if getattr(item, "kind" if name == "type" else "space") in values]
        else:
            return None
    return sorted(found, key=lambda item: item.when, reverse=order.endswith("desc")) if order else found
