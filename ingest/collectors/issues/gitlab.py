"""Issues and merge requests of GitLab, by the REST API as its published reference describes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ingest.collectors.issues.api import PAGE_SIZE, Rest, Tags, labels_of
from ingest.collectors.issues.content import ISSUES, MERGE_REQUESTS, Project, Remark, Row, Thread
from ingest.collectors.issues.references import closed_by, files_in
from ingest.collectors.json_values import at, items, moment_of, text, whole
from ingest.collectors.web import WebClient
from shirabe.errors import InvalidInput

_HEADERS: Final = {"Accept": "application/json"}
_FILES_ANSWERS: Final = 5
_COMMITS_ANSWERS: Final = 3
_LEVELS: Final = {ISSUES: "issues_access_level", MERGE_REQUESTS: "merge_requests_access_level"}
_STATES: Final = {"opened": "open", "locked": "open (locked)"}
_RELATIONS: Final = {"relates_to": "relates to", "blocks": "blocks", "is_blocked_by": "is blocked by"}

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is told apart from an issue itself; `closed_by`: merge requests, `closes`: issues."""

    notes: Rows = ()
    files: Rows = ()
    commits: Rows = ()
    linked: Rows = ()
    closed_by: Rows = ()
    closes: Rows = ()


class GitLab:
    """One project; `name` is its path with those of its groups."""

    def __init__(self, web: WebClient, name: str) -> None:
        self._rest = Rest(web, _HEADERS)
        self._root = f"projects/{quote(name, safe='')}"
        self._name = name
        self._project = Project(name)

    async def project(self) -> Project:
        """Return the project by the path it has now, and what of it everybody reads."""
        found = await self._rest.one(self._root)
        levels = {kind: text(found, name) for kind, name in _LEVELS.items()}
        is_public = text(found, "visibility") == "public"
        public = tuple(kind for kind, level in levels.items() if is_public and level in ("", "enabled", "public"))
        kinds = tuple(kind for kind, level in levels.items() if level != "disabled")
        self._name = text(found, "path_with_namespace") or self._name
        self._project = Project(self._name, public, kinds)
        return self._project

    async def rows(self, since: datetime | None, tags: Tags) -> AsyncIterator[Row]:
        """Yield issues and merge requests, those that changed last first."""
        # An issue that changes while the list is read moves to where was read already, and none is left out.
        params = {"scope": "all", "state": "all", "order_by": "updated_at", "sort": "desc", "per_page": PAGE_SIZE}
        if since is not None:
            params["updated_after"] = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for kind in (ISSUES, MERGE_REQUESTS):
            if kind in self._project.kinds:
                async for row in self._listed(kind, params, tags if since is not None else None):
                    yield row_of(kind, row)

    async def row(self, kind: str, number: int) -> Row | None:
        """Return the row of one as it is now."""
        found = await self._rest.issue(f"{self._root}/{kind}/{number}")
        return row_of(kind, found) if found is not None else None

    async def thread(self, row: Row) -> Thread | None:
        """Return an issue or merge request as it is now."""
        place = f"{self._root}/{row.kind}/{row.number}"
        found = await self._rest.issue(place)
        if found is None:
            return None
        notes = await self._rest.side(f"{place}/notes") if whole(found, "user_notes_count") else []
        if row.kind == ISSUES:
            linked, by = await self._rest.side(f"{place}/links"), await self._rest.side(f"{place}/closed_by")
            return thread_of(row.kind, found, Parts(notes, linked=linked, closed_by=by))
        files = await self._rest.side(f"{place}/diffs", _FILES_ANSWERS)
        commits = await self._rest.side(f"{place}/commits", _COMMITS_ANSWERS)
        closes = await self._rest.side(f"{place}/closes_issues")
        return thread_of(row.kind, found, Parts(notes, files, commits, closes=closes))

    async def _listed(
        self, kind: str, params: Mapping[str, str], tags: Tags | None
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield a list; all that there are by keyset where the server can, because pages by number end at 50 000."""
        path, begun = f"{self._root}/{kind}", False
        if tags is None and kind == ISSUES:
            try:
                async for row in self._rest.paged(path, {**params, "pagination": "keyset"}):
                    begun = True
                    yield row
                return
            except InvalidInput:  # 405: an older server has it not for this list
                if begun:
                    raise
        async for row in self._rest.paged(path, params, tags):
            yield row


def row_of(kind: str, one: Mapping[str, Any]) -> Row:
    """Read a row of the list of issues or of merge requests."""
    notes, moved = text(one, "user_notes_count"), text(one, "moved_to_id")
    return Row(kind, whole(one, "iid"), text(one, "updated_at"), f"{notes}:{moved}", is_confidential(one))


def is_confidential(one: Mapping[str, Any]) -> bool:
    """Tell whether only some may see an issue; of anything but a plain no, yes."""
    return at(one, "confidential") not in (None, False)


def project_of(one: Mapping[str, Any]) -> str:
    """Return the path of the project that an issue is in."""
    return text(one, "references", "full").replace("!", "#").partition("#")[0]


def thread_of(kind: str, one: Mapping[str, Any], parts: Parts) -> Thread:
    """Read an issue or merge request; notes of the system's, and those for members only, are left out."""
    project, body = project_of(one), text(one, "description")
    said = [note for note in parts.notes if at(note, "system") is not True and not _is_internal(note)]
    remarks = sorted((_remark(note) for note in said), key=lambda remark: (remark.written, remark.anchor))
    texts = [body, *(remark.text for remark in remarks)]
    messages = [text(commit, "message") or text(commit, "title") for commit in parts.commits]
    changed = [text(file, "new_path") or text(file, "old_path") for file in parts.files]
    closes = closed_by([body, *messages]) if kind == MERGE_REQUESTS else ()
    return Thread(
        kind=kind,
        number=whole(one, "iid"),
        title=text(one, "title"),
        text=body,
        author=_person(one),
        written=moment_of(at(one, "created_at")),
        updated=moment_of(at(one, "updated_at")),
        state=_state(one),
        url=text(one, "web_url"),
        labels=labels_of(one),
        milestone=text(one, "milestone", "title"),
        assignees=tuple(text(person, "username") for person in items(at(one, "assignees"))),
        branches=tuple(filter(None, (text(one, "source_branch"), text(one, "target_branch")))),
        remarks=tuple(remarks),
        files=tuple(dict.fromkeys((*changed, *files_in(texts, project)))),
        commits=tuple((text(commit, "id"), text(commit, "title")) for commit in parts.commits),
        links=tuple(dict.fromkeys((*_links(parts, project), *(("closes", name) for name in closes)))),
        confidential=is_confidential(one),
    )


def _remark(note: Mapping[str, Any]) -> Remark:
    path = text(note, "position", "new_path") or text(note, "position", "old_path")
    line = text(note, "position", "new_line") or text(note, "position", "old_line")
    about = " · ".join(filter(None, (":".join(filter(None, (path, line))), "resolved" if at(note, "resolved") else "")))
    return Remark(
        f"note_{text(note, 'id')}", _person(note), moment_of(at(note, "created_at")), text(note, "body"), about
    )


def _is_internal(note: Mapping[str, Any]) -> bool:
    return any(at(note, name) not in (None, False) for name in ("internal", "confidential"))


def _person(one: Mapping[str, Any]) -> str:
    return text(one, "author", "username") or text(one, "author", "name") or "ghost"


def _state(one: Mapping[str, Any]) -> str:
    state = text(one, "state")
    if state == "opened" and at(one, "draft"):
        return "open (draft)"
    return "closed (moved)" if text(one, "moved_to_id") else _STATES.get(state, state)


def _links(parts: Parts, project: str) -> Iterator[tuple[str, str]]:
    """Yield what an issue is linked with; what is confidential, or of another project, is left out."""
    for one in _shown(parts.closes, project):
        yield "closes", one
    for one in _shown(parts.closed_by, project):
        yield "closed by", one
    for relation, words in _RELATIONS.items():
        for one in _shown([row for row in parts.linked if text(row, "link_type") == relation], project):
            yield words, one


def _shown(rows: Iterable[Mapping[str, Any]], project: str) -> Iterator[str]:
    for row in rows:
        name = project_of(row)
        if project and name == project and not is_confidential(row):
            yield text(row, "references", "full").removeprefix(name)
