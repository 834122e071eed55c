"""What Confluence holds, as far as finding out what changed needs it; and the JSON of its two APIs into that.

Who may see something is an `Acl` here too, as a gate: open (`public`), for some, or, where nobody knows, for nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ingest.collectors.json_values import at, items, moment_of, text, whole
from shirabe.types import Acl

OPEN: Final = Acl(public=True)
NOBODY: Final = Acl()
PAGES: Final = ("page", "blogpost")
USER: Final = "confluence:user:"
GROUP: Final = "confluence:group:"


@dataclass(frozen=True, slots=True)
class Space:
    """A space; `gate`: who may see it."""

    key: str
    number: str
    name: str
    gate: Acl = NOBODY


@dataclass(frozen=True, slots=True)
class Content:
    """A page, a blog post, or what pages lie in (`kind`); `ancestors` are ids, outermost first.

    `gate` is its own read restriction, without those of its ancestors. `written` is when its version was made.
    """

    number: str
    kind: str
    space: str
    title: str
    version: int
    written: datetime
    ancestors: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    gate: Acl = NOBODY
    webui: str = ""

    @property
    def path(self) -> str:
        """The id of its document."""
        return f"{self.kind}/{self.number}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file at a page or blog post, `container` by its number; `size` in bytes."""

    number: str
    container: str
    title: str
    version: int
    written: datetime
    size: int
    download: str
    webui: str = ""

    @property
    def path(self) -> str:
        """The id of its document."""
        return f"attachment/{self.number}"


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment; `quoted` is the text of the page that an inline comment is about, `author` a key or a name."""

    number: str
    author: str
    written: datetime
    storage: str
    quoted: str = ""
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """What a page or blog post says, at the version that says it."""

    title: str
    version: int
    written: datetime
    storage: str
    webui: str


def number_of(identifier: str) -> str:
    """Return an attachment's id without the `att` that some calls put before it."""
    return identifier.removeprefix("att")


def content_of(row: Mapping[str, Any]) -> Content:
    """Read a page or blog post of the first API."""
    return Content(
        number=text(row, "id"),
        kind=text(row, "type"),
        space=text(row, "space", "key"),
        title=text(row, "title"),
        version=whole(row, "version", "number"),
        written=moment_of(at(row, "version", "when")),
        ancestors=tuple(text(one, "id") for one in items(at(row, "ancestors"))),
        labels=tuple(sorted(text(one, "name") for one in items(at(row, "metadata", "labels", "results")))),
        gate=gate_of(at(row, "restrictions", "read")),
        webui=text(row, "_links", "webui"),
    )


def attachment_of(row: Mapping[str, Any], container: str) -> Attachment:
    """Read an attachment of the first API."""
    return Attachment(
        number=number_of(text(row, "id")),
        container=container,
        title=text(row, "title"),
        version=whole(row, "version", "number"),
        written=moment_of(at(row, "version", "when")),
        size=whole(row, "extensions", "fileSize"),
        download=text(row, "_links", "download"),
        webui=text(row, "_links", "webui"),
    )


def gate_of(read: Any) -> Acl:
    """Return who a read restriction lets in: everybody when it names nobody, nobody when it cannot be read."""
    users, groups = at(read, "restrictions", "user", "results"), at(read, "restrictions", "group", "results")
    if not isinstance(users, list) or not isinstance(groups, list):
        return NOBODY
    if not users and not groups:
        return OPEN
    names = [f"{USER}{key}" for user in items(users) if (key := user_key(user))]
    names += [f"{GROUP}{name}" for group in items(groups) if (name := text(group, "name"))]
    return Acl(principals=tuple(sorted(set(names))))


def user_key(user: Mapping[str, Any]) -> str:
    """Return what a user is called by: the account id in Cloud, the user name in Data Center."""
    return text(user, "accountId") or text(user, "username")
