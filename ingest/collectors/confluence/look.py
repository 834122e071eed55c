"""Looking at a Confluence: a whole comparison now and then, between them only what the search says was written.

The search knows neither the trash nor a changed restriction, and may be behind. What was trashed is looked up besides,
what webhooks told of is read by its number, and the comparison finds the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final

from ingest.collectors.confluence.access import unknown_groups
from ingest.collectors.confluence.api import Api, all_of, container_of, modified_since, version_of
from ingest.collectors.confluence.content import GROUP, PAGES, USER, Space, attachment_of, content_of
from ingest.collectors.confluence.options import Options, zone_of
from ingest.collectors.confluence.snapshot import Snapshot
from ingest.collectors.json_values import text
from shirabe.errors import NotFound
from shirabe.types import Acl, digest

OVERLAP: Final = timedelta(minutes=90)
"""What was written so long before the last look is looked at again: an index lags, a clock is wrong, a summer ends."""

# Whatever the account's zone is, it is not further west.
_WESTERNMOST: Final = timezone(timedelta(hours=-12))
_TRASH_ANSWERS: Final = 5
_SPACES_PER_QUERY: Final = 50


class Look:
    """One look at a site. `acl` is what stands for the spaces' own permissions where these do not count."""

    def __init__(self, api: Api, options: Options, acl: Acl, now: Callable[[], datetime]) -> None:
        self._api = api
        self._options = options
        self._acl = acl
        self._now = now

    @property
    def scope(self) -> str:
        """What names the options that decide what is read, and for whom."""
        options, acl = self._options, self._acl
        return digest(*options.spaces, options.permissions, str(options.cloud), str(acl.public), *acl.principals)

    async def everything(self) -> Snapshot:
        """Return what there is. Raises: NotFound for a space that is not there; as the calls do."""
        begun = self._now()
        found = Snapshot(seen=begun, compared=begun, scope=self.scope)
        for space in await self._spaces():
            found.spaces[space.key] = replace(space, gate=await self._gate(space))
            async for content in self._api.contents(space):
                found.contents[content.number] = content
        for keys in self._queries(list(found.spaces)):
            for kind in ("comment", "attachment"):
                async for row in self._api.search(all_of(kind, keys)):
                    _take_beside(found, row, kind)
        await self._complete(found)
        found.site = self._api.site
        return found

    async def changed(self, since: Snapshot, notes: Sequence[Mapping[str, Any]]) -> Snapshot:
        """Bring a snapshot up to date by the search, the trash and `notes` (of webhooks). Raises: as the calls do."""
        begun = self._now()
        moment = (since.seen - OVERLAP).astimezone(await self._zone())
        for keys in self._queries(list(self._options.spaces)):
            async for row in self._api.search(modified_since(moment, keys)):
                self._take(since, row)
        async for number in self._api.trashed(_TRASH_ANSWERS):
            await self._gone(since, number)
        for note in notes:
            await self._told(since, note)
        since.seen = begun
        await self._complete(since)
        return since

    def _take(self, found: Snapshot, row: Mapping[str, Any]) -> None:
        """Take in a row of the search, when it is of a space that is read."""
        kind = text(row, "type")
        if text(row, "status") not in ("", "current"):
            return
        if kind in PAGES:
            found.put(content_of(row))
        else:
            _take_beside(found, row, kind)

    async def _told(self, found: Snapshot, note: Mapping[str, Any]) -> None:
        """Look at what a webhook told of by its number."""
        for number in note.get("contents", ()):
            content = await self._api.content(number)
            if content is not None:
                found.put(content)
            elif number in found.contents:
                await self._gone(found, number)
            elif number in found.above:
                found.above[number] = await self._api.above(number)
        for number in note.get("comments", ()):
            place = await self._api.container(number)
            found.comments.pop(number, None)
            if place is not None and place[0] in found.contents:
                found.comments[number] = place
        for number in note.get("attachments", ()):
            one = await self._api.attachment(number)
            found.attachments.pop(number, None)
            if one is not None and one.container in found.contents:
                found.attachments[number] = one

    async def _gone(self, found: Snapshot, number: str) -> None:
        """Take out a page; those under it are asked where they are now."""
        if number not in found.contents:
            return
        under = [child.number for child in found.contents.values() if child.ancestors[-1:] == (number,)]
        found.without(number)
        for child in under:
            content = await self._api.content(child)
            if content is None:
                await self._gone(found, child)
            else:
                found.put(content)

    async def _spaces(self) -> list[Space]:
        spaces = await self._api.spaces()
        wanted = self._options.spaces
        missing = set(wanted) - {space.key for space in spaces}
        if missing:
            raise NotFound(f"the account sees no space {sorted(missing)[0]}")
        return [space for space in spaces if not wanted or space.key in wanted]

    async def _gate(self, space: Space) -> Acl:
        return self._acl if self._options.permissions == "source" else await self._api.gate(space)

    async def _complete(self, found: Snapshot) -> None:
        """Read what pages lie in and is no page, and the members of groups that decide who sees something."""
        above = {number for content in found.contents.values() for number in content.ancestors} - found.contents.keys()
        for number in sorted(above - found.above.keys()):
            found.above[number] = await self._api.above(number)
        found.above = {number: found.above[number] for number in above}
        gates = {tuple(found.gates(content)) for content in found.contents.values()}
        groups: set[str] = set()
        for way in gates:
            groups |= unknown_groups(way, found.members)
        for group in sorted(groups):
            members = await self._api.members(group.removeprefix(GROUP))
            found.members[group] = [f"{USER}{member}" for member in members]
        found.forget_passed()

    async def _zone(self) -> tzinfo:
        return self._options.time_zone or zone_of(await self._api.time_zone()) or _WESTERNMOST

    def _queries(self, keys: Sequence[str]) -> Iterable[Sequence[str]]:
        """Return the keys in parts that fit a query; none at all asks for every space."""
        if not self._options.spaces:
            return [()]
        return [keys[start : start + _SPACES_PER_QUERY] for start in range(0, len(keys), _SPACES_PER_QUERY)]


def _take_beside(found: Snapshot, row: Mapping[str, Any], kind: str) -> None:
    """Take in a comment or an attachment, when its page is one that is read."""
    page = container_of(row)
    if page not in found.contents:
        return
    if kind == "comment":
        found.comments[text(row, "id")] = (page, version_of(row))
    elif kind == "attachment":
        one = attachment_of(row, page)
        found.attachments[one.number] = one
