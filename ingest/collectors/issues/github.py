"""Issues and pull requests of GitHub, by the REST API as its published reference describes it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ingest.collectors.issues.api import PAGE_SIZE, Rest, Tags, labels_of, required
from ingest.collectors.issues.content import ISSUES, PULLS, Project, Remark, Row, Thread
from ingest.collectors.issues.references import closed_by, files_in
from ingest.collectors.json_values import at, items, moment_of, text, whole
from ingest.collectors.web import WebClient

_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_FILES_ANSWERS: Final = 5
_COMMITS_ANSWERS: Final = 3
_GHOST: Final = "ghost"
_VERDICTS: Final = {"APPROVED": "approved", "CHANGES_REQUESTED": "changes requested", "DISMISSED": "dismissed"}
_REPOSITORY: Final = re.compile(r"/repos/([^/]+/[^/]+)/?$")

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is told apart from an issue itself."""

    pull: Mapping[str, Any] | None = None
    comments: Rows = ()
    review_comments: Rows = ()
    reviews: Rows = ()
    files: Rows = ()
    commits: Rows = ()
    timeline: Rows = ()


class GitHub:
    """One repository."""

    def __init__(self, web: WebClient, name: str) -> None:
        self._rest = Rest(web, _HEADERS)
        self._root = f"repos/{quote(name)}"
        self._name = name

    async def project(self) -> Project:
        """Return the repository by the name it has now; everybody reads one that is not private."""
        found = await self._rest.one(self._root)
        self._name = text(found, "full_name") or self._name
        is_public = at(found, "private") is False and text(found, "visibility") in ("", "public")
        return Project(self._name, (ISSUES, PULLS) if is_public else (), (ISSUES, PULLS))

    async def rows(self, since: datetime | None, tags: Tags) -> AsyncIterator[Row]:
        """Yield issues and pull requests, those that changed last first."""
        # An issue that changes while the list is read moves to where was read already, and none is left out.
        params = {"state": "all", "sort": "updated", "direction": "desc", "per_page": PAGE_SIZE}
        if since is not None:
            params["since"] = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        async for row in self._rest.paged(f"{self._root}/issues", params, tags if since is not None else None):
            yield row_of(row)

    async def row(self, kind: str, number: int) -> Row | None:
        """Return the row of one as it is now."""
        issue = await self._issue(number)
        found = row_of(issue) if issue is not None else None
        return found if found is not None and found.kind == kind else None

    async def thread(self, row: Row) -> Thread | None:
        """Return an issue or pull request as it is now."""
        issue = await self._issue(row.number)
        if issue is None:
            return None
        comments = await self._side(f"issues/{row.number}/comments") if whole(issue, "comments") else []
        if "pull_request" not in issue:
            timeline = await self._side(f"issues/{row.number}/timeline")
            return thread_of(issue, Parts(comments=comments, timeline=timeline))
        pull = required(await self._rest.one(f"{self._root}/pulls/{row.number}"), "a pull request")
        place = f"pulls/{row.number}"
        said = await self._side(f"{place}/comments") if whole(pull, "review_comments") else []
        files = await self._side(f"{place}/files", _FILES_ANSWERS) if whole(pull, "changed_files") else []
        commits = await self._side(f"{place}/commits", _COMMITS_ANSWERS) if whole(pull, "commits") else []
        reviews = await self._side(f"{place}/reviews")
        return thread_of(issue, Parts(pull, comments, said, reviews, files, commits))

    async def _issue(self, number: int) -> Mapping[str, Any] | None:
        issue = await self._rest.issue(f"{self._root}/issues/{number}")
        # One that was transferred is answered with the other repository's.
        return issue if issue is not None and project_of(issue).lower() == self._name.lower() else None

    async def _side(self, path: str, most: int = 100) -> list[Mapping[str, Any]]:
        return await self._rest.side(f"{self._root}/{path}", most)


def row_of(issue: Mapping[str, Any]) -> Row:
    """Read a row of the list of issues, in which pull requests are too."""
    kind = PULLS if "pull_request" in issue else ISSUES
    return Row(kind, whole(issue, "number"), text(issue, "updated_at"), text(issue, "comments"))


def project_of(issue: Mapping[str, Any]) -> str:
    """Return the repository that an issue is in, with its owner."""
    match = _REPOSITORY.search(text(issue, "repository_url"))
    return match[1] if match else ""


def thread_of(issue: Mapping[str, Any], parts: Parts) -> Thread:
    """Read an issue, or a pull request with what only that has."""
    project = project_of(issue)
    remarks = sorted(_remarks(parts), key=lambda remark: (remark.written, remark.anchor))
    body = text(issue, "body")
    texts = [body, *(remark.text for remark in remarks)]
    commits = tuple((text(one, "sha"), _first_line(text(one, "commit", "message"))) for one in parts.commits)
    changed = tuple(text(one, "filename") for one in parts.files)
    is_pull = "pull_request" in issue
    closes = closed_by([body, *(text(one, "commit", "message") for one in parts.commits)]) if is_pull else ()
    return Thread(
        kind=PULLS if is_pull else ISSUES,
        number=whole(issue, "number"),
        title=text(issue, "title"),
        text=body,
        author=text(issue, "user", "login") or _GHOST,
        written=moment_of(at(issue, "created_at")),
        updated=moment_of(at(issue, "updated_at")),
        state=_state(issue, parts.pull),
        url=text(issue, "html_url"),
        labels=labels_of(issue),
        milestone=text(issue, "milestone", "title"),
        assignees=tuple(text(one, "login") for one in items(at(issue, "assignees"))),
        branches=tuple(filter(None, (text(parts.pull, "head", "ref"), text(parts.pull, "base", "ref")))),
        remarks=tuple(remarks),
        files=tuple(dict.fromkeys((*changed, *files_in(texts, project)))),
        commits=commits,
        links=tuple(dict.fromkeys((*(("closes", one) for one in closes), *_links(parts.timeline, project)))),
    )


def _remarks(parts: Parts) -> Iterator[Remark]:
    for one in parts.comments:
        yield _remark(one, "issuecomment-", "created_at")
    for one in parts.review_comments:
        line = text(one, "line") or text(one, "original_line")
        yield _remark(one, "discussion_r", "created_at", ":".join(filter(None, (text(one, "path"), line))))
    for one in parts.reviews:
        yield _remark(one, "pullrequestreview-", "submitted_at", _VERDICTS.get(text(one, "state").upper(), "review"))


def _remark(one: Mapping[str, Any], anchor: str, written: str, about: str = "") -> Remark:
    author = text(one, "user", "login") or _GHOST
    return Remark(f"{anchor}{text(one, 'id')}", author, moment_of(at(one, written)), text(one, "body"), about)


def _state(issue: Mapping[str, Any], pull: Mapping[str, Any] | None) -> str:
    if at(pull, "merged_at") or at(issue, "pull_request", "merged_at"):
        return "merged"
    state, reason = text(issue, "state"), text(issue, "state_reason")
    if state == "open" and (at(issue, "draft") or at(pull, "draft")):
        return "open (draft)"
    return f"{state} ({reason.replace('_', ' ')})" if state == "closed" and reason else state


def _links(timeline: Iterable[Mapping[str, Any]], project: str) -> Iterator[tuple[str, str]]:
    """Yield what mentions an issue and what closed it; what others may not see is left out."""
    for event in timeline:
        kind, commit = text(event, "event"), text(event, "commit_id")
        if kind == "cross-referenced":
            source = at(event, "source", "issue")
            name = text(source, "repository", "full_name") or project_of(source or {})
            number = text(source, "number")
            if not number or not name:
                continue
            if name.lower() == project.lower():
                yield "mentioned in", f"#{number}"
            elif at(source, "repository", "private") is False:
                yield "mentioned in", f"{name}#{number}"
        elif kind in ("closed", "referenced") and commit and _is_own(text(event, "commit_url"), project):
            yield ("closed by" if kind == "closed" else "mentioned in"), commit


def _is_own(address: str, project: str) -> bool:
    return f"/repos/{project.lower()}/" in address.lower()


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0].strip()
