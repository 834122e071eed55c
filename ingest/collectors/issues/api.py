"""What the collector asks of a tracker, and how the lists of both services are read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from ingest.collectors.issues.content import Project, Row, Thread
from ingest.collectors.json_values import at, items, text
from ingest.collectors.web import WebClient
from shirabe.errors import Forbidden, InvalidInput, NotFound, Unavailable

PAGE_SIZE: Final = "100"
_MAX_ANSWERS: Final = 20_000
_NEXT: Final = re.compile(r'<([^<>]+)>\s*;[^,<]*\brel="?next"?')


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags (ETag) under which answers were given, by the address that was asked."""

    known: Mapping[str, str]
    given: dict[str, str]

    def keep(self, name: str) -> None:
        """Keep the tag of an answer that is still right."""
        if name in self.known:
            self.given[name] = self.known[name]


class Tracker(Protocol):
    """One repository's or project's issues."""

    async def project(self) -> Project:
        """Return what is read. Raises: as `WebClient.get` does."""

    def rows(self, since: datetime | None, tags: Tags) -> AsyncIterator[Row]:
        """Yield what there is, or what changed since a moment: nothing where the tags tell that nothing did."""

    async def row(self, kind: str, number: int) -> Row | None:
        """Return the row of one as it is now; None when it is gone, or in another project now."""

    async def thread(self, row: Row) -> Thread | None:
        """Return an issue as it is now; None when it is gone, or in another project now."""


class Rest:
    """Reads what a REST API answers: JSON, in lists that go on where a `Link` says."""

    def __init__(self, web: WebClient, headers: Mapping[str, str]) -> None:
        self._web = web
        self._headers = headers

    async def one(self, path: str) -> Any:
        """Return a JSON document. Raises: as `WebClient.get` does."""
        return (await self._web.get(path, headers=self._headers)).json()

    async def issue(self, path: str) -> Mapping[str, Any] | None:
        """Return an issue, None when it is not there. Raises: as `WebClient.get` does."""
        try:
            return required(await self.one(path), "an issue")
        except NotFound:
            return None

    async def side(self, path: str, most: int = _MAX_ANSWERS) -> list[Mapping[str, Any]]:
        """Return a list that stands beside an issue, from at most so many answers; empty when it may not be read."""
        try:
            return [row async for row in self.paged(path, {"per_page": PAGE_SIZE}, most=most)]
        except (NotFound, Forbidden):
            return []

    async def paged(
        self, path: str, params: Mapping[str, str], tags: Tags | None = None, most: int = _MAX_ANSWERS
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the rows of a list; none when its beginning is as `tags` know it.

        Raises: Unavailable when the list has no end; as `WebClient.get` does.
        """
        name = "&".join((path, *(f"{key}={value}" for key, value in sorted(params.items()))))
        known = tags.known.get(name) if tags is not None else None
        headers = {**self._headers, **({"If-None-Match": known} if known else {})}
        answer = await self._web.get(path, params, headers=headers)
        if answer.status == 304:
            if tags is not None:
                tags.keep(name)
            return
        tag = answer.headers.get("etag", "")
        seen: set[str] = set()
        for number in range(1, most + 1):
            rows = answer.json()
            if not isinstance(rows, list):
                raise Unavailable(f"{path} answered something that is no list")
            for row in items(rows):
                yield row
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                break
            if following[1] in seen or number == _MAX_ANSWERS:
                raise Unavailable(f"the list at {path} has no end")
            seen.add(following[1])
            if number < most:
                answer = await self._web.get(following[1], headers=self._headers)
        if tags is not None and tag:
            # Only now: a list that broke off is read again.
            tags.given[name] = tag


def labels_of(issue: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of an issue's labels, which some answers give alone."""
    return tuple(label if isinstance(label, str) else text(label, "name") for label in at(issue, "labels") or ())


def required(value: Any, what: str) -> Mapping[str, Any]:
    """Return a JSON object. Raises: InvalidInput when it is none."""
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{what} is no JSON object")
    return value
