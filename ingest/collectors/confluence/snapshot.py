"""What a Confluence held at one moment, without the words: two of these tell what changed between them.

The cursor of a source is the digest of its snapshot, which is kept in a file under the state directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ingest.collectors.confluence.access import passing
from ingest.collectors.confluence.content import NOBODY, Attachment, Content, Space
from ingest.collectors.json_values import moment_of
from ingest.collectors.snapshot_files import SnapshotFiles
from shirabe.types import Acl, digest

_FORMAT: Final = 1


@dataclass(slots=True)
class Snapshot:
    """Everything by its number. `seen`: until when changes are in it; `compared`: when all was last read.

    `scope` names the options that it was read with, `site` is the address that its links are relative to.
    `comments`: number to the page's number and the version. `above`: title and gate of what pages lie in and is no
    page. `members`: the principals in groups whose members decide who sees something.
    """

    seen: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))
    compared: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))
    scope: str = ""
    site: str = ""
    spaces: dict[str, Space] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    comments: dict[str, tuple[str, int]] = field(default_factory=dict)
    above: dict[str, tuple[str, Acl]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    _passed: dict[tuple[Acl, ...], tuple[Acl, str]] = field(default_factory=dict, init=False)
    _kept: tuple[str, datetime, str] | None = field(default=None, init=False)

    def gates(self, content: Content) -> list[Acl]:
        """Return the gates on the way to a page, outermost first; of what is not known, one that nobody passes."""
        space = self.spaces.get(content.space)
        return [space.gate if space else NOBODY, *(self._gate(number) for number in content.ancestors), content.gate]

    def acl(self, content: Content) -> Acl:
        """Return who may see a page and what is at it."""
        return self._readers(content)[0]

    def titles(self, content: Content) -> tuple[str, ...]:
        """Return the names of what a page lies in, its space first."""
        space = self.spaces.get(content.space)
        return (space.name if space else content.space, *(self._title(number) for number in content.ancestors))

    def put(self, content: Content) -> None:
        """Take in a page as it is now; what lies under one that was moved moved with it."""
        known = self.contents.get(content.number)
        if content.space not in self.spaces:
            moved = [content.number, *(one.number for one in self._under(content.number))] if known else []
            for number in moved:
                self.without(number)
            return
        self.contents[content.number] = content
        if known is None or (known.ancestors, known.space) == (content.ancestors, content.space):
            return
        for one in self._under(content.number):
            rest = one.ancestors[one.ancestors.index(content.number) :]
            way = (*content.ancestors, *rest)
            self.contents[one.number] = replace(one, ancestors=way, space=content.space)

    def without(self, number: str) -> None:
        """Take out a page with all that is at it."""
        self.contents.pop(number, None)
        self.attachments = {key: one for key, one in self.attachments.items() if one.container != number}
        self.comments = {key: one for key, one in self.comments.items() if one[0] != number}

    def digests(self) -> dict[str, str]:
        """Return the path of every document with a digest of all that decides what is indexed of it."""
        said: dict[str, list[str]] = {}
        for comment, (at, version) in sorted(self.comments.items()):
            said.setdefault(at, []).append(f"{comment}:{version}")
        found: dict[str, str] = {}
        for content in self.contents.values():
            own = (str(content.version), content.title, *content.labels)
            found[content.path] = digest("page", self._place(content), *own, "said", *said.get(content.number, ()))
        for one in self.attachments.values():
            if one.container in self.contents:
                page = self.contents[one.container]
                found[one.path] = digest("file", self._place(page), page.title, one.title, str(one.version))
        return found

    def forget_passed(self) -> None:
        """Forget who passes which gates, after the members of a group were read."""
        self._passed.clear()

    def was_kept(self, cursor: str) -> bool:
        """Note that a file holds this state; False when it did before."""
        before, self._kept = self._kept, (cursor, self.compared, self.scope)
        return before != self._kept

    def cursor(self) -> str:
        """Return what names this state, times left out."""
        return digest(*(f"{path}={value}" for path, value in sorted(self.digests().items())))

    def _under(self, number: str) -> list[Content]:
        return [one for one in self.contents.values() if number in one.ancestors]

    def _place(self, content: Content) -> str:
        return digest(self._readers(content)[1], *self.titles(content))

    def _readers(self, content: Content) -> tuple[Acl, str]:
        """Return who may see a page, and a digest of them: pages by the thousand lie behind the same gates."""
        gates = tuple(self.gates(content))
        if gates not in self._passed:
            acl = passing(gates, self.members)
            self._passed[gates] = acl, digest(str(acl.public), *acl.principals)
        return self._passed[gates]

    def _gate(self, number: str) -> Acl:
        if number in self.contents:
            return self.contents[number].gate
        return self.above.get(number, ("", NOBODY))[1]

    def _title(self, number: str) -> str:
        if number in self.contents:
            return self.contents[number].title
        return self.above.get(number, ("", NOBODY))[0]


class SnapshotFolder(SnapshotFiles[Snapshot]):
    """The snapshots of one source, and what it was told to look at again. Methods block for a file's time."""

    def latest(self) -> Snapshot | None:
        """Return the snapshot that was kept last."""
        cursor = self.latest_cursor()
        found = self.load(cursor)
        if found is not None:
            found.was_kept(cursor)
        return found

    def keep(self, snapshot: Snapshot) -> str:
        """Keep a snapshot and return its cursor; the oldest go."""
        cursor = snapshot.cursor()
        # Where nothing is new but the hour, the next look only sees more twice from the older one on.
        if snapshot.was_kept(cursor):
            self.write(cursor, _encoded(snapshot))
        return cursor

    def _decoded(self, value: Any) -> Snapshot:
        if value["format"] != _FORMAT:
            raise ValueError("another version's snapshot")
        return Snapshot(
            seen=moment_of(value["seen"]),
            compared=moment_of(value["compared"]),
            scope=value["scope"],
            site=value["site"],
            spaces={key: Space(**{**one, "gate": _acl(one["gate"])}) for key, one in value["spaces"].items()},
            contents={key: _content(one) for key, one in value["contents"].items()},
            attachments={
                key: Attachment(**{**one, "written": moment_of(one["written"])})
                for key, one in value["attachments"].items()
            },
            comments={key: (page, version) for key, (page, version) in value["comments"].items()},
            above={key: (title, _acl(gate)) for key, (title, gate) in value["above"].items()},
            members={key: list(names) for key, names in value["members"].items()},
        )


def snapshot_folder(state_dir: Path, source_id: str, location: str) -> Path:
    """Return the folder of a source's snapshots."""
    return state_dir / "confluence" / digest("confluence", source_id, location)


def _encoded(snapshot: Snapshot) -> dict[str, Any]:
    names = (one.name for one in fields(snapshot) if one.init)
    return {"format": _FORMAT, **{name: _plain(getattr(snapshot, name)) for name in names}}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Acl | Attachment | Content | Space):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _content(one: Mapping[str, Any]) -> Content:
    return Content(
        **{
            **one,
            "written": moment_of(one["written"]),
            "ancestors": tuple(one["ancestors"]),
            "labels": tuple(one["labels"]),
            "gate": _acl(one["gate"]),
        }
    )


def _acl(value: Mapping[str, Any]) -> Acl:
    return Acl(public=value["public"], principals=tuple(value["principals"]))
